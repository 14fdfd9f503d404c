"""What a graph needs of the protobuf messages between its nodes, as `graph_messages` has it for JSON.

Messages are split at their top level; their data stays the bytes that it was, wherever nobody needs its value.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.message import DecodeError

from seldon_core.proto.prediction_pb2 import Meta, SeldonMessage

from .errors import MessageError
from .graph_messages import ALL_CHILDREN
from .v2_proto import parse_response
from .wire import fields, length_delimited, renumbered

__all__ = ["join", "seldon_branch", "tensorflow_request", "v2_branch", "v2_request", "with_merged_meta"]

_META = SeldonMessage.META_FIELD_NUMBER
# Fields of an answer in V2 -> of a request: id, parameters, tensors, their raw contents.
_V2_REQUEST = {3: 3, 4: 4, 5: 5, 6: 7}
# Of an answer in TensorFlow's protocol -> of a request: the tensors.
_TENSORFLOW_REQUEST = {1: 2}


def join(messages: Sequence[bytes]) -> bytes:
    """The SeldonMessageList of serialized SeldonMessages, each copied as it is."""
    return b"".join(length_delimited(1, message) for message in messages)


def seldon_branch(message: bytes) -> int:
    """The branch that a router answers: the first number of its array.

    Returns:
        The number, its fraction cut off; `ALL_CHILDREN` for `data` without an array. Any number may come back.

    Raises:
        MessageError: there is no number.
    """
    try:
        answer = SeldonMessage.FromString(message)
    except DecodeError:
        raise MessageError("Invalid protobuf: the router's answer is no SeldonMessage") from None
    kind = answer.data.WhichOneof("data_oneof")
    if answer.WhichOneof("data_oneof") != "data":
        raise MessageError("the answer has no data, so no branch; answer a number in data.ndarray or data.tensor")
    if kind is None:
        return ALL_CHILDREN
    values: Any
    if kind == "tensor":
        values = answer.data.tensor.values
    elif kind == "tftensor":
        values = answer.data.tftensor.int_val
    else:
        inner = answer.data.ndarray.values
        while len(inner) and inner[0].WhichOneof("kind") == "list_value":
            inner = inner[0].list_value.values
        values = [item.number_value for item in inner[:1] if item.WhichOneof("kind") == "number_value"]
    return _whole(values[0] if len(values) else None)


def v2_branch(message: bytes) -> int:
    """The branch that a router answers in V2: the first element of its first output.

    Raises:
        MessageError: there is no number.
    """
    outputs = parse_response(message).outputs
    values = outputs[0].values() if outputs else []
    return _whole(values[0] if values else None)


def _whole(value: Any) -> int:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return int(value)
    raise MessageError("the answer holds no branch; answer a number")


def v2_request(response: bytes, model_name: str) -> bytes:
    """The ModelInferRequest with the tensors of a ModelInferResponse, raw contents included.

    Args:
        response: serialized.
        model_name: of the node that is to be asked.

    Raises:
        MessageError: the response is no protobuf message.
    """
    return length_delimited(1, model_name.encode()) + b"".join(renumbered(fields(response), _V2_REQUEST))


def tensorflow_request(response: bytes, model_name: str) -> bytes:
    """The PredictRequest with the tensors of a PredictResponse; arguments and errors are those of `v2_request`."""
    spec = length_delimited(1, length_delimited(1, model_name.encode()))
    return spec + b"".join(renumbered(fields(response), _TENSORFLOW_REQUEST))


def with_merged_meta(
    message: bytes,
    answers: Sequence[tuple[Sequence[bytes], bytes]],
    *,
    puid: str,
    routing: Mapping[str, int],
    request_path: Mapping[str, str],
) -> bytes:
    """Return a serialized SeldonMessage with the meta of all answers, by the rules of `meta.with_merged_meta`.

    Raises:
        MessageError: the message, or the meta of an answer, is no protobuf message.
    """
    rest = b"".join([field.encoded for field in fields(message) if field.number != _META])
    metas = {id(body): _meta(body) for _, body in answers}
    merged = Meta(puid=puid)
    merged.requestPath.update(request_path)
    for sources, body in answers:
        meta = metas[id(body)]
        for name, value in meta.tags.items():
            merged.tags[name].CopyFrom(value)
        merged.routing.update(meta.routing)
        merged.requestPath.update(meta.requestPath)
        # Components copy the metrics of what they are sent.
        sent = [metric for source in sources if id(source) in metas for metric in metas[id(source)].metrics]
        for metric in meta.metrics:
            if metric in sent:
                sent.remove(metric)
            else:
                merged.metrics.append(metric)
    merged.routing.update(routing)
    return rest + length_delimited(_META, merged.SerializeToString())


def _meta(message: bytes) -> Meta:
    """The meta of a message; a message may hold parts of it in several places."""
    meta = Meta()
    try:
        for field in fields(message):
            if field.number == _META:
                meta.MergeFromString(bytes(field.content))
    except DecodeError:
        raise MessageError("Invalid protobuf: meta is no Meta") from None
    return meta
