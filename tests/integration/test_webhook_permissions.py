"""The chart's permissions, held by an API server with RBAC, are all that the webhook needs."""

import asyncio
import json
import logging
import ssl
import subprocess
from pathlib import Path

import pytest

from hack.controlplane import ControlPlane
from hack.tools import find
from seldon_core.kube.client import Client
from tests.chart.rendering import Helm
from tests.integration.test_webhook_trust import kept, until
from webhook.metrics import Metrics
from webhook.surroundings import ClusterTypes, Neighbours
from webhook.trust import Place, Trust

pytestmark = [pytest.mark.xdist_group("crd"), pytest.mark.usefixtures("crd")]

INSTALLED = ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
CALLED = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


async def test_the_webhook_works_with_what_the_chart_lets_it_do(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rendered = Helm(find("helm"), tmp_path).operator({"singleNamespace": True}, namespace=namespace)
    items = [found for found in rendered.objects if found["kind"] in (*INSTALLED, *CALLED)]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    environment = {"KUBECONFIG": str(control_plane.kubeconfig), "HOME": str(tmp_path)}
    kubectl = [str(find("kubectl")), "apply", "--server-side", "-f", "-"]
    subprocess.run(kubectl, env=environment, input=listed, text=True, check=True, capture_output=True)  # noqa: ASYNC221

    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    account = control_plane.kubeconfig_for(f"system:serviceaccount:{namespace}:seldon-webhook", groups)
    configurations = {found["kind"]: found["metadata"]["name"] for found in items if found["kind"] in CALLED}
    place = Place(
        namespace,
        rendered.argument("seldon-webhook", "service-name"),
        rendered.argument("seldon-webhook", "secret-name"),
        *(configurations[kind] for kind in CALLED),
    )
    with caplog.at_level(logging.WARNING):
        async with Client(str(account)) as client:
            trust = Trust(client, place, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), Metrics())
            types, neighbours = ClusterTypes(client), Neighbours(client, namespace)
            async with kept(trust):
                looking = asyncio.create_task(neighbours.reflector.run())
                await types.refresh()
                await until(neighbours.reflector.synced.is_set)
                await until(lambda: trust.problem is None)
                # Two configurations, the Secret and the SeldonDeployments.
                await until(lambda: client.requests["watch"] >= 4)
                looking.cancel()
    assert types.current is not None
    assert "forbidden" not in caplog.text.lower()
