"""V2 messages as protobuf: what was written is read back, and nonsense is refused with the place where it is."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seldon_core.proto.private import message_class
from seldon_core.protocols import v2
from seldon_core.protocols.errors import MessageError
from seldon_core.protocols.v2 import InferRequest, InferResponse, RequestedOutput, Tensor
from seldon_core.protocols.v2_proto import encode_request, encode_response, parse_request, parse_response

INTEGERS = {
    f"{sign}INT{bits}": (0, (1 << bits) - 1) if sign else (-(1 << bits - 1), (1 << bits - 1) - 1)
    for sign in ("", "U") for bits in (8, 16, 32, 64)
}  # fmt: skip
ELEMENTS: dict[str, st.SearchStrategy[Any]] = {
    "BOOL": st.booleans(),
    "BYTES": st.binary(max_size=5),
    "FP16": st.floats(width=16),
    "BF16": st.floats(width=32).map(lambda x: struct.unpack("<f", b"\0\0" + struct.pack("<f", x)[2:])[0]),
    "FP32": st.floats(width=32, allow_infinity=False),  # in JSON both infinities would come back as NaN
    "FP64": st.floats(allow_infinity=False),
    **{kind: st.integers(*bounds) for kind, bounds in INTEGERS.items()},
}
parameters = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.just("text"),
    max_size=2,
)


@st.composite
def tensors(draw: st.DrawFn, name: str, raw: bool) -> Tensor:
    kind = draw(st.sampled_from(sorted(ELEMENTS if raw else ELEMENTS.keys() - {"FP16", "BF16"})))
    values = draw(st.lists(ELEMENTS[kind], max_size=4))
    tensor = Tensor(name, kind, (len(values), 1), values, draw(parameters))
    return Tensor(name, kind, tensor.shape, tensor.packed(), tensor.parameters) if raw else tensor


@st.composite
def several(draw: st.DrawFn) -> tuple[Tensor, ...]:
    raw = draw(st.booleans())
    return tuple(draw(tensors(f"t{index}", raw)) for index in range(draw(st.integers(0, 3))))


def shown(tensor: Tensor) -> tuple[Any, ...]:
    values = [value.encode() if isinstance(value, str) else value for value in tensor.values()]
    return tensor.name, tensor.datatype, tensor.shape, ["nan" if v != v else v for v in values], tensor.parameters


@given(several(), parameters, st.booleans())
def test_requests_are_read_back(inputs: tuple[Tensor, ...], given_parameters: dict[str, Any], binary: bool) -> None:
    outputs = (RequestedOutput("y", None, given_parameters),)
    request = InferRequest(inputs, "7", given_parameters, outputs, binary)
    found, name, version = parse_request(encode_request(request, "m", "v"))
    assert (name, version, found.id, found.outputs) == ("m", "v", "7", outputs)
    assert (found.parameters, found.binary_output) == (given_parameters, binary)
    assert [shown(tensor) for tensor in found.inputs] == [shown(tensor) for tensor in inputs]


@given(several(), parameters)
def test_answers_are_read_back(outputs: tuple[Tensor, ...], given_parameters: dict[str, Any]) -> None:
    response = InferResponse("m", outputs, "v", "7", given_parameters)
    found = parse_response(encode_response(response))
    assert (found.model_name, found.model_version, found.id, found.parameters) == ("m", "v", "7", given_parameters)
    assert [shown(tensor) for tensor in found.outputs] == [shown(tensor) for tensor in outputs]


@given(several())
def test_json_and_protobuf_say_the_same(outputs: tuple[Tensor, ...]) -> None:
    response = parse_response(encode_response(InferResponse("m", outputs)))
    body, length = v2.encode_response(response)
    assert [shown(t) for t in v2.parse_response(body, length).outputs] == [shown(t) for t in outputs]


def request_of(*inputs: dict[str, Any], raw: Any = ()) -> bytes:
    message = message_class("inference.ModelInferRequest")(raw_input_contents=raw)
    for fields in inputs:
        message.inputs.add(**fields)
    return message.SerializeToString()


X = {"name": "x", "datatype": "FP32", "shape": [2], "contents": {"fp32_contents": [1, 2]}}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(b"\xff", "Invalid protobuf: the bytes are no inference.ModelInferRequest", id="no protobuf"),
        pytest.param(request_of({**X, "datatype": "FLOAT"}), "inputs[0].datatype: 'FLOAT': must be one of", id="type"),
        pytest.param(
            request_of({**X, "shape": [-1]}), "inputs[0].shape: [-1]: must be a list of at most 32 sizes", id="size"
        ),
        pytest.param(request_of({**X, "shape": [3]}), "inputs[0].shape: asks for 3 elements, data holds 2", id="short"),
        pytest.param(request_of(X, X), "inputs[1].name: 'x': another tensor has the same name", id="name twice"),
        pytest.param(request_of({**X, "name": ""}), "inputs[0].name: '': must be the name", id="no name"),
        pytest.param(request_of(X, raw=[b"", b""]), "either all tensors are raw or none", id="some raw"),
        pytest.param(request_of(X, raw=[b"abc"]), "2 elements of FP32 take 8 bytes", id="raw of another length"),
        pytest.param(request_of({**X, "datatype": "FP16"}), "FP16 is sent in raw contents only", id="half floats"),
        pytest.param(
            request_of({"name": "x", "datatype": "INT8", "shape": [1], "contents": {"int_contents": [200]}}),
            "inputs[0].data: 200: INT8 holds -128 to 127",
            id="range",
        ),
    ],
)
def test_what_is_no_request_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(MessageError) as refused:
        parse_request(body)
    assert said in str(refused.value)


@pytest.mark.parametrize("value", [None, [1], 1 << 63])
def test_parameters_that_have_no_form(value: Any) -> None:
    with pytest.raises(MessageError, match=r"parameters\.p"):
        encode_request(InferRequest((), parameters={"p": value}))


def test_elements_that_do_not_fit() -> None:
    with pytest.raises(MessageError, match="does not fit"):
        Tensor("x", "INT8", (1,), [300]).packed()


def test_the_messages_do_not_meet_those_of_others() -> None:
    """Another package may have put messages of the same names into protobuf's own pool."""
    from tritonclient.grpc import service_pb2

    theirs = service_pb2.ModelInferRequest(model_name="m")
    assert message_class("inference.ModelInferRequest").FromString(theirs.SerializeToString()).model_name == "m"
