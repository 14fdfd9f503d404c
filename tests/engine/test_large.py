"""Large messages, which graphs of several nodes look into, hold nobody else up."""

import asyncio
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from seldon_core.engine import dialects, orchestrator, run
from seldon_core.engine.run import HEAVY_BYTES, HEAVY_ENCODED_BYTES
from seldon_core.protocols import graph_messages
from tests.engine.graphs import FEEDBACK, PREDICTIONS, ask, components, get, info, n, place, post, says
from tests.engine.test_rest import codes
from tests.http_peers import until

X = {"strData": "x"}
LARGE = {"strData": "x" * HEAVY_BYTES}
BOMB = gzip.compress(bytes(50_000_000))


class Gate:
    """Holds a function up until the test opens it, and knows in which thread that was."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._open = threading.Event()
        self.threads: list[threading.Thread] = []

    def __call__(self, *args: Any, **named: Any) -> Any:
        self.threads.append(threading.current_thread())
        if self.threads[-1] is not threading.main_thread():
            self._open.wait(60)
        return self._function(*args, **named)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any, str], Gate]]:
    """Put gates before functions; they are opened at the end in any case."""
    gates: list[Gate] = []

    def put(place: Any, name: str) -> Gate:
        gates.append(Gate(getattr(place, name)))
        monkeypatch.setattr(place, name, gates[-1])
        return gates[-1]

    yield put
    for gate in gates:
        gate.open()


CHAIN = n("a", "MODEL", n("b"))
FAN_OUT = n("c", "COMBINER", n("a"), n("b"))
AVERAGE = n("c", "COMBINER", n("a"), n("b"), implementation="AVERAGE_COMBINER")


@pytest.mark.parametrize(
    ("graph", "where", "name", "request_", "answer"),
    [
        pytest.param(CHAIN, run, "decoded", post(PREDICTIONS, LARGE), X, id="large request"),
        pytest.param(CHAIN, dialects, "with_merged_meta", post(PREDICTIONS, X), LARGE, id="large answers"),
        pytest.param(FAN_OUT, graph_messages, "join", post(PREDICTIONS, X), LARGE, id="join of large answers"),
        pytest.param(
            CHAIN, run, "decoded", post(PREDICTIONS, BOMB, "content-encoding: gzip"),
            X, id="compressed request",
        ),
        pytest.param(CHAIN, orchestrator, "_recorded_routing", post(FEEDBACK, LARGE), X, id="large feedback"),
    ],
)  # fmt: skip
async def test_others_are_served_while_a_large_message_is_worked_on(
    run_engine, gate, graph: dict[str, Any], where: Any, name: str, request_: bytes, answer: Any
) -> None:
    held = gate(where, name)
    async with (
        components(a=says(answer), b=says(answer), c=says(answer)) as peers,
        run_engine(place(graph, peers)) as engine,
    ):
        answering = asyncio.ensure_future(ask(engine, request_))
        await until(lambda: any(thread is not threading.main_thread() for thread in held.threads))
        for _ in range(3):
            assert (await ask(engine, get("/live"))).status == 200
        assert not answering.done()
        held.open()
        assert (await answering).status in (200, 400)
        assert len(engine._orchestrator.deadlines) == 0


async def test_a_large_message_goes_through_every_kind_of_node(run_engine) -> None:
    numbers = {"data": {"ndarray": [[1.0] * 100_000]}}
    async with (
        components(a=says(numbers), b=says({"data": {"ndarray": [[3.0] * 100_000]}})) as peers,
        run_engine(place(n("c", "COMBINER", *AVERAGE["children"], implementation="AVERAGE_COMBINER"), peers)) as engine,
    ):
        response = await ask(engine, post(PREDICTIONS, LARGE))
        assert response.status == 200
        assert json.loads(response.body)["data"]["ndarray"] == [[2.0] * 100_000]
        assert await codes(engine) == {"200": 1}


async def test_small_messages_are_worked_on_at_once(run_engine, gate) -> None:
    held = gate(run, "decoded")
    async with components(a=says(X), b=says(X)) as peers, run_engine(place(CHAIN, peers)) as engine:
        assert (await ask(engine, post(PREDICTIONS, X))).status == 200
    assert set(held.threads) == {threading.main_thread()}


async def test_a_caller_that_goes_away_while_its_message_is_worked_on(run_engine, connect, gate) -> None:
    held = gate(run, "decoded")
    async with components(a=says(X), b=says(X)) as peers, run_engine(place(CHAIN, peers)) as engine:
        client = await connect(engine.http_port)
        await client.send(post(PREDICTIONS, LARGE))
        await until(lambda: bool(held.threads))
        client.close()
        await until(lambda: not engine._server.connections)
        held.open()
        assert await codes(engine) == {"499": 1}
        assert (await ask(engine, post(PREDICTIONS, X))).status == 200
        assert [len(peer.heads) for peer in peers.values()] == [1, 1]  # nobody was asked for the caller that left


async def test_the_deadline_includes_work_on_messages(run_engine, gate) -> None:
    held = gate(run, "decoded")
    async with (
        components(a=says(X), b=says(X)) as peers,
        run_engine(place(CHAIN, peers), annotations={"seldon.io/rest-timeout": "50"}) as engine,
    ):
        response = await ask(engine, post(PREDICTIONS, LARGE))
        assert (response.status, response.headers["seldon-failed-node"]) == (500, "a")
        assert "no answer within 0.05 s" in info(response)
        held.open()


async def test_a_failure_on_a_large_message_is_answered(run_engine, monkeypatch, caplog) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(run, "decoded", fail)
    async with components(a=says(X), b=says(X)) as peers, run_engine(place(CHAIN, peers)) as engine:
        for message in (X, LARGE):
            response = await ask(engine, post(PREDICTIONS, message))
            assert (response.status, info(response)) == (500, "internal error")
        assert await codes(engine) == {"500": 2}
        assert len(engine._orchestrator.deadlines) == 0
    assert "ZeroDivisionError" in caplog.text


async def test_what_decodes_to_too_much_is_refused(run_engine) -> None:
    annotations = {"seldon.io/rest-max-body-size": "100000"}
    async with (
        components(a=says(X), b=says(X)) as peers,
        run_engine(place(CHAIN, peers), annotations=annotations) as engine,
    ):
        assert HEAVY_ENCODED_BYTES < len(BOMB) < 100_000
        response = await ask(engine, post(PREDICTIONS, BOMB, "content-encoding: gzip"))
        assert (response.status, info(response)) == (400, "the body decodes to more than 100000 bytes")
