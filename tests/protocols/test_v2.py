"""V2 messages: read and written, as JSON and with tensors as bytes."""

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seldon_core.protocols import v2
from seldon_core.protocols.errors import MessageError


def tensor(kind: str = "FP32", shape: Any = (2,), data: Any = (1, 2), **more: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": kind, "shape": list(shape), "data": list(data), **more}


def body(*inputs: Any, **more: Any) -> bytes:
    return json.dumps({"inputs": list(inputs), **more}).encode()


def with_bytes(kind: str, shape: list[int], raw: bytes) -> tuple[bytes, int]:
    given = {"name": "x", "datatype": kind, "shape": shape, "parameters": {"binary_data_size": len(raw)}}
    text = body(given)
    return text + raw, len(text)


@pytest.mark.parametrize(
    ("kind", "data", "values"),
    [
        pytest.param("BOOL", [True, False], [True, False], id="bool"),
        pytest.param("INT64", [-(1 << 63), 1 << 62], [-(1 << 63), 1 << 62], id="int64 in full"),
        pytest.param("UINT64", [0, (1 << 64) - 1], [0, (1 << 64) - 1], id="uint64 in full"),
        pytest.param("FP32", [1, 2.5], [1.0, 2.5], id="integers are floats"),
        pytest.param("FP16", [1, 2.5], [1.0, 2.5], id="half floats"),
        pytest.param("BF16", [[1], [2.5]], [1.0, 2.5], id="nested lists"),
        pytest.param("BYTES", ["a", "ü"], ["a", "ü"], id="text"),
    ],
)
def test_elements_are_read_from_json(kind: str, data: list[Any], values: list[Any]) -> None:
    request = v2.parse_request(body(tensor(kind, [2], data), id="7", parameters={"p": 1}))
    assert (request.id, request.parameters) == ("7", {"p": 1})
    (found,) = request.inputs
    assert (found.name, found.datatype, found.shape, found.values()) == ("x", kind, (2,), values)


def test_null_is_read_as_the_nan_that_it_was_written_for() -> None:
    request = v2.parse_request(b'{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[[null],[1]]}]}')
    assert str(request.inputs[0].values()) == "[nan, 1.0]"
    with pytest.raises(MessageError, match="INT8 takes integers"):
        v2.parse_request(b'{"inputs":[{"name":"x","datatype":"INT8","shape":[1],"data":[null]}]}')


def test_nan_is_read_as_clients_of_python_send_it() -> None:
    request = v2.parse_request(b'{"inputs":[{"name":"x","datatype":"FP64","shape":[2],"data":[NaN,-Infinity]}]}')
    assert str(request.inputs[0].values()) == "[nan, -inf]"


@pytest.mark.parametrize(
    "kind", ["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64"]
)
def test_elements_are_read_from_bytes_without_a_copy(kind: str) -> None:
    dtype = {"BOOL": "bool", "FP16": "float16", "FP32": "float32", "FP64": "float64"}.get(kind, kind.lower())
    array = np.array([[0, 1], [1, 7]]).astype(dtype)
    message, length = with_bytes(kind, [2, 2], array.tobytes())
    (found,) = v2.parse_request(message, length).inputs
    assert isinstance(found.data, memoryview)
    assert found.data.obj is message
    assert found.values() == array.ravel().tolist()
    assert found.parameters == {}


def test_brain_floats_are_the_upper_half_of_a_float() -> None:
    raw = b"".join(struct.pack("<f", value)[2:] for value in (1.0, -2.5, 0.0))
    message, length = with_bytes("BF16", [3], raw)
    assert v2.parse_request(message, length).inputs[0].values() == [1.0, -2.5, 0.0]


def test_byte_strings_follow_their_length() -> None:
    raw = v2.pack_strings([b"\x00\xff", "ü", ""])
    assert raw == b"\x02\x00\x00\x00\x00\xff\x02\x00\x00\x00\xc3\xbc\x00\x00\x00\x00"
    message, length = with_bytes("BYTES", [3], raw)
    assert v2.parse_request(message, length).inputs[0].values() == [b"\x00\xff", "ü".encode(), b""]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        pytest.param(b"", "Invalid JSON: ", id="nothing"),
        pytest.param(b"[1]", "Invalid V2 message: ", id="a list"),
        pytest.param(b"\xff", "Invalid JSON: ", id="no UTF-8"),
        pytest.param(b'{"id":' + b"[" * 100_000, "Invalid JSON: values are nested too deeply", id="too deep"),
        pytest.param(b"{}", "inputs: is missing; send a list of tensors", id="no inputs"),
        pytest.param(b'{"inputs":3}', "Invalid V2 message: Expected `array", id="inputs no list"),
        pytest.param(body(tensor(name=3)), "inputs[0].name: 3: must be", id="name"),
        pytest.param(body(tensor("FP8")), "inputs[0].datatype: 'FP8': must be one of BOOL, ", id="datatype"),
        pytest.param(body(tensor("FP32", [-1])), "inputs[0].shape: [-1]: must be", id="negative shape"),
        pytest.param(body(tensor("FP32", [1 << 62] * 250)), "inputs[0].shape: [4611686018427387904, ", id="long shape"),
        pytest.param(body(tensor("FP32", [3])), "inputs[0].shape: asks for 3 elements, data holds 2", id="shape"),
        pytest.param(body(tensor("INT8", data=[1, 128])), "inputs[0].data: 128: INT8 holds -128 to 127", id="range"),
        pytest.param(body(tensor("INT8", data=[1, "a"])), "inputs[0].data: 'a': INT8 takes integers", id="text"),
        pytest.param(body(tensor("FP32", data=[[1], 2])), "inputs[0].data: mixes lists with elements", id="mixed"),
        pytest.param(body(tensor("BOOL", data=[1, 0])), "inputs[0].data: 1: BOOL takes true or false", id="bool"),
        pytest.param(body(tensor("INT32", data=[None, 1])), "inputs[0].data: None: INT32 takes integers", id="null"),
        pytest.param(body(tensor("FP64", data=[10**400, 1])), "inputs[0].data: 1000", id="no float is as large"),
        pytest.param(body(tensor(), tensor()), "inputs[1].name: 'x': another tensor", id="name twice"),
        pytest.param(body({"name": "x", "datatype": "FP32", "shape": [1]}), "inputs[0].data: is missing", id="no data"),
        pytest.param(
            body(tensor(parameters={"binary_data_size": 4})),
            "inputs[0].parameters.binary_data_size: 4: no bytes follow the JSON",
            id="bytes without a header",
        ),
        pytest.param(body(tensor(), id=3), "id: 3: must be a string", id="id"),
        pytest.param(body(tensor(), parameters=[]), "parameters: []: must be an object", id="parameters"),
        pytest.param(
            body(tensor(), outputs=[{"name": "y", "parameters": {"binary_data": 1}}]),
            "outputs[0].parameters.binary_data: 1: must be true or false",
            id="requested output",
        ),
    ],
)
def test_what_is_wrong_is_said(message: bytes, text: str) -> None:
    with pytest.raises(MessageError) as caught:
        v2.parse_request(message)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("kind", "shape", "raw", "text"),
    [
        pytest.param("FP32", [2], bytes(4), "inputs[0].parameters.binary_data_size: 4: 2 elements", id="too few"),
        pytest.param("BYTES", [1], b"\x09\0\0\0a", "inputs[0]: BYTES: element 0 is 9 bytes long, 1 are left", id="cut"),
        pytest.param("BYTES", [1], b"\x09\0", "inputs[0]: BYTES: the length of element 0 is cut off", id="cut length"),
        pytest.param("BYTES", [2], b"\0\0\0\0", "inputs[0].shape: asks for 2 elements, the bytes hold 1", id="count"),
    ],
)
def test_what_is_wrong_with_bytes_is_said(kind: str, shape: list[int], raw: bytes, text: str) -> None:
    message, length = with_bytes(kind, shape, raw)
    with pytest.raises(MessageError) as caught:
        v2.parse_request(message, length)
    assert str(caught.value).startswith(text)


def test_bytes_that_no_tensor_claims_are_an_error() -> None:
    text = body(tensor())
    with pytest.raises(MessageError, match="3 bytes are left behind the tensors"):
        v2.parse_request(text + b"abc", len(text))


@pytest.mark.parametrize("value", ["", "x", "-1", "0", "+3", "11", "1" * 30, "²"])
def test_a_wrong_header_length_is_an_error(value: str) -> None:
    with pytest.raises(MessageError, match="Inference-Header-Content-Length"):
        v2.read_header_length(value, 10)


def test_a_header_length_is_read() -> None:
    assert (v2.read_header_length(None, 10), v2.read_header_length(b"10", 10)) == (None, 10)


def test_outputs_are_wanted_as_bytes_where_the_request_says_so() -> None:
    asked = [{"name": "a", "parameters": {"binary_data": False, "classification": 2}}, {"name": "b"}]
    request = v2.parse_request(body(tensor(), outputs=asked, parameters={"binary_data_output": True}))
    assert [request.wants_binary(name) for name in ("a", "b", "c")] == [False, True, True]
    assert request.outputs[0].parameters == {"classification": 2}


numbers = st.integers(-(1 << 31), (1 << 31) - 1)
tensors = st.lists(numbers, max_size=4).flatmap(
    lambda data: st.sampled_from([data, memoryview(np.array(data, "<i4").tobytes())]).map(
        lambda form: v2.Tensor(f"t{len(data)}", "INT32", (len(data),), form, {"p": "q"} if data else {})
    )
)


@given(st.lists(tensors, min_size=1, unique_by=lambda tensor: tensor.name), st.booleans())
def test_what_is_written_is_read_again(inputs: list[v2.Tensor], binary: bool) -> None:
    outputs = (v2.RequestedOutput("y", binary),)
    request = v2.InferRequest(tuple(inputs), "7", {"a": 1}, outputs, binary)
    assert v2.parse_request(*v2.encode_request(request)) == request
    response = v2.InferResponse("m", tuple(inputs), "1", "7", {"a": 1})
    assert v2.parse_response(*v2.encode_response(response)) == response


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "data"]), inner, max_size=2),
    max_leaves=6,
)
odd_tensors = st.fixed_dictionaries(
    {},
    optional={
        "name": json_values | st.just("x"),
        "datatype": json_values | st.sampled_from([*v2.DATATYPES]),
        "shape": json_values | st.lists(st.integers(-1, 3), max_size=2),
        "data": json_values | st.lists(json_values, max_size=3),
        "parameters": json_values | st.fixed_dictionaries({"binary_data_size": json_values | st.integers(0, 20)}),
    },
)
odd_messages = st.fixed_dictionaries(
    {},
    optional={
        name: json_values | st.lists(odd_tensors, max_size=2) for name in ("inputs", "outputs", "id", "parameters")
    },
).map(lambda value: json.dumps(value).encode())


@given(st.binary(max_size=60) | odd_messages, st.binary(max_size=20), st.booleans())
@example(b'{"inputs":[{"name":"x","datatype":"INT8","shape":[1],"data":[1e400]}]}', b"", False)
def test_whatever_comes_is_a_message_or_an_error(message: bytes, behind: bytes, has_header: bool) -> None:
    for parse in (v2.parse_request, v2.parse_response):
        try:
            parsed = parse(message + behind, len(message) if has_header else None)
        except MessageError:
            continue
        tensors = parsed.inputs if isinstance(parsed, v2.InferRequest) else parsed.outputs
        for found in tensors:
            assert len(found.values()) == found.size
