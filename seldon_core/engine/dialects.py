"""The messages of each protocol as the graph of a REST engine needs them: what the interpreter asks, paths, errors."""

import json
import zlib
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import msgspec

from seldon_core.engine.components import Message
from seldon_core.engine.graph import AGGREGATE, FEEDBACK, ROUTE, Step
from seldon_core.engine.headers import Header
from seldon_core.protocols import graph_messages, tensorflow, v2
from seldon_core.protocols.errors import MessageError
from seldon_core.protocols.meta import with_merged_meta
from seldon_core.transport.limits import Limits

JSON: Header = (b"content-type", b"application/json")
ROUTING_HEADER = b"seldon-routing"
Answers = Sequence[tuple[Sequence[bytes], bytes]]
Routing = Mapping[str, int]
Images = Mapping[str, str]

BODY_BYTES = Limits().body_bytes
_WBITS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}


def decoded(message: Message, limit: int = BODY_BYTES) -> Message:
    """A message without `Content-Encoding`; one that is encoded in a way unknown here comes back as it is.

    Raises:
        MessageError: it is not what it says, or decodes to more than a body may hold.
    """
    encoding = (message.header(b"content-encoding") or b"identity").lower()
    if encoding not in _WBITS:
        return message
    decoder = zlib.decompressobj(_WBITS[encoding])
    try:
        body = decoder.decompress(message.body, limit)
    except zlib.error as error:
        raise MessageError(f"the body is not {encoding.decode()}: {error}") from None
    if decoder.unconsumed_tail:
        raise MessageError(f"the body decodes to more than {limit} bytes")
    if not decoder.eof:
        raise MessageError(f"the body is not {encoding.decode()}: its end is missing")
    headers = [header for header in message.headers if header[0] != b"content-encoding"]
    return Message(body, headers, message.status, message.sources)


def routing_text(routing: Mapping[str, int]) -> str:
    """The branches that were taken, as compact JSON in ASCII."""
    return json.dumps(routing, separators=(",", ":"))


class SeldonDialect:
    """The seldon protocol: an answer is a request, and everything is said in the message's meta.

    Attributes:
        shows_routing: whether answers say which branches were taken.
    """

    def __init__(self, *, shows_routing: bool = True) -> None:
        self.shows_routing = shows_routing

    def request(self, message: Message) -> Message:
        """Any message can be sent to any node."""
        return message

    def branch(self, answer: Message) -> int:
        """The first number of the router's array."""
        return graph_messages.seldon_branch(answer.body)

    def join(self, answers: Sequence[Message]) -> Message:
        """The JSON array of the answers."""
        bodies = [answer.body for answer in answers]
        return Message(graph_messages.join(bodies), [JSON], sources=bodies)

    def path(self, step: Step) -> str:
        """Where a node is asked to take a step."""
        return f"/{step.method}"

    def error_body(self, status: int, info: str) -> bytes:
        """An error that the engine originates."""
        return msgspec.json.encode({"status": {"code": status, "info": info, "status": "FAILURE"}})

    def finish(self, message: Message, answers: Answers, puid: str, routing: Routing, images: Images) -> Message:
        """The graph's answer as the caller gets it: with the meta of all answers.

        Args:
            message: the answer.
            answers: of the nodes, in the order of the graph: what each was sent, and its answer.
            puid: id of the prediction.
            routing: node -> branch.
            images: node that answered -> its image.
        """
        if not answers and not routing:
            return message
        shown = routing if self.shows_routing else {}
        body = with_merged_meta(message.body, answers, puid=puid, routing=shown, request_path=images)
        return Message(body, message.headers, message.status)


class V2Dialect(SeldonDialect):
    """The V2 protocol, tensors as bytes included."""

    def request(self, message: Message) -> Message:
        """Outputs become inputs."""
        body, length = graph_messages.v2_request(message.body, _header_length(message))
        return message if body is message.body else _with_body(message, body, length)

    def branch(self, answer: Message) -> int:
        """The first element of the router's first output."""
        return graph_messages.v2_branch(answer.body, _header_length(answer))

    def join(self, answers: Sequence[Message]) -> Message:
        """The JSON array of the answers, their tensors as JSON."""
        bodies = [graph_messages.v2_as_json(answer.body, _header_length(answer)) for answer in answers]
        return Message(graph_messages.join(bodies), [JSON])

    def path(self, step: Step) -> str:
        """Where a node is asked to take a step."""
        return f"/v2/models/{quote(step.node, safe='')}/{_V2_ACTIONS.get(step.method, 'infer')}"

    def error_body(self, status: int, info: str) -> bytes:
        """An error that the engine originates."""
        return v2.error_body(info)

    def finish(self, message: Message, answers: Answers, puid: str, routing: Routing, images: Images) -> Message:
        """The routing is a parameter."""
        if not self.shows_routing:
            return message
        try:
            length = _header_length(message)
        except MessageError:
            return message
        return _with_body(message, *graph_messages.with_v2_routing(message.body, length, routing_text(routing)))


_V2_ACTIONS = {ROUTE: "route", AGGREGATE: "aggregate", FEEDBACK: "feedback"}


def _header_length(message: Message) -> int | None:
    return v2.read_header_length(message.header(v2.HEADER_LENGTH), len(message.body))


def _with_body(message: Message, body: bytes, length: int | None) -> Message:
    headers = [header for header in message.headers if header[0] != v2.HEADER_LENGTH]
    if length is not None:
        headers.append((v2.HEADER_LENGTH, str(length).encode()))
    return Message(body, headers, message.status)


class TensorflowDialect(SeldonDialect):
    """The predict API of TensorFlow Serving."""

    def request(self, message: Message) -> Message:
        """Predictions become instances."""
        body = graph_messages.tensorflow_request(message.body)
        return message if body is message.body else Message(body, message.headers, message.status)

    def branch(self, answer: Message) -> int:
        """The first number of the router's predictions."""
        return graph_messages.tensorflow_branch(answer.body)

    def path(self, step: Step) -> str:
        """Where a node is asked to take a step."""
        return f"/v1/models/{quote(step.node, safe='')}:{_V2_ACTIONS.get(step.method, 'predict')}"

    def error_body(self, status: int, info: str) -> bytes:
        """An error that the engine originates."""
        return tensorflow.error_body(info)

    def finish(self, message: Message, answers: Answers, puid: str, routing: Routing, images: Images) -> Message:
        """The routing is a header."""
        if not self.shows_routing:
            return message
        header = (ROUTING_HEADER, routing_text(routing).encode())
        return Message(message.body, [*message.headers, header], message.status)


DIALECTS: dict[str, type[SeldonDialect]] = {
    "seldon": SeldonDialect,
    "tensorflow": TensorflowDialect,
    "v2": V2Dialect,
    "kfserving": V2Dialect,
}
