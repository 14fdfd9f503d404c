"""What a protocol is to the data plane: how its messages are read as what a model works on, and answered."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from seldon_core.protocols.json_codec import dumps
from seldon_core.transport.messages import Block, Headers

__all__ = ["ANY_ORIGIN", "JSON", "JSON_HEADERS", "Codec", "Feedback", "Incoming", "Outcome", "is_json_number",
           "json_text", "routing_of", "seldon_error"]  # fmt: skip

ANY_ORIGIN = (b"access-control-allow-origin", b"*")
JSON_HEADERS: Headers = ((b"content-type", b"application/json"), ANY_ORIGIN)
JSON = Block(*JSON_HEADERS)


class Incoming(msgspec.Struct, frozen=True):
    """A message as a model sees it.

    Attributes:
        payload: numpy array, DataFrame, str, bytes, or any other value.
        names: of the columns, or of the arrays where the payload is a dictionary of them.
        meta: what came beside the payload, None when nothing did.
        form: what the codec keeps, to answer in the form of the request.
    """

    payload: Any
    names: list[Any] = []
    meta: dict[str, Any] | None = None
    form: Any = None


class Feedback(msgspec.Struct, frozen=True):
    """What a model is told about one of its answers.

    Attributes:
        request: what it was asked.
        routing: node -> the branch that was taken.
        reward: how good the answer was.
        truth: what the answer should have been; an empty array when that is not known.
    """

    request: Incoming
    routing: Mapping[str, Any]
    reward: float
    truth: Any


class Outcome(msgspec.Struct, frozen=True):
    """What a model returned.

    Attributes:
        result: of its method.
        tags: of this component.
        metrics: of this component, None where callers do not get to see them.
        names: gives the column names of an array.
        path: this component's entry of the request path.
        inherit: whether tags and metrics of the request are those of the answer too.
    """

    result: Any
    tags: dict[str, Any]
    metrics: list[dict[str, Any]] | None
    names: Callable[[Any], list[Any]]
    path: dict[str, str]
    inherit: bool = True


class Codec(Protocol):
    """The messages of one protocol.

    All that reads raises MessageError for a message that breaks the protocol.

    Attributes:
        raw_first: whether the methods for whole messages, which are written for one protocol, go before the others.
        native: whether older methods called `<name>_rest` are asked.
    """

    raw_first: bool
    native: bool

    def parse(self, message: Any) -> Incoming:
        """Take a request apart."""

    def parse_list(self, message: Any) -> list[Incoming]:
        """Take the answers of several components apart, which are to be made one."""

    def parse_feedback(self, message: Any) -> Feedback:
        """Take feedback apart."""

    def whole(self, message: Any) -> Any:
        """The message as methods for whole messages get it: decoded JSON."""

    def encode(self, incoming: Incoming, outcome: Outcome) -> tuple[bytes, Block]:
        """Body and headers of the answer.

        Raises:
            MessageError: the result is of a type that the protocol cannot carry.
        """

    def error(self, info: str, reason: str) -> bytes:
        """The body of an answer that says what went wrong."""


def seldon_error(info: str, reason: str) -> bytes:
    """The body of an error answer in the seldon protocol."""
    return dumps({"status": {"code": -1, "info": info, "reason": reason, "status": 1}})


def json_text(value: Any) -> str:
    """Compact JSON without a final newline."""
    return dumps(value).decode().rstrip("\n")


def is_json_number(value: Any) -> bool:
    """Whether a decoded JSON value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def routing_of(value: Any) -> Mapping[str, Any]:
    """Branches by node, from an object or its JSON text; empty when it is neither."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}
