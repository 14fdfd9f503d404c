"""A line for each request, and nothing in it that may be secret."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seldon_core.engine.access_log import MAX_LINES, AccessLog
from seldon_core.transport.heads import RequestHead, RequestLine
from seldon_core.transport.http_server import Reply, Request
from tests.engine.graphs import components, get, n, place, post, silent
from tests.engine.test_acceptance import echo
from tests.http_peers import until


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """Everything that the engine has written to its standard output, line by line."""
    written: list[str] = []

    def read() -> list[dict[str, Any]]:
        written.append(capfd.readouterr().out)
        return [json.loads(line) for line in "".join(written).splitlines()]

    return read


async def test_a_request_leaves_a_line(run_engine, connect, log) -> None:
    async with components(m=echo) as peers, run_engine(place(n("m"), peers), "--access_log") as engine:
        client = await connect(engine.http_port)
        await client.ask(
            post("/api/v1.0/predictions?token=secret", {}, "seldon-puid: p", "authorization: Bearer secret")
        )
        await until(lambda: len(log()) == 1)
    (line,) = log()
    assert line.pop("time").endswith("+00:00")
    assert 0 < line.pop("seconds") < 60
    assert line == {
        "method": "POST",
        "path": "/api/v1.0/predictions",
        "status": 200,
        "request_bytes": 2,
        "response_bytes": 2,
        "puid": "p",
    }


async def test_every_outcome_leaves_one(run_engine, connect, log) -> None:
    async with components(m=silent) as peers, run_engine(place(n("m"), peers), environ={"SELDON_ACCESS_LOG": "1"}) as e:
        client = await connect(e.http_port)
        await client.ask(get("/" + "x" * 1000))
        await client.send(post("/api/v1.0/predictions", {}))
        await until(lambda: len(peers["m"].heads) == 1)
        client.close()
        await until(lambda: not peers["m"].open)
        client = await connect(e.http_port)
        await client.ask(post("/api/v1.0/predictions", {}, "x-envoy-expected-rq-timeout-ms: 1"))
    lines = log()
    assert [(line["status"], line.get("failed_node")) for line in lines] == [(404, None), (499, None), (500, "m")]
    assert len(lines[0]["path"]) == 500


async def test_nothing_is_written_unless_asked_for(run_engine, connect, log) -> None:
    async with components(m=echo) as peers, run_engine(place(n("m"), peers)) as engine:
        await (await connect(engine.http_port)).ask(post("/api/v1.0/predictions", {}))
    assert log() == []


async def test_many_lines_do_not_wait(tmp_path: Path) -> None:
    class Nobody:
        write_paused = False

        def answer(self, *_: Any) -> None: ...

    path = tmp_path / "log"
    with path.open("wb") as file:
        handle = AccessLog(file.fileno()).logged(lambda _, reply: reply.send(200, (), b""))
        for _ in range(MAX_LINES):
            assert path.stat().st_size == 0
            handle(Request(RequestHead(RequestLine("GET", b"/"))), Reply(Nobody()))  # type: ignore[arg-type]
        assert len(path.read_bytes().splitlines()) == MAX_LINES
