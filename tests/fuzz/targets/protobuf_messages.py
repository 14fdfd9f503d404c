"""Protobuf messages as components and callers may send them: anything is read, or refused as MessageError."""

import contextlib
from collections.abc import Callable

from seldon_core.proto.prediction_pb2 import Feedback, SeldonMessage
from seldon_core.protocols import graph_protos, v2_proto, wire
from seldon_core.protocols.errors import MessageError
from seldon_core.protocols.seldon_proto import message_from_json, parse, to_json
from seldon_core.protocols.v2 import InferRequest, InferResponse, RequestedOutput, Tensor

_RAW = Tensor("y", "BYTES", (1,), memoryview(b"\1\0\0\0a"))
_LISTED = Tensor("x", "FP32", (2,), [1.0, 2.0], {"p": 1})
SEEDS = [
    b"",
    *(
        message_from_json(message).SerializeToString()
        for message in (
            {"data": {"names": ["a"], "ndarray": [[1, "x", None, True, {"k": 1}]]}},
            {"data": {"tensor": {"shape": [1, 2], "values": [1, "NaN"]}}, "status": {"code": 1, "status": 1}},
            {"meta": {"puid": "p", "tags": {"a": [1]}, "routing": {"r": 1}, "metrics": [{"key": "k", "value": 1}]}},
            {"strData": "x"},
        )
    ),
    v2_proto.encode_request(InferRequest((_LISTED,), "7", {"a": True}, (RequestedOutput("y"),), True), "m", "1"),
    v2_proto.encode_response(InferResponse("m", (_RAW,), "1", "7", {"s": "x"})),
]


def _merged(data: bytes) -> None:
    answers = [((), data), ((data,), bytes(bytearray(data)))]
    graph_protos.with_merged_meta(data, answers, puid="p", routing={"r": 1}, request_path={"n": "i"})


def _split(data: bytes) -> None:
    if b"".join(field.encoded for field in wire.fields(data)) != data:
        raise AssertionError("the fields put together are not the message")


READERS: tuple[Callable[[bytes], object], ...] = (
    lambda data: to_json(parse(SeldonMessage, data)),
    lambda data: to_json(parse(Feedback, data)),
    graph_protos.seldon_branch,
    graph_protos.v2_branch,
    lambda data: graph_protos.v2_request(data, "m"),
    lambda data: graph_protos.tensorflow_request(data, "m"),
    lambda data: v2_proto.encode_request(v2_proto.parse_request(data)[0]),
    lambda data: v2_proto.encode_response(v2_proto.parse_response(data)),
    _merged,
    _split,
)


def check(data: bytes) -> None:
    """Read the bytes as every message that they could be."""
    for reader in READERS:
        with contextlib.suppress(MessageError):
            reader(data)
