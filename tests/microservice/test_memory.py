"""Memory that was freed serves the next large message."""

import http.client
import json
from pathlib import Path

import pytest

from .serving import DEADLINE, running

MODEL = "class MyModel:\n    def predict(self, X, names):\n        return X * 2\n"
PAGES = 256  # of a megabyte


def faults_per_message(pid: int, port: int) -> float:
    """How often the kernel has to find the process a page while it answers a message of a megabyte."""
    body = json.dumps({"data": {"ndarray": [[0.123456789012345] * 100] * 600}})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)

    def faults() -> int:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])

    def ask(times: int) -> None:
        for _ in range(times):
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            assert connection.getresponse().read()

    try:
        ask(10)
        before = faults()
        ask(20)
        return (faults() - before) / 20
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("environment", "kept"),
    [
        pytest.param({}, True, id="kept"),
        pytest.param({"MALLOC_TRIM_THRESHOLD_": "131072"}, False, id="the environment decides"),
    ],
)
def test_large_messages_find_the_memory_of_those_before(
    tmp_path: Path, environment: dict[str, str], kept: bool
) -> None:
    with running(tmp_path, MODEL, **environment) as service:
        faults = faults_per_message(service.child.pid, int(service.http.rpartition(":")[2]))
    assert (faults < PAGES) == kept, faults
