"""A worker is replaced while callers are in the middle of something: no part of a request and no count is lost."""

import contextlib
import json
import socket
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from .serving import DEADLINE, Process, get, running, until

ND = {"data": {"ndarray": [[1, 2]]}}
SAYS_WHO = """
import os
from seldon_core.metrics import create_counter, create_gauge

class MyModel:
    def predict(self, X, names):
        return {"pid": os.getpid()}
    def metrics(self):
        return [create_counter("answers", 1), create_gauge("mine", os.getpid())]
"""
BODY = json.dumps(ND).encode()
REQUEST = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)


def pid_of(body: Any) -> int:
    found = json.loads(body)["jsonData"]["pid"]
    assert isinstance(found, int)
    return found


def ask(service: Process) -> int:
    """Who answers a request on a connection of its own."""
    status, body = get(service.http + "/predict", ND)
    assert status == 200, body
    return pid_of(body)


def shown(service: Process, metric: str) -> list[float]:
    """The values of all series of a metric."""
    lines = get(service.metrics)[1].splitlines()
    return [float(line.rpartition(" ")[2]) for line in lines if line.startswith(metric + "{")]


class Caller:
    """A connection on which a request is sent in parts."""

    def __init__(self, url: str) -> None:
        self.port = int(url.rpartition(":")[2])
        self.sock = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)

    def send(self, data: bytes) -> None:
        """Send a part, and wait until a worker has read it."""
        self.sock.sendall(data)
        until(lambda: self._unread() == 0)

    def answer(self) -> HTTPResponse:
        response = HTTPResponse(self.sock)
        response.begin()
        return response

    def _unread(self) -> int:
        """Bytes that wait in the socket of the other end, as the kernel says."""
        ends = f":{self.port:04X}", f":{self.sock.getsockname()[1]:04X}"
        for name in ("tcp", "tcp6"):
            for line in Path(f"/proc/net/{name}").read_text().splitlines():
                fields = line.split()
                if fields[1].endswith(ends[0]) and fields[2].endswith(ends[1]):
                    return int(fields[4].partition(":")[2], 16)
        raise AssertionError("the connection is not there")


@contextlib.contextmanager
def calling(url: str) -> Iterator[Caller]:
    caller = Caller(url)
    with caller.sock:
        caller.sock.sendall(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n")
        assert caller.answer().read() == b"ok"  # it is with a worker now
        yield caller


@pytest.mark.parametrize("cut", [2, 4, 10, 40, len(REQUEST) - 1])
def test_a_request_of_which_a_part_was_read_is_answered(tmp_path: Path, cut: int) -> None:
    with running(tmp_path, SAYS_WHO, "--max-requests", "3") as service:
        first = ask(service)
        with calling(service.http) as caller:
            caller.send(REQUEST[:cut])
            until(lambda: ask(service) != first)
            caller.send(REQUEST[cut:])
            response = caller.answer()
            assert (response.status, pid_of(response.read())) == (200, first)
        assert service.stop() == 0


def test_a_worker_that_cannot_be_replaced_yet_goes_on(tmp_path: Path) -> None:
    """There are places for as many that are on their way out as there are workers."""
    with running(tmp_path, SAYS_WHO, "--max-requests", "2") as service:
        first = ask(service)
        with calling(service.http) as one:
            one.send(b"PO")
            until(lambda: ask(service) != first)
            with calling(service.http) as other:
                other.send(b"PO")
                second = ask(service)
                assert {ask(service) for _ in range(10)} == {second}, "both places are taken"
                for caller, pid in ((one, first), (other, second)):
                    caller.send(REQUEST[2:])
                    assert pid_of(caller.answer().read()) == pid
            until(lambda: ask(service) not in (first, second))
        assert service.stop() == 0


def test_gauges_end_with_their_worker_and_counters_stay(tmp_path: Path) -> None:
    with running(tmp_path, SAYS_WHO, "--max-requests", "3") as service:
        answered_by = [ask(service)]
        first = answered_by[0]
        assert shown(service, "mine") == [first]
        while answered_by[-1] == first:
            answered_by.append(ask(service))
        until(lambda: shown(service, "mine") == [answered_by[-1]])
        assert shown(service, "answers_total") == [len(answered_by)]
        assert service.stop() == 0
