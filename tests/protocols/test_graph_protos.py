"""Protobuf messages between the nodes of a graph: chained, joined, routed and merged as those in JSON are."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seldon_core.proto.prediction_pb2 import SeldonMessage, SeldonMessageList
from seldon_core.proto.private import message_class
from seldon_core.protocols import graph_messages, graph_protos, meta
from seldon_core.protocols.errors import MessageError
from seldon_core.protocols.seldon_proto import message_from_json, to_json
from seldon_core.protocols.v2 import InferResponse, Tensor
from seldon_core.protocols.v2_proto import encode_response, parse_request
from seldon_core.protocols.wire import fields
from tests.protocols.test_seldon_proto import messages


def proto(value: Any) -> bytes:
    return message_from_json(value).SerializeToString()


@given(st.lists(messages, max_size=4))
def test_answers_are_joined(given_messages: list[dict[str, Any]]) -> None:
    joined = SeldonMessageList.FromString(graph_protos.join([proto(message) for message in given_messages]))
    assert [to_json(message) for message in joined.seldonMessages] == given_messages


@pytest.mark.parametrize(
    ("data", "branch"),
    [
        ({"ndarray": [1]}, 1), ({"ndarray": [[2, 3]]}, 2), ({"ndarray": [-1.0]}, -1),
        ({"tensor": {"values": [7.9]}}, 7),
        ({"tftensor": {"dtype": "DT_INT32", "intVal": [-2]}}, -2), ({}, -1),
    ],
)  # fmt: skip
def test_routes_are_read(data: Any, branch: int) -> None:
    assert graph_protos.seldon_branch(proto({"data": data})) == branch
    assert graph_messages.seldon_branch(json.dumps({"data": data}).encode()) == branch


def test_a_route_beyond_the_range_of_floats_is_a_number_still() -> None:
    assert graph_messages.seldon_branch(json.dumps({"data": {"ndarray": [10**400]}}).encode()) == 10**400


@pytest.mark.parametrize(
    "message",
    [{"strData": "1"}, {}, {"data": {"ndarray": []}}, {"data": {"ndarray": ["a"]}}, {"data": {"ndarray": [True]}},
     {"data": {"tensor": {"values": ["NaN"]}}}, {"data": {"tftensor": {}}}],
)  # fmt: skip
def test_no_route_is_an_error(message: Any) -> None:
    with pytest.raises(MessageError):
        graph_protos.seldon_branch(proto(message))


def test_a_value_that_says_nothing_is_no_route() -> None:
    message = SeldonMessage()
    message.data.ndarray.values.add()
    with pytest.raises(MessageError, match="holds no branch"):
        graph_protos.seldon_branch(message.SerializeToString())


def test_bytes_that_are_no_message_are_an_error() -> None:
    for function in (graph_protos.seldon_branch, graph_protos.v2_branch, lambda body: list(fields(body))):
        with pytest.raises(MessageError, match="Invalid protobuf"):
            function(b"\x1a\xff")


chains = st.lists(st.tuples(messages, st.sets(st.integers(0, 5))), min_size=1, max_size=4)


@given(chains)
def test_meta_is_merged_as_in_json(graph: list[tuple[dict[str, Any], set[int]]]) -> None:
    as_json = [json.dumps(message).encode() for message, _ in graph]
    as_proto = [proto(message) for message, _ in graph]

    def answers(bodies: list[bytes]) -> list[tuple[list[bytes], bytes]]:
        return [([bodies[at] for at in sorted(sources) if at < place], bodies[place])
                for place, (_, sources) in enumerate(graph)]  # fmt: skip

    said: Any = {"puid": "p", "routing": {"r": 1}, "request_path": {"n": "image"}}
    expected = json.loads(meta.with_merged_meta(as_json[-1], answers(as_json), **said))
    merged = graph_protos.with_merged_meta(as_proto[-1], answers(as_proto), **said)
    assert to_json(SeldonMessage.FromString(merged)) == expected


def test_the_data_of_a_merged_message_is_not_touched() -> None:
    message = proto({"data": {"tensor": {"shape": [2], "values": [1, 2]}}, "meta": {"puid": "old"}})
    data = next(bytes(field.encoded) for field in fields(message) if field.number == 3)
    unknown = b"\xc2\x3e\x01x"  # field 1000
    merged = graph_protos.with_merged_meta(message + unknown, [], puid="new", routing={}, request_path={})
    assert merged.startswith(data + unknown)
    assert SeldonMessage.FromString(merged).meta.puid == "new"


def test_meta_in_several_places_is_one() -> None:
    body = proto({"meta": {"tags": {"a": 1}}}) + proto({"meta": {"tags": {"b": 2}, "puid": "x"}})
    merged = graph_protos.with_merged_meta(body, [([], body)], puid="p", routing={}, request_path={})
    assert to_json(SeldonMessage.FromString(merged))["meta"] == {"puid": "p", "tags": {"a": 1.0, "b": 2.0}}


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "in lists"])
def test_a_v2_answer_becomes_a_request(raw: bool) -> None:
    data = memoryview(b"\0\0\x80\x3f") if raw else [1.0]
    answer = InferResponse("first", (Tensor("x", "FP32", (1,), data, {"content_type": "np"}),), "2", "id", {"p": 1})
    request, name, version = parse_request(graph_protos.v2_request(encode_response(answer), "second"))
    assert (name, version, request.id, request.parameters) == ("second", "", "id", {"p": 1})
    (tensor,) = request.inputs
    assert (tensor.values(), tensor.parameters) == ([1.0], {"content_type": "np"})
    assert graph_protos.v2_branch(encode_response(answer)) == 1


def test_a_tensorflow_answer_becomes_a_request() -> None:
    response = message_class("tensorflow.serving.PredictResponse")()
    response.model_spec.name = "first"
    response.outputs["y"].float_val.append(2.5)
    body = graph_protos.tensorflow_request(response.SerializeToString(), "second")
    request = message_class("tensorflow.serving.PredictRequest").FromString(body)
    assert request.model_spec.name == "second"
    assert list(request.inputs["y"].float_val) == [2.5]


@given(st.binary(max_size=40))
def test_the_fields_of_any_message_put_together_are_the_message(body: bytes) -> None:
    try:
        found = list(fields(body))
    except MessageError:
        return
    assert b"".join(field.encoded for field in found) == body
