"""The inference graph of a predictor, read once at start-up into what a request needs.

A graph that this version cannot run as it is meant is refused here, never half run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seldon_core.api.findings import ABSENT, Finding

# What a node may be asked to do, as the last part of the path that asks it.
PREDICT = "predict"
TRANSFORM_INPUT = "transform-input"
TRANSFORM_OUTPUT = "transform-output"

TYPES = ("MODEL", "TRANSFORMER", "OUTPUT_TRANSFORMER", "UNKNOWN_TYPE")
METHODS = ("TRANSFORM_INPUT", "TRANSFORM_OUTPUT", "SEND_FEEDBACK")
# Far above any graph that makes sense, far below what exhausts the interpreter's stack.
MAX_DEPTH = 100


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One thing that one node is asked to do for a request.

    Attributes:
        node: name of the node.
        method: `PREDICT`, `TRANSFORM_INPUT` or `TRANSFORM_OUTPUT`.
        host, port: where the node listens.
    """

    node: str
    method: str
    host: str
    port: int


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A node of the graph.

    Attributes:
        name: unique in the graph.
        on_input: what it does with a message before its children see it, if anything.
        on_output: what it does with the answer of its children, or its own, if anything.
        children: the nodes below it.
    """

    name: str
    on_input: Step | None
    on_output: Step | None
    children: tuple["Node", ...] = ()

    def steps(self) -> Iterator[Step]:
        """All steps of this node and those below it, in the order in which a request takes them."""
        if self.on_input is not None:
            yield self.on_input
        for child in self.children:
            yield from child.steps()
        if self.on_output is not None:
            yield self.on_output


class GraphError(Exception):
    """The graph cannot be run.

    Attributes:
        findings: everything that is wrong with it.
    """

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings


def build_graph(predictor: Mapping[str, Any]) -> Node:
    """Read the graph of a predictor.

    Args:
        predictor: the predictor, its nodes with their endpoints.

    Returns:
        The root.

    Raises:
        GraphError: the graph is incomplete, contradicts itself, or needs what this version does not serve.
    """
    builder = _Builder()
    root = builder.node(predictor.get("graph", ABSENT), "graph", 1)
    if builder.findings or root is None:
        raise GraphError(builder.findings)
    return root


class _Builder:
    """Builds nodes as long as it can, and collects everything that is wrong on the way."""

    def __init__(self) -> None:
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
        self._check_served(raw, path)
        on_input, on_output = _capabilities(raw)
        host, port = "", 0
        if on_input or on_output:
            host, port = self._endpoint(raw, path)
        children = self._children(raw, path, depth)
        return Node(
            name,
            Step(name, on_input, host, port) if on_input else None,
            Step(name, on_output, host, port) if on_output else None,
            children,
        )

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

    def _check_served(self, raw: dict[str, Any], path: str) -> None:
        kind = raw.get("type") or "UNKNOWN_TYPE"
        if kind not in TYPES:
            self._refuse(f"{path}.type", kind, "is not served by this version", f"use one of {', '.join(TYPES)}")
        implementation = raw.get("implementation") or "UNKNOWN_IMPLEMENTATION"
        if implementation != "UNKNOWN_IMPLEMENTATION":
            rule = "implementations are not served by this version"
            self._refuse(f"{path}.implementation", implementation, rule, "serve the node with a container")
        methods = raw.get("methods") or []
        for index, method in enumerate(methods if isinstance(methods, list) else [methods]):
            if method not in METHODS:
                rule = "is not served by this version"
                self._refuse(f"{path}.methods[{index}]", method, rule, f"use some of {', '.join(METHODS)}")

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
        if len(children) > 1:
            rule = f"{len(children)} children need a router or a combiner, which this version does not serve"
            self._refuse(f"{path}.children", ABSENT, rule, "chain the nodes, one child each")
        nodes = [self.node(child, f"{path}.children[{index}]", depth + 1) for index, child in enumerate(children)]
        return tuple(node for node in nodes if node is not None)

    def _refuse(self, path: str, value: object, rule: str, remedy: str) -> None:
        self.findings.append(Finding(path, value, rule, remedy))


def _capabilities(raw: dict[str, Any]) -> tuple[str | None, str | None]:
    """What a node does on the way in and on the way out, by its type and methods."""
    kind, methods = raw.get("type"), raw.get("methods") or []
    on_input = None
    if kind == "TRANSFORMER" or "TRANSFORM_INPUT" in methods:
        on_input = TRANSFORM_INPUT
    elif kind == "MODEL":
        on_input = PREDICT
    on_output = TRANSFORM_OUTPUT if kind == "OUTPUT_TRANSFORMER" or "TRANSFORM_OUTPUT" in methods else None
    return on_input, on_output
