"""Whatever changes, requests are answered: at no step of any rollout does anybody call where nobody listens."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seldon_core.plan import Plan

from .build import Object, component, container, node, predictor, sdep
from .cluster import Cluster

MODES: dict[str, tuple[Object, Object]] = {
    "beside": ({}, {}),
    "separate": ({"seldon.io/engine-separate-pod": "true"}, {}),
    "absent": ({}, {"seldon.io/no-engine": "true"}),
}


def in_mode(mode: str) -> Object:
    spec, own = MODES[mode]
    return sdep(predictor("p", node("a"), component(container("a")), annotations=own), annotations=spec)


def brought_up(obj: Object) -> Cluster:
    cluster = Cluster()
    made = list(cluster.settle(obj))[-1]
    assert cluster.failures(made) == []
    return cluster


def change(cluster: Cluster, obj: Object) -> Plan:
    """Change the manifest; return the plan in which that ends, without a failure on the way to it."""
    failures: list[Any] = []
    for made in cluster.settle(obj):
        failures += cluster.failures(made)
        last = made
    assert failures == []
    assert (last.moving, last.waiting) == ([], frozenset())
    assert {name: len(one.generations) for name, one in cluster.deployments.items()} == dict.fromkeys(
        last.names("Deployment"), 1
    )
    assert set(cluster.services) == set(last.names("Service"))
    return last


@pytest.mark.parametrize(
    ("before", "after"), [pytest.param(*pair, id="-to-".join(pair)) for pair in permutations(MODES, 2)]
)
def test_an_engine_moves_from_anywhere_to_anywhere(before: str, after: str) -> None:
    cluster = brought_up(in_mode(before))
    change(cluster, in_mode(after))
    afresh = brought_up(in_mode(after))
    assert cluster.services == afresh.services
    assert {name: one.obj for name, one in cluster.deployments.items()} == {
        name: one.obj for name, one in afresh.deployments.items()
    }


def chain(*pods: str, settings: Object | None = None) -> Object:
    """Each word a pod, each letter of it a container and node, one calling the next."""
    letters = "".join(pods)
    graph = node(letters[-1])
    for letter in reversed(letters[:-1]):
        graph = node(letter, graph, kind="TRANSFORMER")
    parts = [component(*map(container, pod)) for pod in pods]
    return sdep(predictor("p", graph, *parts), annotations=settings or {})


@pytest.mark.parametrize("mode", ["beside", "separate"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(("a", "b"), ("a", "x", "b"), id="a-pod-between"),
        pytest.param(("a", "b"), ("x", "a", "b"), id="a-pod-in-front"),
        pytest.param(("a", "b"), ("ax", "b"), id="a-container-more"),
        pytest.param(("a", "x", "b"), ("a", "b"), id="a-pod-less"),
        pytest.param(("a", "b", "c"), ("a", "c", "b"), id="another-order"),
        pytest.param(("a", "b", "c"), ("abc",), id="into-one-pod"),
        pytest.param(("abc",), ("a", "b", "c"), id="into-many-pods"),
    ],
)
def test_components_keep_the_ports_at_which_they_are_called(mode: str, before: Any, after: Any) -> None:
    annotations, _ = MODES[mode]
    cluster = brought_up(chain(*before, settings=annotations))
    ports = {name: obj["spec"]["ports"] for name, obj in cluster.services.items()}
    change(cluster, chain(*after, settings=annotations))
    kept = {name: obj["spec"]["ports"] for name, obj in cluster.services.items() if name in ports}
    assert kept == {name: ports[name] for name in kept}


def test_another_first_port_in_the_configuration_is_for_new_components() -> None:
    cluster = brought_up(chain("a", "b"))
    cluster.config = replace(cluster.config, http_port=9100, rolls_on_upgrade=True)
    change(cluster, chain("a", "b", "c"))
    assert [cluster.services[f"m-p-{name}"]["spec"]["ports"][0]["port"] for name in "abc"] == [9000, 9001, 9100]


def test_a_port_that_something_else_declares_is_given_up() -> None:
    cluster = brought_up(chain("ab"))
    obj = chain("abx")
    obj["spec"]["predictors"][0]["componentSpecs"][0]["spec"]["containers"][2]["ports"] = [
        {"name": "http", "containerPort": 9001}
    ]
    change(cluster, obj)
    assert [cluster.services[f"m-p-{name}"]["spec"]["ports"][0]["port"] for name in "abx"] == [9000, 9002, 9001]


@st.composite
def chains(draw: st.DrawFn) -> Object:
    letters = draw(st.permutations("abcd"))[: draw(st.integers(1, 4))]
    pods = [letters[0]]
    for letter in letters[1:]:
        pods[-1:] = [pods[-1], letter] if draw(st.booleans()) else [pods[-1] + letter]
    return chain(*pods, settings=draw(st.sampled_from([MODES["beside"][0], MODES["separate"][0]])))


@given(st.lists(chains(), min_size=2, max_size=4))
@settings(max_examples=150, deadline=None)
def test_any_graph_becomes_any_other(graphs: list[Object]) -> None:
    cluster = brought_up(graphs[0])
    for obj in graphs[1:]:
        change(cluster, obj)
