"""`seldon.io/rest-timeout`: a request that takes longer is answered 504, whatever the model goes on to do."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from .serving import DEADLINE, served, until

ND = {"data": {"ndarray": [[1, 2]]}}
TEXT = "the model did not answer within 0.05 seconds, which seldon.io/rest-timeout allows"
V2 = {"inputs": [{"name": "x", "shape": [1], "datatype": "INT64", "data": [1]}]}


class Waits:
    """Answers a text at once, anything else when it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.calls = 0

    def predict(self, X: Any, names: Any) -> Any:  # noqa: N803
        self.calls += 1
        if not isinstance(X, str):
            assert self.go.wait(DEADLINE)
        return X


@pytest.mark.parametrize(
    ("path", "message", "answer"),
    [
        ("/predict", ND, {"status": {"code": -1, "info": TEXT, "reason": "MICROSERVICE_TIMEOUT", "status": 1}}),
        ("/v2/models/Waits/infer", V2, {"error": TEXT}),
        ("/v1/models/Waits:predict", {"instances": [1]}, {"error": TEXT}),
    ],
    ids=["seldon", "v2", "tensorflow"],
)
async def test_a_request_that_takes_too_long_is_a_504(
    path: str, message: Any, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = Waits()
    async with served(model, rest_timeout=0.05) as service:
        response = await service.client.post(path, json=message)
        assert (response.status_code, response.json()) == (504, answer)
        model.go.set()
        await asyncio.to_thread(until, lambda: not service.application.in_flight)
        assert (await service.client.post("/predict", json={"strData": "x"})).json()["strData"] == "x"
        lines = service.registry.render().decode().splitlines()
    assert not caplog.records, "what comes too late is dropped without a word"
    assert any('code="504"' in line and "_count" in line and line.endswith(" 1.0") for line in lines)


async def test_one_that_waits_for_it_is_never_begun() -> None:
    model = Waits()
    async with served(model, rest_timeout=0.05) as service:
        answers = await asyncio.gather(*(service.client.post("/predict", json=ND) for _ in range(3)))
        assert [answer.status_code for answer in answers] == [504, 504, 504]
        model.go.set()
        await asyncio.to_thread(until, lambda: not service.application.in_flight)
    assert model.calls == 1


async def test_a_coroutine_is_cancelled() -> None:
    cancelled = asyncio.Event()

    class Sleeps:
        async def predict(self, X: Any, names: Any) -> Any:  # noqa: N803
            try:
                await asyncio.sleep(DEADLINE)
            except asyncio.CancelledError:
                cancelled.set()
                raise

    async with served(Sleeps(), rest_timeout=0.05) as service:
        assert (await service.client.post("/predict", json=ND)).status_code == 504
        await asyncio.wait_for(cancelled.wait(), DEADLINE)


async def test_a_stream_that_has_begun_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    class Streams:
        async def predict(self, X: Any, names: Any) -> AsyncIterator[str]:  # noqa: N803
            yield "one"
            await asyncio.sleep(0.1)
            yield "two"

    async with served(Streams(), rest_timeout=0.05) as service:
        response = await service.client.post("/predict", json=ND)
        events = [json.loads(line[6:])["strData"] for line in response.text.splitlines() if line]
        lines = service.registry.render().decode().splitlines()
    assert (response.status_code, events) == (200, ["one", "two"])
    assert any('code="200"' in line and "_count" in line for line in lines)
    assert not caplog.records
