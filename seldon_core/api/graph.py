"""Walking a predictor: the nodes of its graph, its containers, and the pod that carries the engine."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from . import constants as c
from .objects import as_list, as_text, is_empty


class ContainerRef(Struct, frozen=True, gc=False):
    """A container of a predictor and where it stands; its name is empty where it has none."""

    path: str
    spec_index: int
    container_index: int
    container: dict[str, Any]
    name: str


def walk(graph: Any, path: str = "graph") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path and the node of every node of a graph, parents before children, children in order.

    Args:
        graph: The root node; what is no mapping yields nothing.
        path: The path of the root, for example `spec.predictors[0].graph`.
    """
    # A list in place of recursion: a graph of any depth that could be decoded can be walked.
    waiting = [(path, graph)]
    while waiting:
        here, node = waiting.pop()
        if not isinstance(node, dict):
            continue
        yield here, node
        children = node.get("children")
        if children and isinstance(children, list):
            for index in range(len(children) - 1, 0, -1):
                waiting.append((f"{here}.children[{index}]", children[index]))
            # The only child of most nodes that have any.
            waiting.append((f"{here}.children[0]", children[0]))


def nodes(graph: Any) -> list[dict[str, Any]]:
    """Return the nodes of a graph in the order of `walk`, without their paths: these grow with the depth of the graph.

    Args:
        graph: The root node.

    Returns:
        The nodes, as they are; none where the root is no mapping.
    """
    found: list[dict[str, Any]] = []
    waiting = [graph]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            found.append(node)
            children = node.get("children")
            if children and isinstance(children, list):
                waiting += reversed(children)
    return found


def containers(predictor: Mapping[str, Any], path: str = "predictor") -> Iterator[ContainerRef]:
    """Yield every container of a predictor's componentSpecs, init containers left out.

    Args:
        predictor: The predictor.
        path: The path of the predictor, for example `spec.predictors[0]`.
    """
    for spec_index, component in enumerate(as_list(predictor.get("componentSpecs"))):
        pod = component.get("spec") if isinstance(component, dict) else None
        listed = pod.get("containers") if isinstance(pod, dict) else None
        if not isinstance(listed, list):
            continue
        where = f"{path}.componentSpecs[{spec_index}].spec.containers"
        for index, container in enumerate(listed):
            if isinstance(container, dict):
                name = container.get("name")
                yield ContainerRef(
                    f"{where}[{index}]", spec_index, index, container, name if isinstance(name, str) else ""
                )


def engine_spec_index(predictor: Mapping[str, Any]) -> int | None:
    """Return the index of the componentSpec whose pod carries the engine: the first with a node's container.

    Args:
        predictor: The predictor.

    Returns:
        The index, or None when no node of the graph has a container.
    """
    names = {node["name"] for node in nodes(predictor.get("graph")) if isinstance(node.get("name"), str)}
    holding = (ref.spec_index for ref in containers(predictor) if ref.name in names)
    return next(holding, None)


def has_implementation(node: Mapping[str, Any]) -> bool:
    """Tell whether a node is a server or a built-in component, for which no container need be written.

    Args:
        node: The graph node.
    """
    implementation = node.get("implementation")
    return not is_empty(implementation) and implementation != c.UNKNOWN_IMPLEMENTATION


def is_server(node: Mapping[str, Any]) -> bool:
    """Tell whether a node is a prepackaged server.

    Args:
        node: The graph node.
    """
    return has_implementation(node) and as_text(node["implementation"]) not in c.BUILT_IN_TYPES
