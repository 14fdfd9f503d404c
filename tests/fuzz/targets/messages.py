"""Messages of all protocols, given any bytes: read, or refused in words; what was read and written reads the same."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

from seldon_core.protocols import graph_messages, json_codec, meta, seldon, tensorflow, v2
from seldon_core.protocols.errors import MessageError

_TENSOR = {"name": "x", "shape": [1, 2], "datatype": "FP32"}
SEEDS = [
    bytes([0]) + json.dumps(message).encode()
    for message in (
        {"data": {"names": ["a", "b"], "ndarray": [[1.5, "x"], [None, True]]}, "meta": {"tags": {"a": [1]}}},
        {"data": {"tensor": {"shape": [1, 2], "values": [1, 2.5]}}},
        {"strData": "x", "meta": {"routing": {"r": 1}, "requestPath": {"r": "i"}, "metrics": [{"key": "k"}]}},
        {"jsonData": {"a": [1e300, -0.0, 2**63]}, "binData": "AAEC"},
        {"instances": [[1, 2], [3, 4]], "signature_name": "s"},
        {"predictions": [[0.1, {"b64": "AAA="}]]},
        {"inputs": [{**_TENSOR, "data": [1, 2]}], "id": "1", "parameters": {"a": 1}},
        {
            "model_name": "m",
            "outputs": [{**_TENSOR, "data": [[1, 2]]}, {**_TENSOR, "datatype": "BYTES", "data": ["a"]}],
        },
    )
]
_BINARY = json.dumps({"inputs": [{**_TENSOR, "parameters": {"binary_data_size": 8}}]}).encode()
SEEDS.append(bytes([1, len(_BINARY)]) + _BINARY + bytes(8))

Reader = Callable[[bytes, int | None], Any]
READERS: tuple[Reader, ...] = (
    lambda body, _: seldon.parse(json_codec.loads(body)),
    lambda body, _: graph_messages.seldon_branch(body),
    lambda body, _: graph_messages.tensorflow_branch(body),
    lambda body, _: graph_messages.tensorflow_request(body),
    lambda body, _: tensorflow.parse_response(body),
    lambda body, _: meta.with_merged_meta(body, [((body,), body)], puid="p", routing={"r": 1}, request_path={"r": "i"}),
    lambda body, _: graph_messages.join([body, body]),
    graph_messages.v2_branch,
    graph_messages.v2_request,
    graph_messages.v2_as_json,
    lambda body, length: graph_messages.with_v2_routing(body, length, "{}"),
)


def check(data: bytes) -> None:
    """Read a body, whose JSON is as long as the second byte says where the first one is odd."""
    length = data[1] if len(data) > 1 and data[0] & 1 else None
    body = data[1:] if length is None else data[2:]
    if length is not None:
        try:
            length = v2.read_header_length(str(length), len(body))
        except MessageError:
            return
    for read in READERS:
        with contextlib.suppress(MessageError):
            read(body, length)
    _again(body, length)


def _again(body: bytes, length: int | None) -> None:
    """What is written after reading reads the same."""
    with contextlib.suppress(MessageError):
        request = v2.parse_request(body, length)
        once = v2.encode_request(request)
        assert v2.encode_request(v2.parse_request(*once)) == once
    with contextlib.suppress(MessageError):
        response = v2.parse_response(body, length)
        once = v2.encode_response(response)
        assert v2.encode_response(v2.parse_response(*once)) == once
    with contextlib.suppress(MessageError):
        written = tensorflow.encode_request(tensorflow.parse_request(body))
        assert tensorflow.encode_request(tensorflow.parse_request(written)) == written
