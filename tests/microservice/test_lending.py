"""A connection that asks alone is read and answered by the model's thread; its caller cannot tell, but by the time."""

import asyncio
import gc
import json
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from seldon_core.microservice.contract import SeldonResponse
from seldon_core.transport import server_handover
from seldon_core.transport.server_connection import ServerConnection
from tests.http_peers import PATIENCE, RawClient, connect, until

from .serving import Served, get, running, served

__all__ = ["connect"]

Connect = Callable[[int], Awaitable[RawClient]]
ND = {"data": {"ndarray": [[1, 2]]}}
V2 = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}]}


def post(path: str, message: Any, *headers: bytes) -> bytes:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return b"\r\n".join([b"POST %b HTTP/1.1" % path.encode(), b"content-length: %d" % len(body), *headers, b"", body])


PREDICT = post("/predict", ND)


class Model:
    """Does whatever a request asks for, on whichever thread it is called."""

    def __init__(self) -> None:
        self.threads: set[int] = set()
        self.gate = threading.Event()
        self.waiting = threading.Event()

    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        self.threads.add(threading.get_ident())
        if isinstance(X, str):
            return getattr(self, X)()
        return X

    def wait(self) -> str:
        self.waiting.set()
        assert self.gate.wait(PATIENCE)
        return "waited"

    def fail(self) -> None:
        raise RuntimeError("no")

    def leave(self) -> None:
        raise SystemExit(3)

    def count(self) -> Any:
        return SeldonResponse("counted", metrics=[{"type": "COUNTER", "key": "mine", "value": 2}])

    def stream(self) -> Iterator[str]:
        yield "one"
        yield "two"

    async def promise(self) -> str:
        await asyncio.sleep(0)
        return "kept"

    async def astream(self) -> AsyncIterator[str]:
        yield "one"

    def large(self) -> str:
        return "x" * 200_000

    def send_feedback(self, features: Any, names: Any, reward: float, truth: Any) -> None:
        pass


def says(word: str, *headers: bytes) -> bytes:
    return post("/predict", {"strData": word}, *headers)


REQUESTS = {
    "seldon": PREDICT,
    "V2": post("/v2/models/Model/infer", V2),
    "TensorFlow": post("/v1/models/Model:predict", {"instances": [[1, 2]]}),
    "an error of the model": says("fail"),
    "an exit of the model": says("leave"),
    "bad JSON": post("/predict", b"{"),
    "no body": post("/predict", b""),
    "another type": post("/predict", ND, b"content-type: text/plain"),
    "a metric": says("count"),
    "a stream": says("stream"),
    "a stream of coroutines": says("astream"),
    "a coroutine": says("promise"),
    "a large answer": says("large"),
    "feedback": post("/send-feedback", {"request": ND, "reward": 1.0}),
    "a path that is not there": post("/predictt", ND),
    "another model": post("/v2/models/Other/infer", V2),
    "a wrong method": b"DELETE /predict HTTP/1.1\r\nhost: a\r\n\r\n",
    "in the query": b'GET /predict?json={"strData":"stream"} HTTP/1.1\r\nhost: a\r\n\r\n',
    "metadata": b"GET /metadata HTTP/1.1\r\nhost: a\r\n\r\n",
    "health": b"GET /health/status HTTP/1.1\r\nhost: a\r\n\r\n",
    "its head": b"HEAD /health/status HTTP/1.1\r\nhost: a\r\n\r\n",
    "a probe": b"GET /ready HTTP/1.1\r\nhost: a\r\n\r\n",
    "CORS": b"OPTIONS /predict HTTP/1.1\r\nhost: a\r\n\r\n",
    "the last": post("/predict", ND, b"connection: close"),
}


@pytest.fixture(autouse=True)
def lend_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_handover, "LEND_AFTER", 1)
    monkeypatch.setattr(server_handover, "LEND_AGAIN_AFTER", 0)


def port_of(service: Served) -> int:
    port = service.client.base_url.port
    assert port is not None
    return port


async def lent(service: Served, connect: Connect) -> RawClient:
    """A connection that is lent."""
    client = await connect(port_of(service))
    assert (await client.ask(PREDICT)).status == 200
    await until(lambda: service.server.loan is not None)
    return client


def counted(service: Served) -> list[str]:
    """What the metrics say, but for times."""
    lines = service.registry.render().decode().splitlines()
    return sorted(line for line in lines if "_count" in line or "_total" in line)


async def test_a_connection_that_asks_alone_is_answered_by_the_models_thread(connect: Connect) -> None:
    model = Model()
    async with served(model) as service:
        client = await lent(service, connect)
        loan = service.server.loan
        for _ in range(20):
            assert json.loads((await client.ask(PREDICT)).body)["data"]["ndarray"] == [[1, 2]]
        assert service.server.loan is loan
        assert loan is not None
        assert loan.used
        assert len(model.threads) == 1
        assert 'requests_seconds_count{method="predict",code="200"} 21.0' in counted(service)


@pytest.mark.parametrize("kind", REQUESTS)
async def test_the_answer_to_every_request_is_the_same(connect: Connect, kind: str) -> None:
    async def ask(lend: bool) -> tuple[bytes, list[str]]:
        async with served(Model()) as service:
            if not lend:
                service.server.borrower = None
            client = await connect(port_of(service))
            assert (await client.ask(PREDICT)).status == 200
            if lend:
                await until(lambda: service.server.loan is not None)
            await client.send(REQUESTS[kind])
            received = await client.reader.read(1)  # it is being answered
            await client.send(post("/predict", ND, b"connection: close"))  # goes on behind it
            received += await client.rest()
            assert service.application.in_flight == 0
            return re.sub(rb'"puid":"[^"]*"', b"", received), counted(service)

    assert await ask(lend=True) == await ask(lend=False)


async def test_another_caller_takes_it_back(connect: Connect) -> None:
    async with served(Model()) as service:
        first = await lent(service, connect)
        second = await connect(port_of(service))
        for _ in range(5):
            answers = await asyncio.gather(first.ask(PREDICT), second.ask(PREDICT))
            assert [answer.status for answer in answers] == [200, 200]
        assert 'requests_seconds_count{method="predict",code="200"} 11.0' in counted(service)


async def test_everything_else_is_answered_while_the_model_works_on_a_lent_connection(connect: Connect) -> None:
    model = Model()
    async with served(model) as service:
        client = await lent(service, connect)
        await client.send(says("wait"))
        await until(model.waiting.is_set)
        for path in ("/live", "/ready", "/metadata"):
            assert (await service.client.get(path)).status_code == 200
        waiting = asyncio.ensure_future(service.client.post("/predict", json=ND))
        await until(lambda: service.application.in_flight == 1)
        model.gate.set()
        assert (await client.response()).status == 200
        assert (await waiting).status_code == 200


async def test_probes_on_it_are_answered_while_the_model_works_for_another(connect: Connect) -> None:
    model = Model()
    async with served(model) as service:
        client = await lent(service, connect)
        waiting = asyncio.ensure_future(service.client.post("/predict", json={"strData": "wait"}))
        await until(model.waiting.is_set)
        assert (await client.ask(REQUESTS["a probe"])).status == 200
        model.gate.set()
        assert (await waiting).status_code == 200


async def test_what_a_model_counts_is_right_whoever_asks_for_it(connect: Connect) -> None:
    """While new metrics and labels appear on the model's thread, they are rendered on another."""

    class Counting:
        def predict(self, X: Any, names: Any) -> Any:  # noqa: N803
            number = int(X[0][0])
            tags = {f"label{number % 7}": number}
            metrics = [
                {"type": kind, "key": f"{kind}_{number % 50}", "value": 1, "tags": tags}
                for kind in ("COUNTER", "GAUGE", "TIMER")
            ]
            return SeldonResponse(X, metrics=metrics)

    stopped = threading.Event()

    def scrape(service: Served) -> int:
        count = 0
        while not stopped.is_set():
            service.registry.render()
            count += 1
        return count

    async with served(Counting()) as service:
        client = await lent(service, connect)
        loan = service.server.loan
        scraping = asyncio.ensure_future(asyncio.to_thread(scrape, service))
        for number in range(1, 300):
            assert (await client.ask(post("/predict", {"data": {"ndarray": [[number]]}}))).status == 200
        assert service.server.loan is loan
        stopped.set()
        assert await scraping
        counters = [line for line in counted(service) if line.startswith("COUNTER_")]
        assert sum(float(line.rpartition(" ")[2]) for line in counters) == 300  # with the one before it was lent


async def test_probes_alone_are_answered_while_the_model_loads(connect: Connect) -> None:
    async with served(None) as service:
        client = await connect(port_of(service))
        for _ in range(3):
            assert (await client.ask(b"GET /live HTTP/1.1\r\nhost: a\r\n\r\n")).status == 200
        assert service.server.loan is None


def connections_kept() -> int:
    gc.collect()
    return sum(type(kept) is ServerConnection for kept in gc.get_objects())


async def test_nothing_is_kept_of_a_connection_that_has_ended(connect: Connect) -> None:
    async with served(Model()) as service:
        client = await lent(service, connect)
        client.close()
        await until(lambda: not service.server.connections)
        await until(lambda: not connections_kept())


async def test_a_caller_that_leaves_a_stream_ends_it(connect: Connect) -> None:
    closed = threading.Event()

    class Endless:
        def predict(self, X: Any, names: Any) -> Any:  # noqa: N803
            return self.numbers() if isinstance(X, str) else X

        def numbers(self) -> Iterator[str]:
            try:
                while True:
                    yield "x" * 1000
            finally:
                closed.set()

    async with served(Endless()) as service:
        client = await lent(service, connect)
        await client.send(says("numbers"))
        await client.reader.readuntil(b"data:")
        client.close()
        await until(closed.is_set)
        await until(lambda: service.application.in_flight == 0)


async def test_a_caller_that_leaves_cancels_a_coroutine(connect: Connect) -> None:
    cancelled = threading.Event()

    class Waiting:
        def predict(self, X: Any, names: Any) -> Any:  # noqa: N803
            return self.never() if isinstance(X, str) else X

        async def never(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

    async with served(Waiting()) as service:
        client = await lent(service, connect)
        await client.send(says("never"))
        await until(lambda: service.application.in_flight == 1)
        client.close()
        await until(cancelled.is_set)
        await until(lambda: service.application.in_flight == 0)


async def test_it_stays_while_a_coroutine_of_another_is_awaited(connect: Connect) -> None:
    """Its end needs the model's thread."""
    going_on = asyncio.Event()

    class Promising:
        def predict(self, X: Any, names: Any) -> Any:  # noqa: N803
            return self.promise() if isinstance(X, str) else X

        async def promise(self) -> str:
            await going_on.wait()
            return "kept"

    async with served(Promising()) as service:
        promised = asyncio.ensure_future(service.client.post("/predict", json={"strData": "promise"}))
        await until(lambda: service.application.in_flight == 1)
        client = await connect(port_of(service))
        for _ in range(3):
            assert (await client.ask(PREDICT)).status == 200
        going_on.set()
        assert (await promised).json()["strData"] == "kept"


@pytest.mark.parametrize("settings", [{"threads": 2}, {"batch": (2, 0.001)}, {"rest_timeout": 5.0}], ids=str)
async def test_it_stays_where_the_event_loop_is_needed(connect: Connect, settings: dict[str, Any]) -> None:
    async with served(Model(), **settings) as service:
        client = await connect(port_of(service))
        for _ in range(3):
            assert (await client.ask(PREDICT)).status == 200
        assert service.server.loan is None
        assert service.server.borrower is None


FORKING = """
import os, sys, time
class MyModel:
    def predict(self, X, names):
        if isinstance(X, str):
            child = os.fork()
            if not child:
                {leave}
            return str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        return X
"""


@pytest.mark.parametrize(
    ("leave", "code"),
    [
        ("return X", 0),
        ("sys.exit()", 0),
        ("sys.exit(7)", 7),
        ("sys.exit('no')", 1),
        ("raise ValueError('of the child')", 1),
        ("os._exit(3)", 3),
    ],
)
@pytest.mark.parametrize("requests", [1, 20], ids=["as it comes", "lent"])
async def test_a_process_that_the_model_forks_answers_nobody(
    tmp_path: Any, connect: Connect, leave: str, code: int, requests: int
) -> None:
    with running(tmp_path, FORKING.format(leave=leave)) as service:
        client = await connect(int(service.http.rpartition(":")[2]))
        for _ in range(requests):
            assert (await client.ask(PREDICT)).status == 200
        for _ in range(2):
            answer = await client.ask(says("fork"))
            assert (answer.status, json.loads(answer.body)["strData"]) == (200, str(code))
        assert await asyncio.to_thread(service.stop) == 0
        if "ValueError" in leave:
            assert "ValueError: of the child" in service.log()


async def test_a_process_stops_in_order_while_a_connection_is_lent(tmp_path: Any, connect: Connect) -> None:
    """With the numbers that are in force: some answers on a kept connection, then SIGTERM while one is made."""
    source = """
import os, time, traceback
class MyModel:
    def predict(self, X, names):
        if isinstance(X, str) and X == "who asks?":
            return str([frame.name for frame in traceback.extract_stack()])
        if isinstance(X, str):
            open("predicting", "w").close()
            while not os.path.exists("predict"):
                time.sleep(0.01)
        return X
"""
    with running(tmp_path, source) as service:
        client = await connect(int(service.http.rpartition(":")[2]))
        for _ in range(40):
            assert (await client.ask(PREDICT)).status == 200
        assert 'code="200"} 40.0' in get(service.metrics)[1]
        assert "_answer_on" in (await client.ask(says("who asks?"))).body.decode()
        await client.send(says("wait"))
        await until((tmp_path / "predicting").exists)
        service.child.terminate()
        await asyncio.to_thread(service.wait_for_line, "finishing the requests in flight")
        (tmp_path / "predict").touch()
        assert json.loads((await client.response()).body)["strData"] == "wait"
        assert await client.rest() == b""
        assert await asyncio.to_thread(service.wait) == 0
