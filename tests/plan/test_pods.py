"""Probes and the order in which the containers of a pod stop."""

from typing import Any

import pytest

from seldon_core.plan.shutdown import shutdown

from .build import component, container, containers, deployment, engine, node, predictor, sdep

HTTP: dict[str, Any] = {"httpGet": {"path": "/", "port": 80}}


def probes(**given: Any) -> dict[str, Any]:
    obj = sdep(predictor("p", node("a"), component(container("a", **given))))
    made = containers(deployment(obj))["a"]
    return {kind: made.get(kind) for kind in ("startupProbe", "readinessProbe", "livenessProbe")}


def test_a_probe_of_the_users_is_kept_and_no_startup_probe_shortens_it() -> None:
    found = probes(livenessProbe=HTTP)
    assert found["livenessProbe"] == HTTP
    assert found["startupProbe"] is None
    assert found["readinessProbe"]["initialDelaySeconds"] == 20


def test_missing_probes_are_added_beside_the_users() -> None:
    found = probes(readinessProbe=HTTP)
    assert found["readinessProbe"] == HTTP
    assert found["livenessProbe"]["initialDelaySeconds"] == 60


def test_a_startup_probe_of_the_users_needs_no_initial_delays() -> None:
    found = probes(startupProbe=HTTP)
    assert found["startupProbe"] == HTTP
    assert "initialDelaySeconds" not in found["readinessProbe"]
    assert "initialDelaySeconds" not in found["livenessProbe"]


@pytest.mark.parametrize("grace", range(121))
def test_the_components_outlast_the_engine_within_the_grace_period(grace: int) -> None:
    order = shutdown(grace)
    assert 0 <= order.engine_sleep <= order.component_sleep <= min(30, grace / 2)
    assert order.engine_drain >= 1
    if grace >= 4:
        assert order.engine_sleep + order.engine_drain < order.component_sleep


@pytest.mark.parametrize(
    ("grace", "component_sleep", "engine_sleep", "drain"),
    [(None, 10, 3, "6s"), (20, 10, 3, "6s"), (1, None, None, "1s"), (0, None, None, "1s"), (60, 30, 5, "24s")],
)
def test_the_planned_sleeps(
    grace: int | None, component_sleep: int | None, engine_sleep: int | None, drain: str
) -> None:
    pod = {} if grace is None else {"terminationGracePeriodSeconds": grace}
    made = deployment(sdep(predictor("p", node("a"), component(container("a"), pod=pod))))

    def sleep(item: dict[str, Any]) -> Any:
        return item["lifecycle"]["preStop"]["sleep"]["seconds"] if "lifecycle" in item else None

    assert sleep(containers(made)["a"]) == component_sleep
    assert sleep(engine(made)) == engine_sleep
    args = engine(made)["args"]
    assert args[args.index("--graceful_timeout") + 1] == drain


def test_a_pre_stop_handler_of_the_users_is_kept() -> None:
    own = {"preStop": {"exec": {"command": ["bye"]}}}
    obj = sdep(predictor("p", node("a"), component(container("a", lifecycle=own))))
    assert containers(deployment(obj))["a"]["lifecycle"] == own


def test_a_post_start_handler_of_the_users_does_not_cost_the_sleep() -> None:
    own = {"postStart": {"exec": {"command": ["hello"]}}}
    obj = sdep(predictor("p", node("a"), component(container("a", lifecycle=own))))
    assert containers(deployment(obj))["a"]["lifecycle"] == {**own, "preStop": {"sleep": {"seconds": 10}}}
