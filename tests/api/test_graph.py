from hypothesis import given

from seldon_core.api.graph import containers, engine_spec_index, walk
from tests.api.samples import JSON, component, container, node, predictor


def test_parents_come_before_children_and_children_in_order() -> None:
    graph = node("a", node("b", node("c")), node("d"))
    assert [(path, each["name"]) for path, each in walk(graph, "spec.predictors[0].graph")] == [
        ("spec.predictors[0].graph", "a"),
        ("spec.predictors[0].graph.children[0]", "b"),
        ("spec.predictors[0].graph.children[0].children[0]", "c"),
        ("spec.predictors[0].graph.children[1]", "d"),
    ]


def test_a_graph_of_any_depth_can_be_walked() -> None:
    graph = node("leaf")
    for _ in range(3000):
        graph = node("node", graph)
    assert sum(1 for _ in walk(graph)) == 3001


@given(JSON)
def test_anything_can_be_walked(value: object) -> None:
    assert all(isinstance(each, dict) for _, each in walk(value))


def test_containers_know_their_place() -> None:
    each = predictor("p", node("b"), component(container("a")), component(container("x"), container("b")))
    assert [
        (ref.path, ref.spec_index, ref.container_index, ref.container["name"]) for ref in containers(each, "p")
    ] == [
        ("p.componentSpecs[0].spec.containers[0]", 0, 0, "a"),
        ("p.componentSpecs[1].spec.containers[0]", 1, 0, "x"),
        ("p.componentSpecs[1].spec.containers[1]", 1, 1, "b"),
    ]


def test_the_engine_runs_in_the_first_pod_with_a_node() -> None:
    pods = [component(container("sidecar")), component(container("b")), component(container("a"))]
    assert engine_spec_index(predictor("p", node("a", node("b")), *pods)) == 1


def test_no_pod_for_the_engine_without_a_container_of_the_graph() -> None:
    assert engine_spec_index(predictor("p", node("a"), component(container("b")))) is None
