"""Meta is merged, and nothing else of a message is touched."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seldon_core.protocols.meta import with_merged_meta

COUNTER = {"type": "COUNTER", "key": "a", "value": 1}
GAUGE = {"type": "GAUGE", "key": "b", "value": 2.5}


def chained(bodies: list[bytes], **more: Any) -> bytes:
    """What comes out of a chain of nodes that answer `bodies`, each sent what the one before it answered."""
    sources = [[], *([body] for body in bodies[:-1])]
    return with_merged_meta(bodies[-1], list(zip(sources, bodies, strict=True)), **more)


def merged(*answers: Any, puid: str = "p", routing: dict | None = None, images: dict | None = None) -> Any:
    bodies = [answer if isinstance(answer, bytes) else json.dumps(answer).encode() for answer in answers]
    return json.loads(chained(bodies, puid=puid, routing=routing or {}, request_path=images or {}))["meta"]


@pytest.mark.parametrize(
    ("metas", "expected"),
    [
        pytest.param([{}], {}, id="nothing but the puid"),
        pytest.param([{"puid": "theirs"}], {}, id="the engine's puid wins"),
        pytest.param([{"tags": {"a": 1}}, {"tags": {"b": 2}}], {"tags": {"a": 1, "b": 2}}, id="tags unite"),
        pytest.param([{"tags": {"a": 1}}, {"tags": {"a": 2}}], {"tags": {"a": 2}}, id="a later tag wins"),
        pytest.param([{"tags": {"a": 1}}, {}], {"tags": {"a": 1}}, id="a tag of an earlier node stays"),
        pytest.param(
            [{"requestPath": {"a": "x"}}, {"requestPath": {"b": "y"}}],
            {"requestPath": {"a": "x", "b": "y"}},
            id="paths unite",
        ),
        pytest.param(
            [{"metrics": [COUNTER]}, {"metrics": [GAUGE]}], {"metrics": [COUNTER, GAUGE]}, id="metrics add up"
        ),
        pytest.param(
            [{"metrics": [COUNTER]}, {"metrics": [COUNTER, GAUGE]}],
            {"metrics": [COUNTER, GAUGE]},
            id="metrics that were passed on count once",
        ),
        pytest.param(
            [{"metrics": [COUNTER]}, {"metrics": [COUNTER, COUNTER]}],
            {"metrics": [COUNTER, COUNTER]},
            id="equal metrics of two nodes count twice",
        ),
        pytest.param([{"metrics": [COUNTER]}, {}], {"metrics": [COUNTER]}, id="metrics of an earlier node stay"),
        pytest.param([{"odd": 1}, {"odder": [2]}], {"odder": [2]}, id="unknown members of the last answer stay"),
        pytest.param([{"tags": None, "metrics": None}], {}, id="null is nothing"),
        pytest.param([{"tags": 3, "metrics": {}, "requestPath": []}], {}, id="other shapes are nothing"),
        pytest.param([3], {}, id="meta that is no object is nothing"),
        pytest.param([None], {}, id="meta that is null is nothing"),
    ],
)
def test_meta_is_merged(metas: list[Any], expected: dict[str, Any]) -> None:
    assert merged(*({"meta": meta} for meta in metas)) == {"puid": "p", **expected}


def test_routing_and_images_are_the_engines() -> None:
    answer = {"meta": {"routing": {"a": 3, "x": 1}, "requestPath": {"a": "said:1"}}}
    meta = merged(answer, routing={"a": -1, "b": -1}, images={"a": "known:2", "b": "image:1"})
    assert meta == {
        "puid": "p",
        "routing": {"a": -1, "b": -1, "x": 1},
        "requestPath": {"a": "said:1", "b": "image:1"},
    }


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        pytest.param(
            b'{ "data" : {"ndarray": [ 1.50, 1e400, 12345678901234567890123 ]}, "strData":"\\u003c<" }\n',
            b'{"data":{"ndarray": [ 1.50, 1e400, 12345678901234567890123 ]},"strData":"\\u003c<","meta":{"puid":"p"}}',
            id="data stays as it was, meta comes last",
        ),
        pytest.param(
            b'{"meta":{"tags":{"t": 1.0}},"data":{"ndarray":[]}}',
            b'{"meta":{"tags":{"t":1.0},"puid":"p"},"data":{"ndarray":[]}}',
            id="meta stays in its place",
        ),
        pytest.param(b"", b"", id="empty"),
        pytest.param(b"text", b"text", id="text"),
        pytest.param(b"[1, 2]", b"[1, 2]", id="list"),
        pytest.param(b'{"data": [NaN]}', b'{"data": [NaN]}', id="not quite JSON"),
        pytest.param(b"\x1f\x8b\x08\x00", b"\x1f\x8b\x08\x00", id="compressed"),
        pytest.param(b'{"a":' + b"[" * 100_000, b'{"a":' + b"[" * 100_000, id="nested too deeply"),
    ],
)
def test_everything_but_meta_stays_byte_for_byte(answer: bytes, result: bytes) -> None:
    assert chained([answer], puid="p", routing={}, request_path={}) == result


def test_earlier_answers_that_are_no_messages_are_passed_over() -> None:
    assert merged(b"text", {"meta": {"tags": {"a": 1}}}, {"data": {}}) == {"puid": "p", "tags": {"a": 1}}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(st.dictionaries(st.sampled_from(["meta", "data", "strData", "x"]), json_values), min_size=1, max_size=3)
)
def test_any_message_keeps_its_members(answers: list[dict[str, Any]]) -> None:
    bodies = [json.dumps(answer).encode() for answer in answers]
    result = json.loads(chained(bodies, puid="p", routing={"n": -1}, request_path={"n": "i:1"}))
    assert result | {"meta": None} == answers[-1] | {"meta": None}
    assert result["meta"]["puid"] == "p"
    assert result["meta"]["routing"]["n"] == -1


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=3))
def test_no_bytes_upset_it(bodies: list[bytes]) -> None:
    assert isinstance(chained(bodies, puid="p", routing={}, request_path={}), bytes)


def test_metrics_that_a_combiner_passes_on_count_once() -> None:
    first = json.dumps({"meta": {"metrics": [COUNTER]}}).encode()
    left, right = (json.dumps({"meta": {"metrics": [COUNTER, metric]}}).encode() for metric in (GAUGE, COUNTER))
    joined = json.dumps({"meta": {"metrics": [COUNTER, GAUGE, COUNTER, COUNTER]}}).encode()
    answers = [([], first), ([first], left), ([first], right), ([left, right], joined)]
    message = with_merged_meta(joined, answers, puid="p", routing={}, request_path={})
    assert json.loads(message)["meta"]["metrics"] == [COUNTER, GAUGE, COUNTER]
