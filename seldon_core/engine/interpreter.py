"""Walks a message through the graph, and leaves it to others to carry it.

A walk is a generator: it yields what a node is to be asked, or several walks that are to be taken at once, and is sent
what came of it. How a message reaches a node is not its business, so every transport shares it; what a message looks
like is the business of a `Dialect`.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from seldon_core.engine.graph import Node
from seldon_core.protocols.errors import MessageError

Message = TypeVar("Message")
T = TypeVar("T")

# Branches: of a node that took no decision and handed on to all of its children, and of a router that ended here.
NOT_ROUTED = -1
ENDED = -2

# What a walk yields is a step with its message, or the walks of several children; what it is sent is the answer to
# the step, or the list of what the walks returned.
Walk = Generator[Any, Any, Message]


class NodeError(Exception):
    """The graph cannot go on at a node.

    Attributes:
        node: its name.
        info: why, in words for the caller.
        status: the HTTP status that says so.
    """

    def __init__(self, node: str, info: str, status: int = 500) -> None:
        super().__init__(info)
        self.node = node
        self.info = info
        self.status = status


class Dialect(Protocol[Message]):
    """What the interpreter must know of messages; every method raises MessageError on one that it cannot use."""

    def request(self, message: Message) -> Message:
        """The message as the request to a node, whether it is an answer or a request."""

    def branch(self, answer: Message) -> int:
        """The branch that a router's answer names; any number."""

    def join(self, answers: Sequence[Message]) -> Message:
        """The message that a combiner is sent for the answers of its children."""


def predict(node: Node, message: Message, routing: dict[str, int], dialect: Dialect[Message]) -> Walk[Message]:
    """Run the graph below and including `node`.

    Args:
        node: where to start.
        message: what the caller sent.
        routing: is filled with the branch that each visited node took.
        dialect: of the messages.

    Returns:
        The graph's answer.

    Raises:
        NodeError: a node's answer cannot be used.
    """
    if node.on_input is not None:
        routing[node.name] = NOT_ROUTED
        message = yield node.on_input, _of(node, dialect.request, message)
    if node.children:
        branch = yield from _route(node, message, dialect)
        routing[node.name] = branch
        if branch != ENDED:
            message = yield from _descend(node, branch, message, routing, dialect)
    if node.on_output is not None:
        message = yield node.on_output, _of(node, dialect.request, message)
    return message


def _route(node: Node, message: Message, dialect: Dialect[Message]) -> Generator[Any, Any, int]:
    if node.on_route is not None:
        answer = yield node.on_route, _of(node, dialect.request, message)
        branch: int = _of(node, dialect.branch, answer)
    elif node.draw is not None:
        branch = node.draw()
    else:
        return NOT_ROUTED
    if not ENDED <= branch < len(node.children):
        raise NodeError(node.name, f"it routes to child {branch}, {_choices(node)}")
    return branch


def _choices(node: Node) -> str:
    last = len(node.children) - 1
    return f"but its children are 0 to {last} (-1 stands for all of them, -2 for none)"


def _descend(
    node: Node, branch: int, message: Message, routing: dict[str, int], dialect: Dialect[Message]
) -> Walk[Message]:
    """Run the children on the branch, and join their answers."""
    children = node.children if branch == NOT_ROUTED else (node.children[branch],)
    if len(children) == 1:
        answers = [(yield from predict(children[0], message, routing, dialect))]
    else:
        answers = yield [predict(child, message, routing, dialect) for child in children]
    if node.on_children is not None:
        answer: Message = yield node.on_children, _of(node, dialect.join, answers)
        return answer
    first: Message = answers[0]
    return first


def _of(node: Node, function: Callable[[T], Any], value: T) -> Any:
    """What a function of the dialect makes of a value; what is wrong with it is said of the node."""
    try:
        return function(value)
    except MessageError as error:
        raise NodeError(node.name, str(error)) from None


def feedback(node: Node, message: Message, routing: Mapping[str, Any]) -> Walk[Message | None]:
    """Take feedback along the branches that the prediction took: the children first, then the node itself.

    Args:
        node: where to start.
        message: the feedback.
        routing: node -> branch, as the caller says that the prediction recorded them; a node that is missing handed
            on to all of its children.

    Returns:
        The answer of the node, or of the first of its children that answered; None when nobody was asked.

    Raises:
        NodeError: a branch leads nowhere.
    """
    answer = None
    if node.children:
        branch = routing.get(node.name, NOT_ROUTED)
        if type(branch) is not int or not ENDED <= branch < len(node.children):
            raise NodeError(node.name, f"response.meta.routing says {branch!r:.80}, {_choices(node)}", 400)
        children = node.children if branch == NOT_ROUTED else node.children[branch : branch + 1] if branch >= 0 else ()
        answers = yield [feedback(child, message, routing) for child in children]
        answer = next((given for given in answers if given is not None), None)
    if node.on_feedback is not None:
        answer = yield node.on_feedback, message
    return answer
