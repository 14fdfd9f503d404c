"""Whole messages on their way into methods that take them, and back: as decoded JSON, but for feedback.

`send_feedback_raw` has always been given a protobuf message, over REST too, and answers with one. What a method
returns may be either. protobuf is imported only for a class that asks for it.
"""

from collections.abc import Callable
from typing import Any

from seldon_core.microservice.codec import Codec, Feedback, Incoming, json_text
from seldon_core.microservice.frames import is_frame
from seldon_core.protocols import seldon
from seldon_core.protocols.json_codec import dumps, loads

__all__ = ["answer_of", "feedback_arguments"]


def feedback_arguments(codec: Codec, message: Any, feedback: Feedback) -> dict[str, Callable[[], Any]]:
    """What the methods for whole messages are given for feedback, by the ending of their names.

    Args:
        codec: of the protocol that the feedback came in.
        message: as it came.
        feedback: the same, taken apart.
    """

    def protobuf() -> Any:
        from seldon_core.protocols.seldon_proto import feedback_from_json

        return feedback_from_json(message if codec.native else _in_seldon(feedback))

    return {"_rest": lambda: json_text(message), "_raw": protobuf}


def _in_seldon(feedback: Feedback) -> Any:
    """Feedback of another protocol as the seldon protocol has it."""
    truth = Incoming(feedback.truth)
    message = {
        "request": _message(feedback.request),
        "response": {"meta": {"routing": dict(feedback.routing)}},
        "reward": feedback.reward,
        "truth": _message(truth),
    }
    return loads(dumps(message))


def _message(part: Incoming) -> dict[str, Any]:
    payload, names = part.payload, part.names
    if is_frame(payload):
        payload = payload.to_numpy()
    return {**seldon.encode_payload(payload, "tensor", lambda _: names), "meta": part.meta or {}}


def answer_of(name: str, result: Any) -> dict[str, Any]:
    """What a method for whole messages returned, as decoded JSON.

    Args:
        name: of the method.
        result: a dictionary, or a protobuf message.

    Raises:
        TypeError: it is neither.
        MessageError: the message has no form in JSON.
    """
    if isinstance(result, dict):
        return result
    if not hasattr(result, "DESCRIPTOR"):
        raise TypeError(f"{name} returned {type(result).__name__}, must return a dict or a SeldonMessage")
    from seldon_core.protocols.seldon_proto import to_json

    message = to_json(result)
    for metric in message.get("meta", {}).get("metrics", []):
        # Both are what protobuf leaves out, as they are its defaults.
        metric.setdefault("type", "COUNTER")
        metric.setdefault("value", 0.0)
    return message
