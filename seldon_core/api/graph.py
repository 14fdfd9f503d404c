"""Walking a predictor: the nodes of its graph, its containers, and the pod that carries the engine."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .objects import as_list, as_map, as_text


class ContainerRef(NamedTuple):
    """A container of a predictor and where it stands."""

    path: str
    spec_index: int
    container_index: int
    container: dict[str, Any]


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
        children = as_list(node.get("children"))
        waiting.extend((f"{here}.children[{index}]", child) for index, child in reversed(list(enumerate(children))))


def containers(predictor: Mapping[str, Any], path: str = "predictor") -> Iterator[ContainerRef]:
    """Yield every container of a predictor's componentSpecs, init containers left out.

    Args:
        predictor: The predictor.
        path: The path of the predictor, for example `spec.predictors[0]`.
    """
    for spec_index, component in enumerate(as_list(predictor.get("componentSpecs"))):
        pod = as_map(as_map(component).get("spec"))
        for index, container in enumerate(as_list(pod.get("containers"))):
            if isinstance(container, dict):
                where = f"{path}.componentSpecs[{spec_index}].spec.containers[{index}]"
                yield ContainerRef(where, spec_index, index, container)


def engine_spec_index(predictor: Mapping[str, Any]) -> int | None:
    """Return the index of the componentSpec whose pod carries the engine: the first with a node's container.

    Args:
        predictor: The predictor.

    Returns:
        The index, or None when no node of the graph has a container.
    """
    names = {node["name"] for _, node in walk(predictor.get("graph")) if isinstance(node.get("name"), str)}
    holding = (ref.spec_index for ref in containers(predictor) if as_text(ref.container.get("name")) in names)
    return next(holding, None)
