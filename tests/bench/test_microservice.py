"""The wrapper's benchmark: its messages tell right answers from wrong ones, and it runs from end to end."""

import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from bench.microservice import __main__ as bench
from bench.microservice import messages, peers
from bench.microservice.servers import MODEL, OURS, PROTOCOLS, Server
from hack.console import Failure
from hack.environments import Environment

RIGHT, WRONG = [2.0, 4.0], [2.0, 5.0]


def v2_answer(numbers: object) -> bytes:
    return json.dumps({"outputs": [{"name": "y", "data": numbers}]}).encode()


@pytest.mark.parametrize(("numbers", "expected"), [(RIGHT, True), (WRONG, False)])
def test_an_answer_is_right_when_the_numbers_are_doubled(numbers: list[float], expected: bool) -> None:
    seldon = messages.seldon("m", [[1.0, 2.0]])
    assert seldon.is_answered_by({}, json.dumps({"data": {"ndarray": [numbers]}}).encode()) is expected
    v2 = messages.v2("m", [[1.0, 2.0]])
    assert v2.is_answered_by({}, v2_answer(numbers)) is expected
    assert v2.is_answered_by({}, v2_answer([numbers])) is expected
    binary = messages.v2_binary("m", [1.0, 2.0])
    raw = struct.pack("<2d", *numbers)
    assert binary.is_answered_by({"inference-header-content-length": "2"}, b"{}" + raw) is expected


def test_a_binary_message_says_where_its_numbers_begin() -> None:
    message = messages.v2_binary("m", [1.0, 2.0])
    length = int(message.headers["Inference-Header-Content-Length"])
    head, raw = json.loads(message.body[:length]), message.body[length:]
    assert head["inputs"][0]["parameters"]["binary_data_size"] == len(raw) == 16


def test_an_answer_without_a_binary_part_is_not_right() -> None:
    assert not messages.v2_binary("m", [1.0]).is_answered_by({}, v2_answer([2.0]))


def test_a_peer_that_cannot_be_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(environment: Environment) -> None:
        if environment.name == "kserve":
            raise Failure("installing into kserve failed with exit code 1\nand more")

    monkeypatch.setattr(Environment, "make", fail)
    assert peers.make_peers() == {"kserve": "installing into kserve failed with exit code 1"}


def test_every_server_speaks_something_and_is_pinned() -> None:
    assert PROTOCOLS.keys() == {OURS, *peers.PEERS}
    assert all(any("==" in text for text in environment.requirements) for environment in peers.PEERS.values())


def test_the_wrapper_is_measured(tmp_path: Path) -> None:
    with Server(OURS, tmp_path) as server:
        assert server.start_seconds > 0
        assert server.resident_bytes() > 10_000_000
        before = server.cpu_seconds()
        assert before > 0
        small, large = bench._messages()
        ours = [message for message in (*small, *large) if message.protocol in PROTOCOLS[OURS]]
        assert {bench._refusal(server, message) for message in ours} == {""}
        assert server.cpu_seconds() >= before
        wrong = messages.Message("m", "seldon", "/predict", messages.JSON, small[0].body, lambda *_: False)
        assert bench._refusal(server, wrong) == "answers other numbers"
        absent = messages.Message("m", "seldon", "/absent", messages.JSON, b"{}", lambda *_: True)
        assert bench._refusal(server, absent) == "answers 404"


def test_a_server_that_does_not_start_is_reported_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.microservice.servers.MODEL", "Absent")
    with pytest.raises(RuntimeError, match=r"(?s)did not become ready:.*Absent"), Server(OURS, tmp_path):
        pass


@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk (apt-get install wrk)")
def test_a_run_prints_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    wrk = shutil.which("wrk")
    assert wrk is not None
    small, large = bench._messages()
    bench._print({OURS: bench._measure(wrk, OURS, small, large, 1)}, small, large, bench._alone(large[0], 0.1))
    printed = capsys.readouterr().out
    for message in (message for message in (*small, *large) if message.protocol in PROTOCOLS[OURS]):
        assert f"\n{message.name:<20}{1:>11}  {OURS}" in printed
    assert "the wrapper takes" in printed


def test_a_length_that_makes_no_sense_is_refused() -> None:
    command = [sys.executable, "-m", "bench.microservice", "--seconds", "0"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 2
    assert result.stderr.endswith("error: --seconds must be above 0\n")


def test_the_models_are_of_the_same_name() -> None:
    for model in Path(messages.__file__).parent.joinpath("models").glob("*.py"):
        assert f"class {MODEL}" in model.read_text()
