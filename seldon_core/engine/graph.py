"""The inference graph of a predictor, read once at start-up into what a request needs.

A graph that this version cannot run as it is meant is refused here, never half run.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seldon_core.api.findings import ABSENT, Finding
from seldon_core.engine.builtins import IMPLEMENTATIONS, OF_SELDON_ONLY, BuiltIn, BuiltInError

# What a node may be asked to do, as the last part of the path that asks it.
PREDICT = "predict"
TRANSFORM_INPUT = "transform-input"
TRANSFORM_OUTPUT = "transform-output"
ROUTE = "route"
AGGREGATE = "aggregate"
FEEDBACK = "send-feedback"

TYPES = ("MODEL", "ROUTER", "COMBINER", "TRANSFORMER", "OUTPUT_TRANSFORMER", "UNKNOWN_TYPE")
METHODS = ("TRANSFORM_INPUT", "TRANSFORM_OUTPUT", "ROUTE", "AGGREGATE", "SEND_FEEDBACK")
SELDON = "seldon"
# Far above any graph that makes sense, far below what exhausts the interpreter's stack.
MAX_DEPTH = 100


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One thing that one node is asked to do for a request.

    Attributes:
        node: name of the node.
        method: `PREDICT`, `TRANSFORM_INPUT`, `TRANSFORM_OUTPUT`, `ROUTE`, `AGGREGATE` or `FEEDBACK`.
        host, port: where the node listens.
        function: what the engine itself does in place of a component: the body it is sent -> the body of its answer.
    """

    node: str
    method: str
    host: str
    port: int
    function: Callable[[bytes], bytes] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A node of the graph.

    Attributes:
        name: unique in the graph.
        on_input: what it does with a message before its children see it, if anything.
        on_route: how it chooses among its children, if it does.
        on_children: how it joins the answers of its children, if it does.
        on_output: what it does with the answer of its children, or its own, if anything.
        on_feedback: who hears about feedback, if anybody does.
        draw: chooses among its children where the engine itself does.
        children: the nodes below it.
    """

    name: str
    on_input: Step | None = None
    on_route: Step | None = None
    on_children: Step | None = None
    on_output: Step | None = None
    on_feedback: Step | None = None
    draw: Callable[[], int] | None = None
    children: tuple["Node", ...] = ()

    def nodes(self) -> Iterator["Node"]:
        """The node and those below it, parents before children, children in order."""
        yield self
        for child in self.children:
            yield from child.nodes()

    def own_steps(self) -> Iterator[Step]:
        """What this node is asked to do, feedback included."""
        for step in (self.on_input, self.on_route, self.on_children, self.on_output, self.on_feedback):
            if step is not None:
                yield step

    def steps(self) -> Iterator[Step]:
        """All steps of a prediction at this node and those below it, in the order in which a request takes them."""
        if self.on_input is not None:
            yield self.on_input
        if self.on_route is not None:
            yield self.on_route
        for child in self.children:
            yield from child.steps()
        if self.on_children is not None:
            yield self.on_children
        if self.on_output is not None:
            yield self.on_output

    def feedback_steps(self) -> Iterator[Step]:
        """All steps that feedback may take, children before their parent."""
        for child in self.children:
            yield from child.feedback_steps()
        if self.on_feedback is not None:
            yield self.on_feedback


class GraphError(Exception):
    """The graph cannot be run.

    Attributes:
        findings: everything that is wrong with it.
    """

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings


def build_graph(predictor: Mapping[str, Any], protocol: str = SELDON) -> Node:
    """Read the graph of a predictor.

    Args:
        predictor: the predictor, its nodes with their endpoints.
        protocol: of its messages.

    Returns:
        The root.

    Raises:
        GraphError: the graph is incomplete, contradicts itself, or needs what this version does not serve.
    """
    builder = _Builder(protocol)
    root = builder.node(predictor.get("graph", ABSENT), "graph", 1)
    if builder.findings or root is None:
        raise GraphError(builder.findings)
    return root


class _Builder:
    """Builds nodes as long as it can, and collects everything that is wrong on the way."""

    def __init__(self, protocol: str) -> None:
        self._protocol = protocol
        self.findings: list[Finding] = []
        self._names: set[str] = set()

    def node(self, raw: object, path: str, depth: int) -> Node | None:
        if not isinstance(raw, dict):
            self._refuse(path, raw, "a graph node must be an object", "give it a name, a type and an endpoint")
            return None
        if depth > MAX_DEPTH:
            self._refuse(path, ABSENT, f"the graph is deeper than {MAX_DEPTH} nodes", "shorten the chain")
            return None
        name = self._name(raw, path)
        self._check_known(raw, path)
        if raw.get("logger"):
            rule = "logging of payloads is not served by this version"
            self._refuse(f"{path}.logger", raw["logger"], rule, "remove it")
        built_in = self._built_in(raw, path)
        children = self._children(raw, path, depth)
        if built_in is not None:
            return Node(name, **_local_steps(name, built_in), children=children)
        methods = _methods(raw)
        if not children:
            # A node without children has nothing to choose from and nothing to join.
            methods = {stage: method for stage, method in methods.items() if stage not in ("on_route", "on_children")}
        host, port = self._endpoint(raw, path) if methods else ("", 0)
        steps: dict[str, Any] = {stage: Step(name, method, host, port) for stage, method in methods.items()}
        return Node(name, **steps, children=children)

    def _name(self, raw: dict[str, Any], path: str) -> str:
        name = raw.get("name", ABSENT)
        if not isinstance(name, str) or not name:
            self._refuse(f"{path}.name", name, "a graph node must have a name", "name the container that serves it")
            return ""
        if not name.isprintable():
            self._refuse(f"{path}.name", name, "a name has no control characters", "use letters, digits and -")
        if name in self._names:
            self._refuse(f"{path}.name", name, "another node has the same name", "give every node a name of its own")
        self._names.add(name)
        return name

    def _check_known(self, raw: dict[str, Any], path: str) -> None:
        kind = raw.get("type") or "UNKNOWN_TYPE"
        if kind not in TYPES:
            self._refuse(f"{path}.type", kind, "is no type of node", f"use one of {', '.join(TYPES)}")
        methods = raw.get("methods") or []
        for index, method in enumerate(methods if isinstance(methods, list) else [methods]):
            if method not in METHODS:
                self._refuse(
                    f"{path}.methods[{index}]", method, "is no method of a node", f"use some of {', '.join(METHODS)}"
                )

    def _built_in(self, raw: dict[str, Any], path: str) -> BuiltIn | None:
        implementation = raw.get("implementation") or "UNKNOWN_IMPLEMENTATION"
        make = IMPLEMENTATIONS.get(implementation) if isinstance(implementation, str) else None
        if make is None:
            return None  # a container serves the node, whatever it was made from
        children = raw.get("children")
        if implementation in OF_SELDON_ONLY and self._protocol != SELDON:
            rule = f"works on messages of the seldon protocol, not on those of {self._protocol}"
            self._refuse(f"{path}.implementation", implementation, rule, "serve the node with a container")
        try:
            return make(raw.get("parameters") or [], len(children) if isinstance(children, list) else 0)
        except BuiltInError as error:
            self._refuse(f"{path}.{error.field}", error.value, error.rule, error.remedy)
            return None

    def _endpoint(self, raw: dict[str, Any], path: str) -> tuple[str, int]:
        endpoint = raw.get("endpoint") or {}
        if not isinstance(endpoint, dict):
            self._refuse(f"{path}.endpoint", endpoint, "must be an object", "give service_host and httpPort")
            return "", 0
        kind = endpoint.get("type") or "REST"
        if kind != "REST":
            self._refuse(f"{path}.endpoint.type", kind, "is not served by this version", "use REST")
        host = endpoint.get("service_host") or ""
        if not isinstance(host, str) or not host or not host.isprintable() or " " in host:
            value = endpoint.get("service_host", ABSENT)
            rule = "the host that serves the node must be known"
            self._refuse(f"{path}.endpoint.service_host", value, rule, "give a host name, such as localhost")
        port = endpoint.get("httpPort") or endpoint.get("service_port") or 0
        if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
            value = endpoint.get("httpPort", ABSENT)
            rule = "the port that serves the node must be a number from 1 to 65535"
            self._refuse(f"{path}.endpoint.httpPort", value, rule, "give the port, such as 9000")
        return host, port

    def _children(self, raw: dict[str, Any], path: str, depth: int) -> tuple[Node, ...]:
        children = raw.get("children") or []
        if not isinstance(children, list):
            self._refuse(f"{path}.children", children, "must be a list", "list the nodes below this one")
            return ()
        nodes = [self.node(child, f"{path}.children[{index}]", depth + 1) for index, child in enumerate(children)]
        return tuple(node for node in nodes if node is not None)

    def _refuse(self, path: str, value: object, rule: str, remedy: str) -> None:
        self.findings.append(Finding(path, value, rule, remedy))


def _local_steps(name: str, built_in: BuiltIn) -> dict[str, Any]:
    steps: dict[str, Any] = {"draw": built_in.route}
    if built_in.predict is not None:
        steps["on_input"] = Step(name, PREDICT, "", 0, built_in.predict)
    if built_in.aggregate is not None:
        steps["on_children"] = Step(name, AGGREGATE, "", 0, built_in.aggregate)
    return steps


def _methods(raw: dict[str, Any]) -> dict[str, str]:
    """What a node is asked to do at which stage of a request, by its type and methods."""
    kind, listed = raw.get("type"), raw.get("methods")
    methods = listed if isinstance(listed, list) else []
    found = {}
    if kind == "TRANSFORMER" or "TRANSFORM_INPUT" in methods:
        found["on_input"] = TRANSFORM_INPUT
    elif kind == "MODEL":
        found["on_input"] = PREDICT
    if kind == "ROUTER" or "ROUTE" in methods:
        found["on_route"] = ROUTE
    if kind == "COMBINER" or "AGGREGATE" in methods:
        found["on_children"] = AGGREGATE
    if kind == "OUTPUT_TRANSFORMER" or "TRANSFORM_OUTPUT" in methods:
        found["on_output"] = TRANSFORM_OUTPUT
    if kind in ("MODEL", "ROUTER") or "SEND_FEEDBACK" in methods:
        found["on_feedback"] = FEEDBACK
    return found
