"""The metadata of a graph, put together from that of its nodes."""

from collections.abc import Mapping
from typing import Any

from seldon_core.engine.graph import Node

# Of a model, in the order in which they are shown; left out where they say nothing.
FIELDS = ("name", "versions", "platform", "inputs", "outputs", "custom")

_NOTHING: tuple[Any, ...] = (None, "", [], {})


def graph_metadata(name: str, root: Node, models: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What a graph takes and gives, and what each of its nodes does.

    Args:
        name: of the predictor.
        root: the graph.
        models: name of each node that was asked -> what it says of itself; inputs and outputs are any JSON.

    Returns:
        The metadata, ready for JSON.
    """
    inputs, outputs = _edges(root, models)
    shown = {
        node: {field: said[field] for field in FIELDS if said.get(field) not in _NOTHING}
        for node, said in models.items()
    }
    return {"name": name, "models": shown, "graphinputs": inputs, "graphoutputs": outputs}


def _edges(node: Node, models: Mapping[str, Mapping[str, Any]]) -> tuple[Any, Any]:
    """What goes into the graph below and including `node`, and what comes out of it.

    A node that works on the input says what goes in, one that works on the output what comes out; whatever a node
    does not say itself is what its first child says.
    """
    own = models.get(node.name, {})
    inputs, outputs = own.get("inputs"), own.get("outputs")
    if not node.children:
        return inputs, outputs
    below_in, below_out = _edges(node.children[0], models)
    takes = node.on_input is not None
    gives = node.on_output is not None or node.on_children is not None
    return (inputs if takes else below_in), (outputs if gives else below_out)
