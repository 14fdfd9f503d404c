"""Walks a message through the graph, and leaves it to others to carry it.

The interpreter is a generator: it yields what a node is to be asked, and is sent the node's answer. What a message
is and how it reaches a node is not its business, so every transport shares it.
"""

from collections.abc import Generator
from typing import TypeVar

from seldon_core.engine.graph import Node, Step

Message = TypeVar("Message")

# In `routing`: a node that took no decision, and handed on to all of its children.
NOT_ROUTED = -1


def predict(node: Node, message: Message, routing: dict[str, int]) -> Generator[tuple[Step, Message], Message, Message]:
    """Run the graph below and including `node`.

    Args:
        node: where to start.
        message: what the caller sent.
        routing: is filled with the branch that each visited node took.

    Yields:
        A step, and the message that it is to be given.

    Returns:
        The graph's answer.
    """
    if node.on_input is not None:
        routing[node.name] = NOT_ROUTED
        message = yield node.on_input, message
    for child in node.children:
        routing[node.name] = NOT_ROUTED
        message = yield from predict(child, message, routing)
    if node.on_output is not None:
        message = yield node.on_output, message
    return message
