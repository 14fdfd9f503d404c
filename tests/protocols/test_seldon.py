"""The seldon protocol: what a model gets to see of a message, and what its result becomes."""

import json
import math
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from seldon_core.protocols import seldon
from seldon_core.protocols.errors import MessageError
from seldon_core.protocols.json_codec import dumps, loads


def default_names(array: Any) -> list[Any]:
    return seldon.column_names(array, None)


def identity(message: Any) -> Any:
    """What a model that returns its input answers with, decoded with NaN and Infinity refused."""
    request = seldon.parse(message)
    fields = seldon.encode_payload(request.payload, request.kind, default_names)
    return json.loads(dumps(fields), parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("message", "payload"),
    [
        pytest.param(
            {"data": {"names": ["a", "b"], "ndarray": [[1, 2]]}},
            {"data": {"names": ["t:0", "t:1"], "ndarray": [[1, 2]]}},
            id="ndarray",
        ),
        pytest.param({"data": {"ndarray": [1, 2]}}, {"data": {"names": [], "ndarray": [1, 2]}}, id="1-D"),
        pytest.param(
            {"data": {"tensor": {"shape": [2, 1], "values": [1, 2]}}},
            {"data": {"names": ["t:0"], "tensor": {"shape": [2, 1], "values": [1, 2]}}},
            id="tensor",
        ),
        pytest.param(
            {"data": {"ndarray": [["x", 1]]}},
            {"data": {"names": ["t:0", "t:1"], "ndarray": [["x", "1"]]}},
            id="mixed-becomes-text",
        ),
        pytest.param({"strData": "hi"}, {"strData": "hi"}, id="strData"),
        pytest.param({"binData": "MTIz"}, {"binData": "MTIz"}, id="binData"),
        pytest.param({"jsonData": {"k": [1, 2]}}, {"jsonData": {"k": [1, 2]}}, id="jsonData"),
        pytest.param({"data": {}}, {"data": {"names": [], "ndarray": []}}, id="empty-data"),
        pytest.param(
            {"data": {"ndarray": [[1], [2, 3]]}},
            {"data": {"names": [], "ndarray": [[1], [2, 3]]}},
            id="ragged",
        ),
        pytest.param(
            {"data": {"ndarray": [[None, {"a": 1}]]}},
            {"data": {"names": ["t:0", "t:1"], "ndarray": [[None, {"a": 1}]]}},
            id="objects",
        ),
        pytest.param(
            {"data": {"ndarray": [[True, False]]}},
            {"data": {"names": ["t:0", "t:1"], "ndarray": [[True, False]]}},
            id="booleans",
        ),
        pytest.param(
            {"data": {"tensor": {"values": [1.5]}}},
            {"data": {"names": [], "tensor": {"shape": [1], "values": [1.5]}}},
            id="tensor-without-shape",
        ),
        pytest.param(
            {"data": {"tensor": {"shape": [], "values": [1, 2]}}},
            {"data": {"names": [], "tensor": {"shape": [2], "values": [1, 2]}}},
            id="tensor-with-empty-shape",
        ),
        pytest.param(
            {"data": {"tensor": {"shape": [0]}}},
            {"data": {"names": [], "tensor": {"shape": [0], "values": []}}},
            id="tensor-without-values",
        ),
        pytest.param(
            {"data": {"tensor": {"shape": [4], "values": ["NaN", "Infinity", "-Infinity", 1]}}},
            {"data": {"names": [], "tensor": {"shape": [4], "values": ["NaN", "Infinity", "-Infinity", 1.0]}}},
            id="tensor-proto3-strings",
        ),
        pytest.param({"data": None, "strData": "x"}, {"strData": "x"}, id="null-is-absent"),
        pytest.param({"strData": "x", "data": {"ndarray": [1]}}, {"data": {"names": [], "ndarray": [1]}}, id="order"),
        pytest.param({"foo": 1, "strData": ""}, {"strData": ""}, id="unknown-field-and-empty-text"),
    ],
)  # fmt: skip
def test_identity(message: Any, payload: Any) -> None:
    assert identity(message) == payload


@pytest.mark.parametrize(
    ("message", "kind", "payload", "names"),
    [
        pytest.param({"jsonData": None}, "jsonData", None, [], id="jsonData-null"),
        pytest.param({"jsonData": [1, "a"]}, "jsonData", [1, "a"], [], id="jsonData-list"),
        pytest.param({"binData": "__-_"}, "binData", b"\xff\xff\xbf", [], id="base64-url-alphabet"),
        pytest.param({"binData": "MQ"}, "binData", b"1", [], id="base64-without-padding"),
        pytest.param({"data": {"names": ["a"]}}, "data", [], ["a"], id="names-without-array"),
    ],
)
def test_parse(message: Any, kind: str, payload: Any, names: list[str]) -> None:
    request = seldon.parse(message)
    seen = request.payload.tolist() if isinstance(request.payload, np.ndarray) else request.payload
    assert (request.kind, seen, request.names) == (kind, payload, names)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        pytest.param({"foo": 1}, "Invalid request data type: {'foo': 1}", id="no-payload"),
        pytest.param([1], "Invalid request data type: [1]", id="not-an-object"),
        pytest.param({"data": [1]}, 'data: [1]: must be an object with "ndarray" or "tensor"', id="data"),
        pytest.param({"data": {"ndarray": 3}}, "data.ndarray: 3: must be a list", id="ndarray"),
        pytest.param(
            {"data": {"names": "a", "ndarray": []}},
            "data.names: 'a': must be a list of column names",
            id="names",
        ),
        pytest.param(
            {"data": {"tensor": [1]}},
            'data.tensor: [1]: must be an object with "shape" and "values"',
            id="tensor",
        ),
        pytest.param(
            {"data": {"tensor": {"shape": [2, 2], "values": [1, 2, 3]}}},
            "data.tensor.shape: [2, 2]: asks for 4 values, data.tensor.values holds 3",
            id="tensor-shape-and-values-disagree",
        ),
        pytest.param(
            {"data": {"tensor": {"shape": [-1], "values": [1]}}},
            "data.tensor.shape: [-1]: must be a list of at most 32 sizes, each an integer >= 0",
            id="tensor-negative-size",
        ),
        pytest.param(
            {"data": {"tensor": {"shape": [2], "values": [1, "x"]}}},
            "data.tensor.values[1]: 'x': must be a number; "
            "a tensor is a flat list of numbers, anything else goes into ndarray",
            id="tensor-text",
        ),
        pytest.param(
            {"data": {"tensor": {"shape": [1, 2], "values": [[1, 2]]}}},
            "data.tensor.values[0]: [1, 2]: must be a number; "
            "a tensor is a flat list of numbers, anything else goes into ndarray",
            id="tensor-nested",
        ),
        pytest.param(
            {"data": {"tensor": {"shape": [1], "values": [10**400]}}},
            "data.tensor.values: an integer is beyond the range of floats, 1.8e308; send it as text in ndarray",
            id="tensor-integer-beyond-floats",
        ),
        pytest.param(
            {"data": {"tftensor": 1}},
            "data.tftensor: 1: must be an object with dtype, tensorShape and values",
            id="tftensor",
        ),
        pytest.param({"strData": 1}, "strData: 1: must be a string; use jsonData for other values", id="strData"),
        pytest.param({"binData": "?"}, "binData: '?': must be a base64 string", id="binData"),
        pytest.param({"meta": 1, "strData": "x"}, "meta: 1: must be an object", id="meta"),
    ],
)
def test_a_bad_message_is_told_what_is_wrong(message: Any, text: str) -> None:
    with pytest.raises(MessageError) as caught:
        seldon.parse(message)
    assert str(caught.value) == text


def test_a_long_value_is_shown_shortened() -> None:
    with pytest.raises(MessageError) as caught:
        seldon.parse({"foo": "x" * 10_000})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("kind", "result", "fields"),
    [
        pytest.param(
            "strData", np.array([1, 2, 3]),
            {"data": {"names": [], "tensor": {"shape": [3], "values": [1, 2, 3]}}}, id="text-to-numbers",
        ),
        pytest.param(
            "jsonData", [[0.5, 1.5]],
            {"data": {"names": ["t:0", "t:1"], "tensor": {"shape": [1, 2], "values": [0.5, 1.5]}}},
            id="json-to-list",
        ),
        pytest.param("binData", np.array(["a"]), {"data": {"names": [], "ndarray": ["a"]}}, id="bytes-to-text-array"),
        pytest.param("tensor", np.array([True]), {"data": {"names": [], "ndarray": [True]}}, id="tensor-to-booleans"),
        pytest.param("tensor", [None, 1.0], {"data": {"names": [], "ndarray": [None, 1.0]}}, id="tensor-to-objects"),
        pytest.param("ndarray", [[1], [2, 3]], {"data": {"names": [], "ndarray": [[1], [2, 3]]}}, id="ragged-result"),
        pytest.param("ndarray", np.array(5), {"data": {"names": [], "ndarray": [5]}}, id="scalar-ndarray"),
        pytest.param(
            "tensor", np.array(5), {"data": {"names": [], "tensor": {"shape": [], "values": [5]}}}, id="scalar"
        ),
        pytest.param("data", [1], {"data": {"names": [], "ndarray": [1]}}, id="empty-data-stays-ndarray"),
        pytest.param(
            "ndarray", np.array(["2026-01-02T03:04:05"], dtype="datetime64[ns]"),
            {"data": {"names": [], "ndarray": ["2026-01-02T03:04:05.000000000"]}}, id="dates",
        ),
        pytest.param("ndarray", "text", {"strData": "text"}, id="str"),
        pytest.param("ndarray", bytearray(b"123"), {"binData": "MTIz"}, id="bytearray"),
        pytest.param(
            "strData", {"a": np.float32(0.5), "b": np.array([1, 2]), "n": float("nan"), 1: np.int64(3)},
            {"jsonData": {"1": 3, "a": 0.5, "b": [1, 2], "n": None}}, id="dict-of-numpy",
        ),
    ],
)  # fmt: skip
def test_the_kind_of_a_result(kind: seldon.Kind, result: Any, fields: Any) -> None:
    assert json.loads(dumps(seldon.encode_payload(result, kind, default_names))) == fields


@pytest.mark.parametrize("result", [None, 1.5, (1, 2), object], ids=["None", "float", "tuple", "class"])
def test_a_result_of_an_unknown_type_is_refused(result: Any) -> None:
    with pytest.raises(MessageError, match=r"^Unknown data type returned as payload \(must be list or np array\):"):
        seldon.encode_payload(result, "ndarray", default_names)


@pytest.mark.parametrize("kind", ["ndarray", "tensor"])
@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1, 2], "[1,2]"), ([1.0, 2.5], "[1.0,2.5]"),
        ([2**53 + 1], "[9007199254740993]"), ([2**64 - 1], "[18446744073709551615]"),
    ],
    ids=["int", "float", "above-2^53", "uint64"],
)  # fmt: skip
def test_dtype_in_is_dtype_out(kind: str, values: list[Any], texts: str) -> None:
    data = {"ndarray": values} if kind == "ndarray" else {"tensor": {"shape": [len(values)], "values": values}}
    request = seldon.parse(loads(dumps({"data": data})))
    written = dumps(seldon.encode_payload(request.payload, request.kind, default_names)).decode()
    assert texts in written


scalars = st.one_of(
    st.floats(),
    st.integers(-5, 5),
    st.sampled_from([2**63, 2**64, -(2**63) - 1, 10**400, True, None, "1.5", {}, [1.5]]),
)


@given(st.one_of(st.lists(st.lists(scalars, max_size=3), max_size=4), st.lists(scalars, max_size=5)), st.booleans())
def test_the_fast_way_to_an_array_ends_where_numpys_own_does(values: list[Any], begins_with_a_float: bool) -> None:
    if begins_with_a_float and values and values[0] and isinstance(values[0], list):
        values[0][0] = 0.5
    fast, slow = patched(1, values), seldon.array_of(values)
    assert (fast.dtype, fast.shape) == (slow.dtype, slow.shape)
    assert fast.flags.writeable
    assert repr(fast.tolist()) == repr(slow.tolist())


@pytest.mark.parametrize(
    ("values", "is_fast"),
    [
        pytest.param([[0.5, 1.5], [2.5, 3]], True, id="rows"),
        pytest.param([0.5, math.nan], True, id="one row"),
        pytest.param([[1, 0.5]], False, id="begins with an integer"),
        pytest.param([[0.5], [1.5, 2.5]], False, id="rows of several lengths"),
        pytest.param([[0.5, 2**63]], False, id="an integer beyond 64 bits"),
        pytest.param([[0.5, "x"]], False, id="text"),
    ],
)
def test_the_fast_way_to_an_array_is_for_floats(values: list[Any], is_fast: bool) -> None:
    with patch.object(seldon, "array_of") as slow:
        patched(1, values)
    assert slow.called != is_fast
    with patch.object(seldon, "array_of") as slow:
        patched(1000, values)
    assert slow.called, "numpy is as fast where there are few"


def patched(many: int, values: list[Any]) -> Any:
    with patch.object(seldon, "MANY", many):
        return seldon.array_of_json(values)


def test_numbers_that_are_not_finite_never_become_invalid_json() -> None:
    body = b'{"data":{"ndarray":[NaN,Infinity,-Infinity,1]}}'
    assert identity(loads(body)) == {"data": {"names": [], "ndarray": [None, None, None, 1.0]}}
    body = b'{"data":{"tensor":{"shape":[4],"values":[NaN,Infinity,-Infinity,1]}}}'
    tensor = {"shape": [4], "values": ["NaN", "Infinity", "-Infinity", 1.0]}
    assert identity(loads(body)) == {"data": {"names": [], "tensor": tensor}}
    assert identity(loads(b'{"jsonData":{"a":[NaN]}}')) == {"jsonData": {"a": [None]}}


@settings(deadline=None)
@given(
    npst.arrays(
        dtype=st.sampled_from([np.dtype(name) for name in ("int64", "uint64", "float64")]),
        shape=npst.array_shapes(max_dims=3, max_side=4),
        elements={"allow_nan": True},
    ),
    st.sampled_from(["tensor", "ndarray"]),
)
def test_a_tensor_keeps_every_bit_and_an_ndarray_all_but_nan(array: Any, kind: seldon.Kind) -> None:
    written = dumps(seldon.encode_payload(array, kind, default_names))
    read = seldon.parse(loads(written)).payload
    assert read.shape == array.shape
    if kind == "ndarray" and array.dtype.kind == "f":
        array = np.where(np.isfinite(array), array, np.nan)
        read = np.array(read, dtype=np.float64)
    np.testing.assert_array_equal(read, array)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
fields = st.sampled_from(["data", "ndarray", "tensor", "shape", "values", "names", "meta", "strData", "binData"])
messages = st.dictionaries(
    fields, st.dictionaries(fields, json_values | st.dictionaries(fields, json_values)) | json_values
)


@settings(deadline=None)
@given(messages)
def test_whatever_is_sent_is_either_answered_or_refused(message: Any) -> None:
    try:
        request = seldon.parse(message)
    except MessageError:
        return
    if request.payload is not None and not isinstance(request.payload, int | float | bool):
        dumps(seldon.encode_payload(request.payload, request.kind, default_names))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(b"", "Invalid JSON: ", id="empty"),
        pytest.param(b"{'a': 1}", "Invalid JSON: Expecting property name enclosed in double quotes", id="quotes"),
        pytest.param(b'{"a": 1', "Invalid JSON: ", id="cut"),
        pytest.param(b'"\xff"', "Invalid JSON: the text is not UTF-8", id="not-utf-8"),
        pytest.param(b"[" * 100_000, "Invalid JSON: values are nested too deeply", id="deep"),
    ],
)
def test_what_is_not_json_is_refused(body: bytes, text: str) -> None:
    with pytest.raises(MessageError) as caught:
        loads(body)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param({"b": 1, "a": {"d": 1, "c": 2}}, '{"a":{"c":2,"d":1},"b":1}\n', id="sorted"),
        pytest.param({2: "a", "b": (1,), np.int64(3): np.str_("x")}, '{"2":"a","3":"x","b":[1]}\n', id="odd-keys"),
        pytest.param(["\ud800"], '["\\ud800"]\n', id="lone-surrogate"),
        pytest.param([2**70, -(2**70)], "[1180591620717411303424,-1180591620717411303424]\n", id="big"),
        pytest.param([np.longdouble(0.5), np.float16(2), np.bool_(True)], "[0.5,2.0,true]\n", id="numpy-scalars"),
        pytest.param({1: float("nan"), 2: np.array([np.inf])}, '{"1":null,"2":[null]}\n', id="nan-with-odd-keys"),
    ],
)  # fmt: skip
def test_dumps(value: Any, written: str) -> None:
    assert dumps(value).decode() == written


@pytest.mark.parametrize("value", [1j, np.array([1j]), object(), {(1, 2): 3}, {"a": {1: object()}}])
def test_a_value_without_a_form_in_json_is_named(value: Any) -> None:
    with pytest.raises(TypeError, match="has no form in JSON"):
        dumps(value)
