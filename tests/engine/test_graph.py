"""Which graphs are served, in which order their nodes are asked, and what is said of the others."""

from collections.abc import Generator, Sequence
from typing import Any

import pytest

from seldon_core.engine.graph import GraphError, Node, build_graph
from seldon_core.engine.interpreter import predict
from tests.engine.conftest import node


class Letters:
    """A dialect in which messages are text."""

    def request(self, message: str) -> str:
        return message

    def branch(self, answer: str) -> int:
        return 0

    def join(self, answers: Sequence[str]) -> str:
        return "+".join(answers)


def walk(root: Node) -> tuple[str, dict[str, int]]:
    """What the interpreter makes of the message "x" when every step puts its name around it."""
    routing: dict[str, int] = {}
    program: Generator = predict(root, "x", routing, Letters())
    try:
        step, message = next(program)
        while True:
            step, message = program.send(f"{step.node}.{step.method}({message})")
    except StopIteration as finished:
        return finished.value, routing


M, T, OT = "MODEL", "TRANSFORMER", "OUTPUT_TRANSFORMER"


@pytest.mark.parametrize(
    ("graph", "result", "routing"),
    [
        pytest.param(node("m", 1), "m.predict(x)", {"m": -1}, id="model"),
        pytest.param(node("t", 1, T), "t.transform-input(x)", {"t": -1}, id="transformer"),
        pytest.param(node("o", 1, OT), "o.transform-output(x)", {}, id="output transformer"),
        pytest.param(node("n", 1, None), "x", {}, id="no type"),
        pytest.param(node("n", 1, "UNKNOWN_TYPE"), "x", {}, id="unknown type"),
        pytest.param(node("a", 1, M, node("b", 2)), "b.predict(a.predict(x))", {"a": -1, "b": -1}, id="two models"),
        pytest.param(
            node("t", 1, T, node("o", 2, OT, node("m", 3))),
            "o.transform-output(m.predict(t.transform-input(x)))",
            {"t": -1, "o": -1, "m": -1},
            id="transformers around a model",
        ),
        pytest.param(
            node("n", 1, None, node("m", 2)), "m.predict(x)", {"n": -1, "m": -1}, id="a node that does nothing"
        ),
        pytest.param(
            node("n", 1, None, node("m", 2), methods=["TRANSFORM_INPUT", "TRANSFORM_OUTPUT"]),
            "n.transform-output(m.predict(n.transform-input(x)))",
            {"n": -1, "m": -1},
            id="methods",
        ),
        pytest.param(
            node("m", 1, M, methods=["TRANSFORM_INPUT"]), "m.transform-input(x)", {"m": -1}, id="method over type"
        ),
        pytest.param(
            node("m", 1, M, methods=["TRANSFORM_OUTPUT", "SEND_FEEDBACK"]),
            "m.transform-output(m.predict(x))",
            {"m": -1},
            id="model with an output method",
        ),
    ],
)
def test_the_nodes_of_a_graph_are_asked_in_order(graph: dict[str, Any], result: str, routing: dict[str, int]) -> None:
    root = build_graph({"graph": graph})
    assert walk(root) == (result, routing)
    innermost_first = [f"{step.node}.{step.method}" for step in root.steps()]
    assert result == "".join(f"{name}(" for name in reversed(innermost_first)) + "x" + ")" * len(innermost_first)


def chain(length: int) -> dict[str, Any]:
    graph = node("n0", 1)
    for index in range(1, length):
        graph = node(f"n{index}", 1, M, graph)
    return graph


def test_a_long_chain_is_served() -> None:
    result, _ = walk(build_graph({"graph": chain(100)}))
    assert result.count("predict") == 100


def test_the_port_of_the_service_is_used_where_there_is_no_other() -> None:
    graph = {"name": "m", "type": M, "endpoint": {"service_host": "h", "service_port": 9000, "httpPort": 0}}
    (step,) = build_graph({"graph": graph}).steps()
    assert (step.host, step.port) == ("h", 9000)


def test_a_node_that_is_never_called_needs_no_endpoint() -> None:
    assert list(build_graph({"graph": {"name": "n"}}).steps()) == []


ENDPOINT = {"service_host": "h", "httpPort": 1}


@pytest.mark.parametrize(
    ("graph", "finding"),
    [
        pytest.param(None, "graph: null: a graph node must be an object;", id="null"),
        pytest.param([], "graph: []: a graph node must be an object;", id="list"),
        pytest.param({"type": M, "endpoint": ENDPOINT}, "graph.name: a graph node must have a name;", id="no name"),
        pytest.param(
            node("m\r\nx: y", 1), 'graph.name: "m\\r\\nx: y": a name has no control', id="line break in a name"
        ),
        pytest.param(
            {"name": "m", "type": M, "endpoint": {**ENDPOINT, "service_host": "h\r\nx: y"}},
            'graph.endpoint.service_host: "h\\r\\nx: y": the host that',
            id="line break in a host",
        ),
        pytest.param(node("m", 1, M, node("m", 2)), 'graph.children[0].name: "m": another node', id="name twice"),
        pytest.param(node("m", 1, 3), "graph.type: 3: is no type of node", id="type that is no text"),
        pytest.param(node("m", 1, M, methods=["FLY"]), 'graph.methods[0]: "FLY": is no method', id="method"),
        pytest.param(node("m", 1, M, methods="ROUTE"), None, id="one method as text"),
        pytest.param(
            {"name": "a", "implementation": "RANDOM_ABTEST", "children": [node("b", 1)]},
            "graph.children: RANDOM_ABTEST chooses between two children, the node has 1;",
            id="A/B test of one",
        ),
        pytest.param({"name": "a", "implementation": "SIMPLE_ROUTER"}, "graph.children: SIMPLE_ROUTER", id="no choice"),
        pytest.param(
            {"name": "a", "implementation": "AVERAGE_COMBINER"}, "graph.children: AVERAGE_COMBINER", id="no mean"
        ),
        *(
            pytest.param(
                {
                    "name": "a",
                    "implementation": "RANDOM_ABTEST",
                    "children": [node("b", 1), node("c", 1)],
                    "parameters": [{"name": "x"}, {"name": "ratioA", "value": value, "type": "FLOAT"}],
                },
                "graph.parameters[1].value: ",
                id=f"ratio {value!r}",
            )
            for value in ("half", "1.5", "-0.1", "nan", None)
        ),
        pytest.param({**node("m", 1), "children": {}}, None, id="no children"),
        pytest.param({**node("m", 1), "children": "x"}, 'graph.children: "x": must be a list', id="children as text"),
        pytest.param({**node("m", 1), "children": [3]}, "graph.children[0]: 3: a graph node must be", id="odd child"),
        pytest.param({"name": "m", "type": M}, "graph.endpoint.service_host: the host that", id="no endpoint"),
        pytest.param(
            {"name": "m", "type": M, "endpoint": 3}, "graph.endpoint: 3: must be an object", id="odd endpoint"
        ),
        pytest.param(
            {"name": "m", "type": M, "endpoint": {"service_host": "h"}},
            "graph.endpoint.httpPort: the port that",
            id="no port",
        ),
        pytest.param(
            {"name": "m", "type": M, "endpoint": {**ENDPOINT, "httpPort": 70_000}},
            "graph.endpoint.httpPort: 70000: the port that",
            id="port out of range",
        ),
        pytest.param(
            {"name": "m", "type": M, "endpoint": {**ENDPOINT, "type": "GRPC"}},
            'graph.endpoint.type: "GRPC": is not served',
            id="gRPC",
        ),
        pytest.param(chain(101), "graph.", id="too deep"),
    ],
)
def test_a_graph_that_cannot_be_served_is_described(graph: Any, finding: str | None) -> None:
    if finding is None:
        build_graph({"graph": graph})
        return
    with pytest.raises(GraphError) as caught:
        build_graph({"graph": graph})
    assert str(caught.value.findings[0]).startswith(finding)


@pytest.mark.parametrize("implementation", ["SIMPLE_MODEL", "AVERAGE_COMBINER"])
def test_what_looks_into_seldon_messages_serves_no_other_protocol(implementation: str) -> None:
    graph = {"name": "a", "implementation": implementation, "children": [node("b", 1)]}
    build_graph({"graph": graph})
    with pytest.raises(GraphError, match="works on messages of the seldon protocol, not on those of v2"):
        build_graph({"graph": graph}, "v2")


def test_a_predictor_without_a_graph_is_described() -> None:
    with pytest.raises(GraphError, match="graph: a graph node must be an object"):
        build_graph({})
