"""Probes are answered while the model works: in time for a kubelet, and before what is being worked on."""

import http.client
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .serving import DEADLINE, get, running, until

KUBELET_TIMEOUT = 1.0  # of a probe that does not say otherwise
PROBES = ("/live", "/ready", "/health/ping", "/v2/health/live", "/v2/health/ready")

# Each works until the file is there, and looks for it seldom.
WORKS = """
import hashlib, os, time

class MyModel:
    def predict(self, X, names):
        open("working", "w").close()
        work = getattr(self, X)
        while not os.path.exists("enough"):
            work()
        return X

    def loops(self):
        number = 0
        for i in range(2_000_000):
            number += i * i

    def sleeps(self):
        time.sleep(0.5)

    def counts_in_c(self):
        hashlib.pbkdf2_hmac("sha256", b"x", b"y", 500_000)

    def holds_the_lock(self):
        sum(range(2_000_000))
"""


def probe(url: str, path: str) -> None:
    """Ask as a kubelet does: on a connection of its own, and with little patience."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=KUBELET_TIMEOUT)
    try:
        connection.request("GET", path, headers={"User-Agent": "kube-probe/1.35"})
        assert connection.getresponse().status == 200
    finally:
        connection.close()


class Asked:
    """A request that another thread waits for."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self.answer: Any = None
        self._ask = ask
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.answer = self._ask()

    def wait(self) -> Any:
        self._thread.join(DEADLINE)
        return self.answer


@pytest.mark.parametrize("work", ["loops", "sleeps", "counts_in_c", "holds_the_lock"])
def test_while_a_prediction_is_made(tmp_path: Path, work: str) -> None:
    with running(tmp_path, WORKS) as service:
        asked = Asked(lambda: get(service.http + "/predict", {"strData": work}))
        until((tmp_path / "working").exists)
        for path in PROBES * 3:
            probe(service.http, path)
            assert get(service.metrics)[0] == 200
            assert asked.answer is None
        (tmp_path / "enough").touch()
        assert asked.wait() == (200, f'{{"meta":{{}},"strData":"{work}"}}\n')
        assert service.stop() == 0


ECHO = """
class MyModel:
    def predict(self, X, names):
        return X[:1]
"""


def test_while_a_large_message_is_read(tmp_path: Path) -> None:
    """Ten rows of 10 MB each: JSON is decoded beside the event loop, so probes go ahead of the answer."""
    row = b"[" + b",".join(b"%.17g" % (number / 7) for number in range(600_000)) + b"]"
    body = b'{"data":{"ndarray":[' + b",".join([row] * 10) + b"]}}"
    assert len(body) > 100_000_000
    with running(tmp_path, ECHO) as service:

        def ask() -> int:
            port = int(service.http.rpartition(":")[2])
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            sent.set()
            response = connection.getresponse()
            answered.append(time.monotonic())
            assert len(response.read()) > 10_000_000
            connection.close()
            return response.status

        sent, answered = threading.Event(), list[float]()
        asked = Asked(ask)
        assert sent.wait(DEADLINE)
        probed: list[float] = []
        while not answered:
            assert get(service.http + "/live")[0] == 200
            probed.append(time.monotonic())
        assert asked.wait() == 200
        assert sum(moment < answered[0] for moment in probed) >= 5
        assert service.stop() == 0
