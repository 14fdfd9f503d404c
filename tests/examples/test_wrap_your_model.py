"""The page "Wrap your model": its files are those of the example, and what it does on one machine works."""

import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "wrap-your-model.md"
EXAMPLE = ROOT / "examples" / "iris"


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that it shows, its text, and the section that it stands in."""

    language: str
    title: str
    text: str
    section: str


def blocks() -> list[Block]:
    """The fenced blocks of the page, in order."""
    found = []
    section = ""
    heading = r"^## (?P<section>[^\n]+)$"
    fence = r'^```(?P<language>\w+)(?: title="(?P<title>[^"\n]+)")?\n(?P<text>.*?)^```$'
    pattern = re.compile(f"{heading}|{fence}", re.MULTILINE | re.DOTALL)
    for match in pattern.finditer(PAGE.read_text()):
        section = match["section"] or section
        if match["language"]:
            found.append(Block(match["language"], match["title"] or "", match["text"], section))
    return found


SHOWN = [block for block in blocks() if block.title]


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.title)
def test_a_file_that_the_page_shows_is_the_file_of_the_example(block: Block) -> None:
    assert block.text == (EXAMPLE / block.title).read_text()


def test_the_page_shows_every_file_that_it_is_about() -> None:
    assert {block.title for block in SHOWN} == {"train.py", "IrisClassifier.py", "Dockerfile", "seldon-deployment.yaml"}


def free_ports() -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def test_the_commands_for_one_machine_do_what_the_page_says(tmp_path: Path) -> None:
    shutil.copytree(
        EXAMPLE, tmp_path / "examples" / "iris", ignore=shutil.ignore_patterns("model.joblib", "__pycache__")
    )
    local = [block for block in blocks() if not block.section.startswith(("3.", "4.", "The", "What"))]
    script = "".join(block.text for block in local if block.language == "bash")
    http, metrics = free_ports()
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": http,
        "PREDICTIVE_UNIT_METRICS_SERVICE_PORT": metrics,
    }
    done = subprocess.run(
        ["bash", "-eu"], input=script.replace("localhost:9000", f"localhost:{http}"), text=True,
        cwd=tmp_path, env=environment, capture_output=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    expected = [json.loads(block.text) for block in local if block.language == "json"]
    assert len(answers) == len(expected) == 2
    assert all(same(answer, shown) for answer, shown in zip(answers, expected, strict=True)), done.stdout
    assert "SIGTERM: finishing the requests in flight" in done.stderr


def same(one: Any, other: Any) -> bool:
    """Equal, but for the last digits of numbers, which differ between processors."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def test_the_class_in_the_contract_works() -> None:
    from ..microservice.serving import ask

    [source] = [block.text for block in blocks() if block.language == "python" and not block.title]
    namespace: dict[str, Any] = {}
    exec(compile(source, str(PAGE), "exec"), namespace)
    status, answer = ask(namespace["Example"](), {"data": {"ndarray": [[1, 2, 3, 4]]}})
    assert status == 200
    assert answer["data"]["ndarray"] == [10]
    assert answer["meta"]["tags"] == {"rows": 1}
    assert [metric["key"] for metric in answer["meta"]["metrics"]] == ["predictions", "lookup_milliseconds", "rows"]
    assert ask(namespace["Example"](), {"data": {"ndarray": [[1]]}})[0] == 400
