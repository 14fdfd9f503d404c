"""Make before break: what may be deleted, and when."""

from typing import Any

import pytest

from seldon_core.plan import LiveObject, Observed, Plan, plan

from .build import CONFIG, all_ready, component, container, live, node, predictor, sdep, single, unready


def names(made: Plan) -> list[tuple[str, str]]:
    return [(ref.kind, ref.name) for ref in made.superseded]


def observe(made: Plan, *, deployments: dict[str, Any] | None = None, services: tuple[str, ...] = ()) -> Observed:
    kept = {name: LiveObject(uid=f"uid-of-{name}") for name in (*made.names("Service"), *services)}
    return Observed(deployments={**all_ready(made), **(deployments or {})}, services=kept)


@pytest.fixture
def made() -> Plan:
    return plan(single(), CONFIG, Observed())


def test_nothing_is_superseded_when_everything_is_as_planned(made: Plan) -> None:
    assert plan(single(), CONFIG, observe(made)).superseded == []


@pytest.mark.parametrize(
    "successor",
    [
        pytest.param(None, id="absent"),
        pytest.param(unready(), id="unavailable"),
        pytest.param(live(generation=2), id="status-of-an-older-generation"),
        pytest.param(live(2, status={"updatedReplicas": 1}), id="half-rolled-out"),
        pytest.param(live(status={"replicas": 2, "unavailableReplicas": 1}), id="old-pods-not-gone"),
        pytest.param(live(terminating=True), id="terminating"),
    ],
)
def test_nothing_goes_before_its_successor_is_ready(made: Plan, successor: Any) -> None:
    observed = observe(made, deployments={"m-p-0-old": live(), "m-p-0-a": successor}, services=("m-p-old",))
    if successor is None:
        observed = Observed(
            deployments={name: value for name, value in observed.deployments.items() if value is not None},
            services=observed.services,
        )
    assert plan(single(), CONFIG, observed).superseded == []


def test_first_go_the_deployments_with_an_engine_then_the_others_then_the_services(made: Plan) -> None:
    front, back = live(uid="1", carries_engine=True), live(uid="2")
    services = ("m-p-old", "m-p-back")

    both = observe(made, deployments={"m-p-0-old": front, "m-p-1-back": back}, services=services)
    assert names(plan(single(), CONFIG, both)) == [("Deployment", "m-p-0-old")]
    assert plan(single(), CONFIG, both).superseded[0].uid == "1"

    draining = live(uid="1", carries_engine=True, terminating=True)
    waiting = observe(made, deployments={"m-p-0-old": draining, "m-p-1-back": back}, services=services)
    assert names(plan(single(), CONFIG, waiting)) == []

    one = observe(made, deployments={"m-p-1-back": back}, services=services)
    assert names(plan(single(), CONFIG, one)) == [("Deployment", "m-p-1-back")]

    none = observe(made, services=services)
    assert names(plan(single(), CONFIG, none)) == [("Service", "m-p-back"), ("Service", "m-p-old")]


def test_a_predictor_scaled_to_nothing_holds_nothing_up() -> None:
    obj = single(replicas=0)
    first = plan(obj, CONFIG, Observed())
    observed = observe(first, deployments={"m-p-0-a": live(0), "m-old-0-a": live(carries_engine=True)})
    assert names(plan(obj, CONFIG, observed)) == [("Deployment", "m-old-0-a")]


def test_a_removed_predictor_goes_when_the_others_are_ready() -> None:
    two = sdep(
        predictor("p", node("a"), component(container("a")), traffic=50),
        predictor("q", node("a"), component(container("a")), traffic=50),
    )
    before = plan(two, CONFIG, Observed())
    observed = observe(before)
    assert names(plan(single(), CONFIG, observed)) == [("Deployment", "m-q-0-a")]
