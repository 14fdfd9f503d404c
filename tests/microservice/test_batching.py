"""Predictions made together: which are joined, what each gets, and what happens when a batch fails."""

import asyncio
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestRegressor

from seldon_core.microservice.batching import batch_key, join, rows, split
from seldon_core.microservice.component import Call
from seldon_core.user_model import SeldonResponse

from .serving import served, until


class Sums:
    """Answers the sum of each row, and keeps how it was called."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        self.calls.append((X.tolist(), names, meta))
        if (X < 0).any():
            raise ValueError("negative")
        return X.sum(axis=1, keepdims=True)


def message(row: list[Any], names: Any = None, **meta: Any) -> Any:
    return {"data": {"names": names or [], "ndarray": [row]}, "meta": meta}


async def ask(service: Any, *messages: Any) -> list[Any]:
    responses = await asyncio.gather(*(service.client.post("/predict", json=message) for message in messages))
    return [(response.status_code, response.json()) for response in responses]


async def test_predictions_that_arrive_together_are_made_together() -> None:
    model = Sums()
    async with served(model, batch=(3, 60.0)) as service:
        answers = await ask(service, *(message([number, 1], puid=str(number)) for number in range(6)))
    assert [answer["data"]["ndarray"] for _, answer in answers] == [[[number + 1]] for number in range(6)]
    assert [answer["meta"]["puid"] for _, answer in answers] == [str(number) for number in range(6)]
    assert [len(rows) for rows, _, _ in model.calls] == [3, 3]
    assert all(meta is None for _, _, meta in model.calls), "what only one request says is not passed on"


async def test_one_that_waits_alone_is_made_when_its_time_is_over() -> None:
    model = Sums()
    async with served(model, batch=(100, 0.001)) as service:
        [(status, answer)] = await ask(service, message([1, 2], tags={"a": 1}))
    assert (status, answer["data"]["ndarray"]) == (200, [[3]])
    assert model.calls == [([[1, 2]], [], {"tags": {"a": 1}})]


async def test_a_batch_that_fails_is_made_one_by_one() -> None:
    model = Sums()
    async with served(model, batch=(3, 60.0)) as service:
        answers = await ask(service, message([1, 1]), message([-1, 1]), message([2, 1]))
    assert [status for status, _ in answers] == [200, 500, 200]
    assert [len(rows) for rows, _, _ in model.calls] == [3, 1, 1, 1]


class Shrinks(Sums):
    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        super().predict(X, names, meta)
        return {"rows": len(X)}


async def test_a_result_that_cannot_be_taken_apart_is_made_one_by_one() -> None:
    model = Shrinks()
    async with served(model, batch=(2, 60.0)) as service:
        answers = await ask(service, message([1, 1]), message([2, 1]))
    assert [answer["jsonData"] for _, answer in answers] == [{"rows": 1}] * 2


class Later(Sums):
    async def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        await asyncio.sleep(0)
        return SeldonResponse(
            super().predict(X, names, meta), {"rows": len(X)}, [{"type": "COUNTER", "key": "batches", "value": 1}]
        )

    async def tags(self) -> Any:
        return {"own": threading.get_ident()}


async def test_coroutines_are_joined_too_and_metrics_count_once() -> None:
    model = Later()
    async with served(model, batch=(3, 60.0)) as service:
        answers = await ask(service, *(message([number, 1]) for number in range(3)))
        text = service.registry.render().decode()
        assert [answer["data"]["ndarray"] for _, answer in answers] == [[[1]], [[2]], [[3]]]
        assert [answer["meta"]["tags"]["rows"] for _, answer in answers] == [3] * 3
        answers = await ask(service, message([1, 1]), message([-1, 1]), message([2, 1]))
        assert [status for status, _ in answers] == [200, 500, 200]
    assert [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith("batches_total")] == ["1.0"]


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        pytest.param(message([1, 2]), message([3, 4]), True, id="equal"),
        pytest.param(message([1, 2]), message([3.5, 4]), False, id="dtype"),
        pytest.param(message([1, 2]), message([3, 4, 5]), False, id="shape"),
        pytest.param(message([1, 2], ["a", "b"]), message([3, 4], ["a", "c"]), False, id="names"),
        pytest.param(message([1, 2], tags={"a": 1}), message([3, 4], tags={"a": 2}), False, id="tags"),
        pytest.param(message([1, 2], puid="p"), message([3, 4], puid="q"), True, id="puid"),
        pytest.param(message(["a"]), message(["bcd"]), False, id="texts"),
        pytest.param({"strData": "a"}, {"strData": "a"}, False, id="strData"),
    ],
)
def test_what_is_joined(first: Any, second: Any, joined: bool) -> None:
    from seldon_core.protocols import seldon

    keys = []
    for request in (seldon.parse(first), seldon.parse(second)):
        keys.append(batch_key(request.payload, request.names, (request.meta or {}).get("tags") or {}))
    assert (keys[0] is not None and keys[0] == keys[1]) == joined


class Notes:
    """Answers the sum of each row, and keeps what it got: the shape, the type, the names and the tags."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        self.calls.append((X.shape, X.dtype.kind, names, (meta or {}).get("tags", {})))
        return X.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("one", "other", "calls"),
    [
        pytest.param(
            message([1, 2], ["a", "b"]), message([3, 4], ["b", "a"]),
            [((2, 2), "i", ["a", "b"], {}), ((2, 2), "i", ["b", "a"], {})], id="names",
        ),
        pytest.param(
            message([1, 2]), message([3.5, 4.0]), [((2, 2), "i", [], {}), ((2, 2), "f", [], {})], id="dtype",
        ),
        pytest.param(
            message([1, 2], tags={"a": 1}), message([3, 4], tags={"a": 2}),
            [((2, 2), "i", [], {"a": 1}), ((2, 2), "i", [], {"a": 2})], id="tags",
        ),
        pytest.param(
            message([1, 2]), message([3, 4, 5]), [((2, 2), "i", [], {}), ((2, 3), "i", [], {})], id="trailing-shape",
        ),
    ],
)  # fmt: skip
async def test_requests_that_are_not_alike_wait_side_by_side_and_are_not_joined(
    one: Any, other: Any, calls: list[Any]
) -> None:
    model = Notes()
    async with served(model, batch=(2, 60.0)) as service:
        early = asyncio.create_task(ask(service, one, other))
        await asyncio.to_thread(until, lambda: service.application.in_flight == 2 or model.calls)
        assert not model.calls, "each waits for one like it"
        answers = await ask(service, one, other)
        assert await early == answers
    assert sorted(model.calls, key=str) == sorted(calls, key=str)
    for request, (status, answer) in zip((one, other), answers, strict=True):
        assert (status, answer["data"]["ndarray"]) == (200, [[sum(request["data"]["ndarray"][0])]])
        assert answer["meta"].get("tags", {}) == request["meta"].get("tags", {})


FOREST = RandomForestRegressor(n_estimators=5, random_state=0).fit(np.arange(60).reshape(20, 3), np.arange(20) * 1.5)
WEIGHTS = np.random.default_rng(0).normal(size=(3, 2))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.lists(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3), min_size=1, max_size=4),
        min_size=1,
        max_size=6,
    )
)
def test_everybody_gets_what_it_would_have_got_alone(requests: list[list[list[float]]]) -> None:
    arrays = [np.array(request) for request in requests]
    for predict, exact in ((FOREST.predict, True), (lambda rows: rows @ WEIGHTS, False), (np.ndarray.tolist, True)):
        calls = [Call(predict, (array,)) for array in arrays]
        assert rows(join(calls)) == sum(map(len, arrays))
        parts = split(join(calls)(), calls)
        assert parts is not None
        for part, array in zip(parts, arrays, strict=True):
            alone = np.asarray(predict(array))
            assert np.asarray(part).shape == alone.shape
            if exact:
                np.testing.assert_array_equal(part, alone)
            else:
                np.testing.assert_allclose(part, alone, rtol=1e-6, atol=1e-9)
