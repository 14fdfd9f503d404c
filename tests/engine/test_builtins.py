"""What the engine itself runs: every implementation does what it says, and refuses what it cannot."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seldon_core.engine.builtins import CLASSES, IMPLEMENTATIONS, VALUES, BuiltInError, average, simple_model
from seldon_core.protocols.errors import MessageError
from tests.engine.graphs import FEEDBACK, PREDICTIONS, ask, components, info, n, place, post, says

X = {"strData": "x"}
TENSOR = {"names": CLASSES, "tensor": {"shape": [1, 3], "values": VALUES}}


async def test_a_graph_of_built_in_nodes_needs_no_component(run_engine) -> None:
    models = [n(name, None, implementation="SIMPLE_MODEL") for name in "ab"]
    graph = n("r", None, n("c", None, *models, implementation="AVERAGE_COMBINER"), implementation="SIMPLE_ROUTER")
    async with run_engine(graph) as engine:
        response = await ask(engine, post(PREDICTIONS, {"data": {"ndarray": [[1]]}}))
        message = json.loads(response.body)
        assert response.headers["content-type"] == "application/json"
        assert message["data"] == TENSOR
        assert message["meta"]["routing"] == {"r": 0, "c": -1, "a": -1, "b": -1}
        assert [metric["key"] for metric in message["meta"]["metrics"]][:3] == [
            "mymetric_counter", "mymetric_gauge", "mymetric_timer"
        ]  # fmt: skip
        assert (await ask(engine, post(FEEDBACK, {"reward": 1}))).status == 200


async def test_average_of_components(run_engine) -> None:
    graph = n("c", None, n("a"), n("b"), implementation="AVERAGE_COMBINER")
    answers = [{"data": {"names": ["x"], "ndarray": [[1, 2], [3, 4]]}}, {"data": {"ndarray": [[3, 4], [5, 8.5]]}}]
    async with components(a=says(answers[0]), b=says(answers[1])) as peers, run_engine(place(graph, peers)) as engine:
        message = json.loads((await ask(engine, post(PREDICTIONS, X))).body)
        assert message["data"] == {"names": ["x"], "ndarray": [[2, 3], [4, 6.25]]}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"data": {"ndarray": [[1, 2], [3]]}}, id="ragged"),
        pytest.param({"data": {"ndarray": [[1, 2]]}}, id="another shape"),
        pytest.param({"data": {"ndarray": [["a", "b"], ["c", "d"]]}}, id="text"),
        pytest.param({"data": {"tensor": {"shape": [3], "values": [1]}}}, id="fewer values"),
        pytest.param({"strData": "x"}, id="no data"),
        pytest.param([], id="no message"),
        pytest.param(b"x", id="no JSON"),
    ],
)
async def test_what_has_no_average_is_said(run_engine, answer: Any) -> None:
    graph = n("c", None, n("a"), n("b"), implementation="AVERAGE_COMBINER")
    first = says({"data": {"ndarray": [[1, 2], [3, 4]]}})
    async with components(a=first, b=says(answer)) as peers, run_engine(place(graph, peers)) as engine:
        response = await ask(engine, post(PREDICTIONS, X))
        assert (response.status, response.headers["seldon-failed-node"]) == (500, "c")
        assert info(response).startswith("node 'c': ")


numbers = st.floats(-1e9, 1e9)


def tables(width: int) -> st.SearchStrategy[list[list[list[float]]]]:
    """A table of two rows for each child."""
    table = st.lists(st.lists(numbers, min_size=width, max_size=width), min_size=2, max_size=2)
    return st.lists(table, min_size=1, max_size=4)


@given(st.integers(1, 3).flatmap(tables))
def test_the_average_is_the_mean_in_every_form(children: list[list[list[float]]]) -> None:
    width = len(children[0][0])
    mean = [[sum(child[row][at] for child in children) / len(children) for at in range(width)] for row in range(2)]
    arrays = [{"data": {"ndarray": child}} for child in children]
    assert json.loads(average(json.dumps(arrays).encode()))["data"]["ndarray"] == mean
    flat = [{"data": {"tensor": {"shape": [2, width], "values": [*child[0], *child[1]]}}} for child in children]
    assert json.loads(average(json.dumps(flat).encode()))["data"]["tensor"] == {
        "shape": [2, width], "values": [*mean[0], *mean[1]]
    }  # fmt: skip


@given(st.binary() | st.text().map(lambda text: json.dumps({"strData": text}).encode()))
def test_the_model_answers_anything(body: bytes) -> None:
    answer = json.loads(simple_model(body))
    try:
        text = json.loads(body).get("strData")
    except (ValueError, AttributeError):
        text = None
    assert (answer.get("strData") == text) if isinstance(text, str) else answer["data"] == TENSOR


@pytest.mark.parametrize(
    ("ratio", "low", "high"), [("0.5", 400, 600), ("0.1", 50, 160), ("0", 0, 0), ("1", 1000, 1000)]
)
def test_the_coin_falls_as_often_as_it_should(ratio: str, low: int, high: int) -> None:
    route = IMPLEMENTATIONS["RANDOM_ABTEST"]([{"name": "x", "value": "1"}, {"name": "ratioA", "value": ratio}], 2).route
    assert route is not None
    assert low <= sum(route() == 0 for _ in range(1000)) <= high


@pytest.mark.parametrize("value", ["x", "-0.1", "1.1", "nan", None, [], ""])
def test_a_ratio_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(BuiltInError) as refused:
        IMPLEMENTATIONS["RANDOM_ABTEST"]([{"name": "ratioA", "value": value}], 2)
    assert refused.value.field == "parameters[0].value"


@pytest.mark.parametrize("children", [0, 1, 3])
def test_the_coin_has_two_sides(children: int) -> None:
    with pytest.raises(BuiltInError, match="between two children"):
        IMPLEMENTATIONS["RANDOM_ABTEST"]([], children)


def test_nothing_has_no_average() -> None:
    with pytest.raises(MessageError):
        average(b'[{"data":{}}]')
