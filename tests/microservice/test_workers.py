"""Several workers behind one port: shares, deaths, replacement, counters."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from seldon_core.microservice import supervisor

from .serving import DEADLINE, GATED, Process, asking, get, process, running, until

ND = {"data": {"ndarray": [[1, 2]]}}

SAYS_WHO = """
import os, time
from seldon_core.metrics import create_counter, create_gauge, create_timer

class MyModel:
    def __init__(self):
        self.made_in = os.getpid()
    def load(self):
        self.loaded_in = os.getpid()
    def predict(self, X, names):
        return {"pid": os.getpid(), "made_in": self.made_in, "loaded_in": self.loaded_in}
    def metrics(self):
        return [create_counter("answers", 1), create_gauge("mine", os.getpid()), create_timer("took", 1)]
"""


async def ask(url: str, times: int, side_by_side: int) -> list[Any]:
    """What so many requests are answered, over as many connections as are asked side by side; None for a failure."""
    answers: list[Any] = []

    async def caller(client: httpx.AsyncClient) -> None:
        while len(started) < times:
            started.append(1)
            try:
                response = await client.post(url + "/predict", json=ND)
            except httpx.TransportError:
                answers.append(None)
                continue
            assert response.status_code == 200, response.text
            answers.append(response.json()["jsonData"])

    started: list[int] = []
    limits = httpx.Limits(max_connections=1)
    async with asyncio.TaskGroup() as group:
        for _ in range(side_by_side):
            client = httpx.AsyncClient(timeout=DEADLINE, trust_env=False, limits=limits)
            task = group.create_task(caller(client))
            task.add_done_callback(lambda _, client=client: closing.append(client))
        closing: list[httpx.AsyncClient] = []
    for client in closing:
        await client.aclose()
    return answers


def counted(service: Process, name: str) -> list[float]:
    lines = get(service.metrics)[1].splitlines()
    return [float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)]


async def test_each_worker_gets_its_share(tmp_path: Path) -> None:
    with running(tmp_path, SAYS_WHO, "--workers", "4") as service:
        answers = await ask(service.http, 400, 16)
        shares = Counter(answer["pid"] for answer in answers)
        assert len(shares) == 4
        # Connections are shared out evenly; how fast each one asks is the business of the clients of this test.
        one_by_one = Counter(json.loads(get(service.http + "/predict", ND)[1])["jsonData"]["pid"] for _ in range(40))
        assert set(one_by_one) == set(shares)
        assert all(6 <= count <= 14 for count in one_by_one.values()), one_by_one
        assert {answer["made_in"] for answer in answers}.isdisjoint(shares), "it was made once, before the fork"
        assert all(answer["loaded_in"] == answer["pid"] for answer in answers)
        assert counted(service, "answers_total{") == [440.0]
        assert counted(service, "took_count{") == [440.0]
        assert sorted(counted(service, "mine{")) == sorted(map(float, shares)), "each shows a gauge of its own"
        assert counted(service, "seldon_microservice_requests_seconds_count{") == [440.0]
        assert get(service.http + "/ready")[0] == 200
        assert service.stop() == 0


def test_kept_connections_are_shared_out_evenly(tmp_path: Path) -> None:
    with running(tmp_path, SAYS_WHO, "--workers", "4") as service, contextlib.ExitStack() as kept:
        port = int(service.http.rpartition(":")[2])
        connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE) for _ in range(32)]
        shares: Counter[int] = Counter()
        for connection in connections:
            kept.callback(connection.close)
        for _ in range(10):
            for connection in connections:
                connection.request("POST", "/predict", json.dumps(ND), {"Content-Type": "application/json"})
                shares[json.loads(connection.getresponse().read())["jsonData"]["pid"]] += 1
        assert len(shares) == 4
        assert all(abs(count / 320 - 0.25) <= 0.1 * 0.25 for count in shares.values()), shares


async def test_one_that_is_killed_is_replaced_and_fails_its_own_requests_alone(tmp_path: Path) -> None:
    with running(tmp_path, SAYS_WHO, "--workers", "4") as service:
        victim = json.loads(get(service.http + "/predict", ND)[1])["jsonData"]["pid"]
        load = asyncio.create_task(ask(service.http, 1500, 8))
        await asyncio.to_thread(until, lambda: counted(service, "answers_total{")[0] > 100)
        os.kill(victim, signal.SIGKILL)
        answers = await load
        failed = answers.count(None)
        assert failed <= 2, "no more than its own connections"
        await asyncio.to_thread(service.wait_for_line, f"worker {victim} was killed by SIGKILL")
        await asyncio.to_thread(service.wait_for_line, r"worker \d+ is ready")
        pids = {answer["pid"] for answer in await ask(service.http, 40, 8)}
        assert len(pids) == 4
        assert victim not in pids
        [total] = counted(service, "answers_total{")
        assert 1541 - failed <= total <= 1541, "what the dead one has counted is still there"
        assert float(victim) not in counted(service, "mine{")
        assert service.stop() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_replacing_workers_loses_no_request(tmp_path: Path, workers: str) -> None:
    with running(
        tmp_path, SAYS_WHO, "--workers", workers, "--max-requests", "60", "--max-requests-jitter", "20"
    ) as service:
        answers = await ask(service.http, 1000, 6)
        assert None not in answers
        assert len({answer["pid"] for answer in answers}) > 4
        assert counted(service, "answers_total{") == [1000.0]
        assert counted(service, "seldon_microservice_requests_seconds_count{") == [1000.0]
        assert service.stop() == 0
    assert "died" not in service.log()


DIES = """
import os, signal

class MyModel:
    def predict(self, X, names):
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_three_deaths_within_a_minute_end_the_service(tmp_path: Path) -> None:
    with running(tmp_path, DIES, "--workers", "2") as service:

        def kill() -> None:
            while service.child.poll() is None:
                with contextlib.suppress(OSError):
                    get(service.http + "/predict", ND)

        caller = threading.Thread(target=kill)
        caller.start()
        assert service.wait() == 1
        caller.join()
        message = (tmp_path / "termination-log").read_text()
    assert message.startswith("3 workers died within 60 s, the last one: worker ")
    assert message.endswith("was killed by SIGKILL (out of memory?)")


@pytest.mark.parametrize(
    ("source", "code", "message"),
    [
        pytest.param(
            "class MyModel:\n    def load(self):\n        raise ValueError('no file')", 1,
            "MyModel.load() failed: ValueError: no file (MyModel.py, line 3)", id="load",
        ),
        pytest.param(
            "class MyModel:\n    def __init__(self):\n        raise ValueError('no')", 1,
            "MyModel() failed: ValueError: no (MyModel.py, line 3)", id="constructor",
        ),
        pytest.param("import os\nos._exit(3)", 1, "the process that makes the workers has ended", id="exit"),
        pytest.param("class Other:\n    pass", 2, "MyModel: the module MyModel has no class MyModel", id="no-class"),
    ],
)  # fmt: skip
def test_a_start_that_fails_says_why(tmp_path: Path, source: str, code: int, message: str) -> None:
    (tmp_path / "MyModel.py").write_text(source)
    with process(tmp_path, "MyModel", "--workers", "2") as service:
        assert service.wait() == code
    assert (tmp_path / "termination-log").read_text().startswith(message)


def test_a_worker_that_has_ended_need_not_be_killed() -> None:
    """As one whose load failed, when all is over because of it."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    supervisor._kill(child.pid)


def test_each_worker_may_make_an_object_of_its_own(tmp_path: Path) -> None:
    with running(tmp_path, SAYS_WHO, "--workers", "2", SELDON_CONSTRUCT_IN_WORKER="true") as service:
        for _ in range(4):
            answer = json.loads(get(service.http + "/predict", ND)[1])["jsonData"]
            assert answer["made_in"] == answer["pid"]
        assert service.stop() == 0


def test_it_is_ready_when_all_are_and_finishes_what_it_is_doing(tmp_path: Path) -> None:
    with running(tmp_path, GATED, "--workers", "2", ready=False) as service:
        assert get(service.http + "/live")[0] == 200
        assert get(service.http + "/ready")[0] == 503
        assert get(service.http + "/predict", ND)[0] == 503
        (tmp_path / "load").touch()
        until(lambda: get(service.http + "/ready")[0] == 200)
        with asking(service, tmp_path, 3) as answers:
            service.child.send_signal(signal.SIGTERM)
            service.wait_for_line("SIGTERM: finishing the requests in flight")
            (tmp_path / "predict").touch()
        assert service.wait() == 0
    assert answers == [200, 200, 200]


def test_while_it_loads_it_can_be_stopped(tmp_path: Path) -> None:
    with running(tmp_path, GATED, "--workers", "2", ready=False) as service:
        service.child.send_signal(signal.SIGTERM)
        assert service.wait() == 0
