import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seldon_core.api.names import (
    container_service_label,
    container_service_name,
    deployment_name,
    engine_deployment_name,
    explainer_name,
    explainer_route_name,
    model_initializer_name,
    model_volume_name,
    predictor_service_name,
    seldon_id,
)
from tests.api.samples import NAMES, component, container

LONG_SDEP = "seldon-model-1234567890-1234567890-1234567890-1234567890-1234567890"
LONG_PREDICTOR = "C12345678912345678901234567890123456789012345678901234567890"
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(
            deployment_name("dep", "p1", 0, component(container("classifier"))),
            "dep-p1-0-classifier",
            id="N1-one-model",
        ),
        pytest.param(deployment_name("s", "p", 0, component(container("m"))), "s-p-0-m", id="N3-prefix-off"),
        pytest.param(
            deployment_name("s", "p", 0, component(container("m")), sdep_name_as_prefix=True),
            "s-p-0-m",
            id="N3-prefix-on",
        ),
        pytest.param(
            deployment_name("s", LONG_PREDICTOR, 0, component(container("m"))),
            "seldon-10eb0f02cdc303e74043e57c1d8147ab",
            id="N4-long-predictor",
        ),
        pytest.param(
            deployment_name("s", LONG_PREDICTOR, 0, component(container("m")), sdep_name_as_prefix=True),
            "s-10eb0f02cdc303e74043e57c1d8147ab",
            id="N5-long-predictor-prefix-on",
        ),
        pytest.param(
            deployment_name(LONG_SDEP, "p1", 0, component(), sdep_name_as_prefix=True),
            "seldon-5fdf818e3b842e9129a341471ed46232",
            id="prefix-on-but-too-long",
        ),
        pytest.param(
            deployment_name("s", "p", 1, component(container("a"), container("b"))), "s-p-1-a-b", id="two-containers"
        ),
        pytest.param(
            deployment_name("s", "p", 1, component(container("a"), metadata={"name": "pinned"})),
            "s-p-1-pinned",
            id="own-name",
        ),
        pytest.param(
            deployment_name(
                "linear-pipeline-single-pod",
                "example",
                0,
                component(*map(container, ["node-one", "node-two", "node-three"])),
            ),
            "seldon-c71cc2d950d44db1bc6afbeb0194c1da",
            id="65-characters",
        ),
        pytest.param(seldon_id("mydep"), "mydep", id="id"),
        pytest.param(seldon_id(LONG_SDEP), "seldon-83a2ff7bfcb4fd45246a1b2c4ef40961", id="id-long"),
        pytest.param(predictor_service_name("mydep", {"name": "p1"}), "mydep-p1", id="service"),
        pytest.param(
            predictor_service_name(LONG_SDEP, {"name": "p1"}),
            "seldon-587bb9225779dd0ae9335ad02964c78e",
            id="service-long",
        ),
        pytest.param(
            predictor_service_name("mydep", {"name": "p1", "annotations": {"seldon.io/svc-name": "chosen"}}),
            "chosen",
            id="service-chosen",
        ),
        pytest.param(container_service_name("mydep", "p1", "classifier"), "mydep-p1-classifier", id="container"),
        pytest.param(
            container_service_name(LONG_SDEP, "p1", "classifier"),
            "seldon-1b3aa4899999fbb66914187a059490d0",
            id="container-long",
        ),
        pytest.param(engine_deployment_name("mydep", "p1"), "mydep-p1-svc-orch", id="engine"),
        pytest.param(
            engine_deployment_name(LONG_SDEP, "p1"), "seldon-ede2fe92bb056bdeea7d00a35cd47a28", id="engine-long"
        ),
        pytest.param(explainer_name("mydep", "p1"), "mydep-p1-explainer", id="explainer"),
        pytest.param(explainer_name(LONG_SDEP, "p1"), "seldon-1b147b26bc45d65f09ef7e6c5662af29", id="explainer-long"),
        pytest.param(explainer_route_name("mydep-p1-explainer", "http"), "mydep-p1-explainer-http", id="route"),
        pytest.param(explainer_route_name("e" * 60, "grpc"), "e" * 60 + "-gr", id="route-cut"),
        pytest.param(explainer_route_name("e" * 62, "http"), "e" * 62, id="route-cut-at-the-dash"),
        pytest.param(model_volume_name("classifier"), "classifier-provision-location", id="volume"),
        pytest.param(model_volume_name("c" * 52), "c" * 52 + "-provision", id="volume-cut-at-the-dash"),
        pytest.param(model_initializer_name("classifier"), "classifier-model-initializer", id="initializer"),
        pytest.param(model_initializer_name("c" * 63), "c" * 63, id="initializer-of-a-long-name"),
        pytest.param(container_service_label("a" * 48), "seldon-app-svc-" + "a" * 48, id="label-63-characters"),
    ],
)
def test_names_are_those_that_users_know(name: str, expected: str) -> None:
    assert name == expected


def test_a_long_deployment_name_is_a_digest() -> None:
    """N2"""
    first, *rest = deployment_name("dep", "p1", 0, component(container("c" * 60))).split("-")
    assert first == "seldon"
    assert len(rest) == 1


@given(NAMES, NAMES, st.integers(0, 20), st.lists(NAMES, min_size=1, max_size=4), st.booleans())
def test_every_name_is_a_dns_label_and_the_same_again(
    sdep: str, predictor: str, index: int, containers: list[str], prefix: bool
) -> None:
    spec = component(*map(container, containers))

    def names() -> list[str]:
        return [
            seldon_id(sdep),
            deployment_name(sdep, predictor, index, spec, sdep_name_as_prefix=prefix),
            predictor_service_name(sdep, {"name": predictor}),
            engine_deployment_name(sdep, predictor),
            explainer_name(sdep, predictor),
            *[explainer_route_name(explainer_name(sdep, predictor), transport) for transport in ("http", "grpc")],
            *[model_volume_name(each) for each in containers],
            *[model_initializer_name(each) for each in containers],
            *[container_service_name(sdep, predictor, each) for each in containers],
        ]

    assert names() == names()
    assert [name for name in names() if not DNS_LABEL.fullmatch(name)] == []


@given(st.lists(NAMES, min_size=2, max_size=5, unique=True))
def test_label_keys_fit_and_differ(containers: list[str]) -> None:
    keys = [container_service_label(name) for name in containers]
    assert len(set(keys)) == len(containers)
    assert max(map(len, keys)) <= 63
