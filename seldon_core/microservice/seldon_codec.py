"""The seldon protocol for the data plane: decoded JSON messages, lists of them, feedback, and the meta of answers."""

from typing import Any

from seldon_core.microservice.codec import (
    JSON,
    Feedback,
    Incoming,
    Outcome,
    is_json_number,
    routing_of,
    seldon_error,
)
from seldon_core.microservice.frames import is_frame
from seldon_core.protocols import seldon
from seldon_core.protocols.errors import MessageError
from seldon_core.protocols.json_codec import dumps
from seldon_core.transport.messages import Block

__all__ = ["SELDON", "SeldonCodec", "merged_meta"]

_PAYLOADS = ("data", "jsonData", "strData", "binData")
# What an answer is made like where there was no request.
_NO_REQUEST = "tensor"


class SeldonCodec:
    """Messages are decoded JSON; integers stay integers, and what a request was sent as its answer is sent as."""

    raw_first = True
    native = True

    def parse(self, message: Any) -> Incoming:
        """Take a SeldonMessage apart."""
        request = seldon.parse(message)
        return Incoming(request.payload, request.names, request.meta, request.kind)

    def parse_list(self, message: Any) -> list[Incoming]:
        """Take `{"seldonMessages": [...]}`, or a bare list, apart."""
        messages = message.get("seldonMessages") if isinstance(message, dict) else message
        if not isinstance(messages, list):
            raise MessageError(f'{message!r:.200}: must be a list of messages, or {{"seldonMessages": [...]}}')
        if not messages:
            raise MessageError("seldonMessages: []: must hold at least one message")
        found = []
        for index, item in enumerate(messages):
            try:
                found.append(self.parse(item))
            except MessageError as error:
                raise MessageError(f"seldonMessages[{index}]: {error}") from None
        return found

    def parse_feedback(self, message: Any) -> Feedback:
        """Take a Feedback message apart; payloads are given as they are, whatever their kind."""
        if not isinstance(message, dict):
            raise MessageError(f"{message!r:.200}: feedback must be an object with request, response, reward and truth")
        reward = message.get("reward")
        if reward is None:
            reward = 0.0
        if not is_json_number(reward):
            raise MessageError(f"reward: {reward!r:.200}: must be a number")
        response = self._part(message, "response") or {}
        meta = response.get("meta")
        routing = routing_of(meta.get("routing")) if isinstance(meta, dict) else {}
        truth = self._payload(message, "truth")
        return Feedback(self._payload(message, "request"), routing, float(reward), truth.payload)

    def _part(self, message: dict[str, Any], name: str) -> dict[str, Any] | None:
        part = message.get(name)
        if not isinstance(part, dict | None):
            raise MessageError(f"{name}: {part!r:.200}: must be a message")
        return part

    def _payload(self, message: dict[str, Any], name: str) -> Incoming:
        part = self._part(message, name)
        if part is None or not any(part.get(key) is not None for key in _PAYLOADS):
            meta = part.get("meta") if part is not None else None
            kind = _NO_REQUEST if part is None else "data"
            return Incoming(seldon.array_of([]), [], meta if isinstance(meta, dict) else None, kind)
        try:
            return self.parse(part)
        except MessageError as error:
            raise MessageError(f"{name}: {error}") from None

    def whole(self, message: Any) -> Any:
        """Messages are what such methods take already."""
        return message

    def encode(self, incoming: Incoming, outcome: Outcome) -> tuple[bytes, Block]:
        """The answer: its payload in the form of the request, and always a `meta`."""
        result, names = outcome.result, outcome.names
        if is_frame(result):
            columns = [str(column) for column in result.columns]
            result, names = result.to_numpy(), lambda _: columns
        # A branch goes where routers are read without numpy.
        kind: Any = "tensor" if incoming.form == "tftensor" and not outcome.inherit else incoming.form
        fields = seldon.encode_payload(result, kind, names)
        fields["meta"] = _meta(incoming.meta or {}, outcome)
        return dumps(fields), JSON

    def error(self, info: str, reason: str) -> bytes:
        """A message with a status."""
        return seldon_error(info, reason)


def _meta(incoming: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    """What came in, with this component's part added; empty parts are left out."""
    if not incoming:
        own = {"tags": outcome.tags, "requestPath": outcome.path, "metrics": outcome.metrics}
        return {key: value for key, value in own.items() if value}
    inherited = incoming if outcome.inherit else {}
    meta = {
        "puid": incoming.get("puid"),
        "tags": {**(inherited.get("tags") or {}), **outcome.tags},
        "routing": inherited.get("routing"),
        "requestPath": {**outcome.path, **(incoming.get("requestPath") or {})},
    }
    if outcome.metrics is not None:
        meta["metrics"] = [*(inherited.get("metrics") or []), *outcome.metrics]
    return {key: value for key, value in meta.items() if value not in (None, "", {}, [])}


def merged_meta(metas: list[dict[str, Any] | None]) -> dict[str, Any]:
    """One meta out of those of several messages: later tags and paths win, metrics follow each other."""
    merged: dict[str, Any] = {"tags": {}, "routing": {}, "requestPath": {}, "metrics": []}
    for meta in filter(None, metas):
        for key in ("tags", "routing", "requestPath"):
            merged[key].update(meta.get(key) or {})
        merged["metrics"] += meta.get("metrics") or []
        merged.setdefault("puid", meta.get("puid"))
    return merged


SELDON = SeldonCodec()
