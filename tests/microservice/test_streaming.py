"""Answers in pieces: generators of the model as server-sent events."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from seldon_core.metrics import create_counter
from seldon_core.user_model import SeldonResponse

from .serving import DEADLINE, M, Served, served, until

ND = {"data": {"ndarray": [[1, 2]]}}


async def become(condition: Any) -> None:
    await asyncio.to_thread(until, condition)


class Words(M):
    """Yields the words of a text, each when the test lets it."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.closed = threading.Event()
        self.threads: set[int] = set()

    def predict(self, X: Any, names: Any, meta: Any = None) -> Iterator[Any]:  # noqa: N803
        try:
            for word in X.split():
                self.gate.acquire(timeout=DEADLINE)
                self.threads.add(threading.get_ident())
                if word == "fail":
                    raise ValueError("no more")
                yield SeldonResponse(word, metrics=[create_counter("words", 1)])
        finally:
            self.closed.set()


class Later(Words):
    """The same with an asynchronous generator."""

    async def predict(self, X: Any, names: Any, meta: Any = None) -> AsyncIterator[Any]:  # type: ignore[override]  # noqa: N803
        try:
            for word in X.split():
                await asyncio.to_thread(self.gate.acquire, timeout=DEADLINE)
                if word == "fail":
                    raise ValueError("no more")
                yield SeldonResponse(word, metrics=[create_counter("words", 1)])
        finally:
            self.closed.set()


async def events(response: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    """Kind and data of each event."""
    kind = "message"
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line:
            yield kind, json.loads(line.removeprefix("data: "))


def stream(service: Served, message: Any, path: str = "/predict") -> Any:
    return service.client.stream("POST", path, json=message)


@pytest.mark.parametrize("kind", [Words, Later])
async def test_each_piece_is_sent_when_it_is_there(kind: type[Words]) -> None:
    model = kind()
    model.gate.release()  # the head of the answer comes with the first piece; the second waits until that has arrived
    async with served(model) as service, stream(service, {"strData": "a b", "meta": {"puid": "p"}}) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        received = events(response)
        first = await anext(received)
        assert service.application.in_flight == 1
        model.gate.release()
        second = await anext(received)
        assert [event async for event in received] == []
        meta = {"puid": "p", "tags": {"mytag": 1}}
        words = {"key": "words", "type": "COUNTER", "value": 1}
        counter = {"key": "mycounter", "type": "COUNTER", "value": 1}
        assert first == ("message", {"strData": "a", "meta": {**meta, "metrics": [counter, words]}})
        assert second == ("message", {"strData": "b", "meta": {**meta, "metrics": [words]}}), "hooks are asked once"
        text = service.registry.render().decode()
    assert model.closed.is_set()
    assert service.application.in_flight == 0
    assert [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith("words_total")] == ["2.0"]
    assert [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith("mycounter_total")] == ["1.0"]
    assert threading.get_ident() not in model.threads


@pytest.mark.parametrize("kind", [Words, Later])
async def test_a_caller_that_leaves_closes_the_generator(kind: type[Words]) -> None:
    model = kind()
    model.gate.release()
    async with served(model) as service:
        async with stream(service, {"strData": "a b c d e f"}) as response:
            await anext(events(response))
        for _ in range(2):  # the one it is working on, if it has begun
            model.gate.release()
        await become(lambda: model.closed.is_set() and service.application.in_flight == 0)
        text = service.registry.render().decode()
    assert 'requests_seconds_count{method="predict",code="499"} 1.0' in text


@pytest.mark.parametrize("kind", [Words, Later])
async def test_an_error_before_the_first_piece_is_an_answer_like_any_other(kind: type[Words]) -> None:
    model = kind()
    model.gate.release()
    async with served(model) as service:
        response = await service.client.post("/predict", json={"strData": "fail"})
    assert (response.status_code, response.json()["status"]["info"]) == (500, "no more")
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("kind", [Words, Later])
async def test_an_error_after_it_is_an_event(kind: type[Words]) -> None:
    model = kind()
    for _ in range(2):
        model.gate.release()
    async with served(model) as service:
        async with stream(service, {"strData": "a fail b"}) as response:
            received = [event async for event in events(response)]
        text = service.registry.render().decode()
    assert [kind for kind, _ in received] == ["message", "error"]
    assert received[1][1]["status"]["info"] == "no more"
    assert 'requests_seconds_count{method="predict",code="500"} 1.0' in text


async def test_nothing_to_yield_is_an_empty_stream() -> None:
    async with served(Words()) as service:
        response = await service.client.post("/predict", json={"strData": ""})
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"


class Arrays:
    def __init__(self) -> None:
        self.yielded = 0

    def predict(self, X: Any, names: Any) -> Iterator[Any]:  # noqa: N803
        for row in X:
            self.yielded += 1
            yield row

    def predict_raw(self, msg: Any) -> Iterator[Any]:
        yield {"strData": "raw"}


async def test_every_protocol_streams_its_own_messages() -> None:
    async with served(Arrays(), unit="m") as service:
        tensor = {"name": "x", "shape": [2, 1], "datatype": "INT32", "data": [1, 2]}
        async with stream(service, {"inputs": [tensor]}, "/v2/models/m/infer") as response:
            data = [event["outputs"][0]["data"] async for _, event in events(response)]
        assert data == [[1], [2]]
        async with stream(service, {"instances": [[1], [2]]}, "/v1/models/m:predict") as response:
            assert [event async for _, event in events(response)] == [{"predictions": [1]}, {"predictions": [2]}]
        async with stream(service, ND) as response:
            assert [event async for _, event in events(response)] == [{"strData": "raw"}]


class Endless:
    def __init__(self) -> None:
        self.yielded = 0
        self.closed = threading.Event()

    def predict(self, X: Any, names: Any) -> Iterator[Any]:  # noqa: N803
        try:
            while True:
                self.yielded += 1
                yield "x" * 100_000
        finally:
            self.closed.set()


async def test_a_slow_reader_holds_the_generator_up() -> None:
    model = Endless()
    async with served(model) as service:
        async with stream(service, {"strData": ""}):
            # Nothing is read: the buffers of the system fill up, then the model is asked for no more.
            before = -1
            while before != model.yielded:
                before = model.yielded
                response = await service.client.get("/live")
                assert response.status_code == 200
                await asyncio.sleep(0.2)
            assert model.yielded < 2000
        await become(lambda: model.closed.is_set() and service.application.in_flight == 0)
