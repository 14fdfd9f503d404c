"""TensorProto in JSON: every way of writing elements, and back."""

import base64
from typing import Any

import numpy as np
import pytest

from seldon_core.protocols import tftensor
from seldon_core.protocols.errors import MessageError


def proto(dtype: Any, shape: list[int], **values: Any) -> dict[str, Any]:
    return {"dtype": dtype, "tensorShape": {"dim": [{"size": str(size)} for size in shape]}, **values}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(proto("DT_FLOAT", [2], floatVal=[1, 2.5]), np.array([1, 2.5], np.float32), id="floats"),
        pytest.param(proto(2, [1, 2], doubleVal=["NaN", 2]), np.array([[np.nan, 2]]), id="number-of-the-type"),
        pytest.param(proto("DT_INT64", [1], int64Val=[str(2**62 + 1)]), np.array([2**62 + 1]), id="int64-as-text"),
        pytest.param(proto("DT_INT32", [3], intVal=[7]), np.array([7, 7, 7], np.int32), id="the-last-one-is-repeated"),
        pytest.param(proto("DT_BOOL", [2], boolVal=[True, False]), np.array([True, False]), id="booleans"),
        pytest.param(proto("DT_HALF", [1], halfVal=[15360]), np.array([1], np.float16), id="half"),
        pytest.param(
            proto("DT_DOUBLE", [2], tensorContent=b64(np.array([1.0, 2.0]).tobytes())), np.array([1.0, 2.0]), id="bytes"
        ),
        pytest.param(proto("DT_STRING", [1], stringVal=[b64(b"hi")]), np.array([b"hi"], object), id="strings"),
        pytest.param({"dtype": "DT_FLOAT", "floatVal": [3]}, np.array(3, np.float32), id="scalar"),
    ],
)
def test_parse(message: Any, expected: Any) -> None:
    array = tftensor.parse(message, "data.tftensor")
    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8",
                                   "uint16", "uint32", "uint64"])  # fmt: skip
def test_what_is_written_is_read_again(dtype: str) -> None:
    array = np.array([[0, 1], [2, 100]], dtype=dtype)
    again = tftensor.parse(tftensor.encode(array), "x")
    assert again.dtype == array.dtype
    np.testing.assert_array_equal(again, array)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        pytest.param(1, "t: 1: must be an object with dtype, tensorShape and values", id="no-object"),
        pytest.param({}, "t.dtype: None: must be one of DT_FLOAT", id="no-type"),
        pytest.param(proto("DT_VARIANT", []), "t.dtype: 'DT_VARIANT': must be one of", id="unknown-type"),
        pytest.param(proto("DT_FLOAT", [2], floatVal=[1, 2, 3]), "t.tensorShape: [2]: asks for 2 values, there are 3",
                     id="too-many"),
        pytest.param(proto("DT_FLOAT", [2]), "t.tensorShape: [2]: asks for 2 values, there are 0", id="none"),
        pytest.param({"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": -1}]}}, "t.tensorShape: -1: every dim has",
                     id="size"),
        pytest.param(proto("DT_FLOAT", [1], floatVal=["x"]), "t.floatVal: ['x']: must hold elements of float32",
                     id="element"),
        pytest.param(proto("DT_FLOAT", [1], tensorContent="?"), "t.tensorContent: '?': must be the elements as bytes",
                     id="content"),
        pytest.param(proto("DT_UINT8", [1], intVal=[300]), "t.intVal: [300]: must hold elements of uint8", id="range"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(message: Any, text: str) -> None:
    with pytest.raises(MessageError) as caught:
        tftensor.parse(message, "t")
    assert str(caught.value).startswith(text)
