"""Requests through a real gateway: shared out as written, copied to a shadow, and led to another by a header."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from hack.addons import GATEWAY_CLASS, GATEWAY_NAMESPACE

from .kube import Shell, get_text, post, wait_for
from .test_main_path import PREDICTIONS, ROWS, ndarray

pytestmark = pytest.mark.e2e
NAME = "shared"
SENT = 400
CANARY = 0.25
COUNT = "seldon_api_executor_server_requests_seconds_count"
GATEWAY = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "public", "namespace": GATEWAY_NAMESPACE},
    "spec": {
        "gatewayClassName": GATEWAY_CLASS,
        "listeners": [
            {"name": "http", "protocol": "HTTP", "port": 80, "allowedRoutes": {"namespaces": {"from": "All"}}}
        ],
    },
}


def predictor(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "graph": {"name": "classifier", "type": "MODEL"},
        "componentSpecs": [{"spec": {"containers": [{"name": "classifier", "image": "seldonio/mock_classifier:1.0"}]}}],
        **fields,
    }


MANIFEST = {
    "apiVersion": "machinelearning.seldon.io/v1",
    "kind": "SeldonDeployment",
    "metadata": {"name": NAME},
    "spec": {
        "predictors": [
            predictor("main", traffic=75),
            predictor("canary", traffic=25),
            predictor("copy", shadow=True),
        ]
    },
}


@pytest.fixture
def gateway(shell: Shell) -> Iterator[Shell]:
    """A shell in the gateway's namespace while the operator attaches routes to the gateway."""
    upgrade = ["helm", "upgrade", "seldon", ".", "--namespace", "seldon-system", "--wait"]
    values = {"gatewayApi": {"enabled": True, "gateways": [f"{GATEWAY_NAMESPACE}/public"]}}
    shell.check("kubectl", "apply", "--filename", "-", stdin=json.dumps(GATEWAY))
    shell.check(*upgrade, "--set-json", f"seldon-core-operator={json.dumps(values)}")
    yield replace(shell, namespace=GATEWAY_NAMESPACE)
    shell.check(*upgrade, "--reset-values")
    shell.check("kubectl", "delete", "--filename", "-", stdin=json.dumps(GATEWAY))


def served(shell: Shell, name: str, sdep: str = NAME) -> int:
    """The number of requests that the engine of a predictor has answered with success."""
    with shell.forward(f"service/{sdep}-{name}", 8000) as url:
        lines = get_text(f"{url}/prometheus").splitlines()
    return round(
        sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(COUNT) and 'code="200"' in line)
    )


def proxy(gateway: Shell) -> str:
    """The Service of the gateway's proxy, once that serves."""

    def found() -> str | None:
        services = gateway.get("services", "--selector", "gateway.envoyproxy.io/owning-gateway-name=public")["items"]
        return services[0]["metadata"]["name"] if services else None

    service = wait_for("the proxy's Service", found)
    assert service is not None
    wait_for("the proxy", lambda: gateway.get("endpoints", service).get("subsets", [{}])[0].get("addresses"))
    return service


@pytest.mark.timeout(300)
def test_a_canary_gets_its_share_and_a_shadow_gets_copies(shell: Shell, gateway: Shell) -> None:
    shell.kubectl("apply", "--filename", "-", stdin=json.dumps(MANIFEST))
    shell.wait_available(NAME)
    with gateway.forward(f"service/{proxy(gateway)}", 80) as url:
        target = f"{url}/seldon/{shell.namespace}/{NAME}{PREDICTIONS}"
        wait_for("the route", lambda: post(target, ndarray(ROWS))[0] == 200)
        before = {name: served(shell, name) for name in ("main", "canary", "copy")}
        answers = [post(target, ndarray(ROWS))[0] for _ in range(SENT)]
    assert answers == [200] * SENT
    main, canary = (served(shell, name) - before[name] for name in ("main", "canary"))
    assert main + canary == SENT
    # Four standard deviations of a fair draw.
    assert abs(canary - SENT * CANARY) <= 4 * math.sqrt(SENT * CANARY * (1 - CANARY))
    wait_for("a copy of each request", lambda: served(shell, "copy") - before["copy"] >= SENT)


@pytest.mark.timeout(300)
def test_a_header_leads_to_another_seldondeployment_at_the_same_path(shell: Shell, gateway: Shell) -> None:
    annotations = {"seldon.io/ambassador-service-name": NAME, "seldon.io/ambassador-header": "location: london"}
    for name, own in ((NAME, {}), ("london", annotations)):
        manifest = {
            **MANIFEST,
            "metadata": {"name": name},
            "spec": {"annotations": own, "predictors": [predictor("main")]},
        }
        shell.kubectl("apply", "--filename", "-", stdin=json.dumps(manifest))
    for name in (NAME, "london"):
        shell.wait_available(name)
    asked = {NAME: ({}, {"location": "paris"}), "london": ({"location": "london"},)}
    with gateway.forward(f"service/{proxy(gateway)}", 80) as url:
        target = f"{url}/seldon/{shell.namespace}/{NAME}{PREDICTIONS}"
        wait_for("the route", lambda: post(target, ndarray(ROWS))[0] == 200)
        idle = served(shell, "main", "london")
        wait_for(
            "the other route",
            lambda: post(target, ndarray(ROWS), location="london")[0] == 200 and served(shell, "main", "london") > idle,
        )
        for name, all_headers in asked.items():
            for headers in all_headers:
                before = {each: served(shell, "main", each) for each in asked}
                assert [post(target, ndarray(ROWS), **headers)[0] for _ in range(5)] == [200] * 5
                after = {each: served(shell, "main", each) - before[each] for each in asked}
                assert after == {each: 5 if each == name else 0 for each in asked}
