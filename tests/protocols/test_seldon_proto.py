"""Seldon messages between protobuf and JSON, by the mapping of proto3."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seldon_core.proto.prediction_pb2 import Feedback, SeldonMessage, SeldonMessageList
from seldon_core.protocols.errors import MessageError
from seldon_core.protocols.seldon_proto import (
    feedback_from_json,
    list_from_json,
    message_from_json,
    metadata_from_json,
    parse,
    to_json,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
keys = st.text("abc", min_size=1, max_size=2)
values = st.recursive(
    st.none() | st.booleans() | finite | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=4,
)
numbers = st.integers(-(1 << 31), (1 << 31) - 1)
metrics = st.lists(
    st.fixed_dictionaries(
        {"key": keys, "value": st.integers(1, 1000).map(lambda quarters: quarters / 4)},
        optional={"type": st.sampled_from(["GAUGE", "TIMER"])},
    ),
    min_size=1,
    max_size=3,
)
metas = st.fixed_dictionaries(
    {},
    optional={
        "puid": keys,
        "tags": st.dictionaries(keys, values, min_size=1, max_size=3),
        "routing": st.dictionaries(keys, numbers, min_size=1, max_size=3),
        "requestPath": st.dictionaries(keys, text, min_size=1, max_size=3),
        "metrics": metrics,
    },
)
tensors = st.fixed_dictionaries(
    {},
    optional={"shape": st.lists(numbers, min_size=1, max_size=3), "values": st.lists(finite, min_size=1, max_size=3)},
)
datas = st.one_of(
    st.builds(lambda tensor: {"tensor": tensor}, tensors),
    st.builds(lambda array: {"ndarray": array}, st.lists(values, max_size=3)),
)
payloads = st.one_of(
    st.builds(lambda data: {"data": data}, datas),
    st.builds(lambda text: {"strData": text}, text),
    st.builds(lambda value: {"jsonData": value}, values),
    st.just({"binData": "AP8="}),
)
messages = st.builds(lambda meta, payload: {"meta": meta, **payload}, metas, payloads)


@given(messages)
def test_json_survives_the_way_through_protobuf(message: dict[str, Any]) -> None:
    through = SeldonMessage.FromString(message_from_json(message).SerializeToString())
    assert to_json(through) == message


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        pytest.param({"meta": {"metrics": [{"key": "k", "type": "COUNTER", "value": 0}]}},
                     {"meta": {"metrics": [{"key": "k"}]}}, id="defaults are left out"),
        pytest.param({"status": {"status": 1}}, {"status": {"status": "FAILURE"}}, id="enumerations may be numbers"),
        pytest.param({"data": {"tensor": {"values": ["NaN", "Infinity", 1]}}},
                     {"data": {"tensor": {"values": ["NaN", "Infinity", 1.0]}}}, id="no numbers"),
        pytest.param({"binData": "-_8"}, {"binData": "+/8="}, id="both alphabets of base64"),
        pytest.param({"data": {"ndarray": [1, 2.5]}}, {"data": {"ndarray": [1.0, 2.5]}}, id="numbers are doubles"),
        pytest.param({"data": {"tftensor": {"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": "2"}]},
                                            "floatVal": [1.0, 2.0]}}},
                     {"data": {"tftensor": {"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": "2"}]},
                                            "floatVal": [1.0, 2.0]}}}, id="tftensor"),
        pytest.param({"jsonData": None}, {"jsonData": None}, id="null"),
        pytest.param(None, {}, id="nothing"),
    ],
)  # fmt: skip
def test_the_mapping(given: Any, shown: Any) -> None:
    assert to_json(message_from_json(given)) == shown


@pytest.mark.parametrize(
    "value", [{"foo": 1}, {"meta": {"x": 1}}, {"data": {"tensor": {"shape": ["a"]}}}, [], "x", 3, {"strData": 1}]
)
def test_what_is_no_message_is_refused(value: Any) -> None:
    with pytest.raises(MessageError, match=r"^Invalid JSON: "):
        message_from_json(value)


def test_feedback_and_lists() -> None:
    feedback = feedback_from_json({"request": {"strData": "x"}, "reward": 0.5, "truth": {"strData": "y"}})
    assert isinstance(feedback, Feedback)
    assert (feedback.reward, feedback.truth.strData) == (0.5, "y")
    with pytest.raises(MessageError, match=r"^Invalid JSON: "):
        feedback_from_json({"reward": "much"})
    for given_list in ([{"strData": "a"}], {"seldonMessages": [{"strData": "a"}]}):
        assert list_from_json(given_list).seldonMessages[0].strData == "a"


def test_metadata_may_say_more_and_its_sizes_are_text() -> None:
    metadata = metadata_from_json({"name": "m", "unknown": 1, "inputs": [{"name": "x", "shape": [1, "4"]}]})
    assert to_json(metadata) == {"name": "m", "inputs": [{"name": "x", "shape": ["1", "4"]}]}


def test_what_json_has_not_is_an_error() -> None:
    message = SeldonMessage()
    message.jsonData.number_value = math.nan
    with pytest.raises(MessageError, match="has no form in JSON"):
        to_json(message)
    message = SeldonMessage()
    message.customData.type_url = "type.googleapis.com/nobody.Knows"
    with pytest.raises(MessageError, match="has no form in JSON"):
        to_json(message)


@given(st.binary())
def test_bytes_are_a_message_or_an_error(body: bytes) -> None:
    try:
        found = parse(SeldonMessageList, body)
    except MessageError:
        return
    assert SeldonMessageList.FromString(found.SerializeToString()) == found


def test_deep_json_is_an_error() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(MessageError):
        to_json(message_from_json({"jsonData": deep}))
