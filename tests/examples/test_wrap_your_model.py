"""The page "Wrap your model": its files are those of the example, and what it does on one machine works."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .pages import PAGE, ROOT, Block, Page, free_ports, same

EXAMPLE = ROOT / "examples" / "iris"
# Words.py is an example by itself.
SHOWN = [block for block in Page.read(PAGE).blocks if block.title and block.title != "Words.py"]


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.title)
def test_a_file_that_the_page_shows_is_the_file_of_the_example(block: Block) -> None:
    assert block.text == (EXAMPLE / block.title).read_text()


def test_the_page_shows_every_file_that_it_is_about() -> None:
    assert {block.title for block in SHOWN} == {"train.py", "IrisClassifier.py", "Dockerfile", "seldon-deployment.yaml"}


def test_the_commands_for_one_machine_do_what_the_page_says(tmp_path: Path) -> None:
    shutil.copytree(
        EXAMPLE, tmp_path / "examples" / "iris", ignore=shutil.ignore_patterns("model.joblib", "__pycache__")
    )
    local = Page.read(PAGE).without("3.", "4.")
    script = local.commands("bash")
    http, metrics = free_ports(2)
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
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    expected = local.answers()
    assert len(answers) == len(expected) == 4
    assert all(same(answer, shown) for answer, shown in zip(answers, expected, strict=True)), done.stdout
    assert "1 SeldonDeployment: 0 errors, 0 warnings" in done.stdout
    assert "OK" in done.stderr, "the new model's test"
    assert "SIGTERM: finishing the requests in flight" in done.stderr


def test_the_class_in_the_contract_works() -> None:
    from ..microservice.serving import ask

    [source] = [block.text for block in Page.read(PAGE).blocks if "class Example" in block.text]
    namespace: dict[str, Any] = {}
    exec(compile(source, str(PAGE), "exec"), namespace)
    status, answer = ask(namespace["Example"](), {"data": {"ndarray": [[1, 2, 3, 4]]}})
    assert status == 200
    assert answer["data"]["ndarray"] == [10]
    assert answer["meta"]["tags"] == {"rows": 1}
    assert [metric["key"] for metric in answer["meta"]["metrics"]] == ["predictions", "lookup_milliseconds", "rows"]
    assert ask(namespace["Example"](), {"data": {"ndarray": [[1]]}})[0] == 400


def test_the_metadata_of_the_page_can_be_checked() -> None:
    from seldon_core.microservice.checks import check_of

    [source] = [block.text for block in Page.read(PAGE).blocks if "class Checked" in block.text]
    namespace: dict[str, Any] = {}
    exec(compile(source, str(PAGE), "exec"), namespace)
    assert check_of(namespace["Checked"]().init_metadata()["inputs"]) is not None


def test_the_stream_of_the_page_arrives_as_it_shows(tmp_path: Path) -> None:
    from ..microservice.serving import process, until

    [source] = [block.text for block in Page.read(PAGE).blocks if block.title == "Words.py"]
    [shown] = [block.text for block in Page.read(PAGE).blocks if block.text.startswith("$ curl -N")]
    command, _, events = shown.partition("\n")
    (tmp_path / "Words.py").write_text(source)
    with process(tmp_path, "Words") as service:
        port = service.wait_for_line(r"REST on port (\d+)")[1]
        url = f"localhost:{port}"
        until(lambda: subprocess.run(["curl", "-sf", f"{url}/ready"], capture_output=True, check=False).returncode == 0)
        script = command.removeprefix("$ ").replace("localhost:9000", url)
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout.strip() == events.strip()


def test_the_options_that_the_page_names_are_there() -> None:
    from seldon_core.microservice.settings import Settings

    named = set(re.findall(r"`(--[a-z-]+)`", PAGE.read_text())) - {"--check"}
    assert {"--workers", "--threads", "--max-batch-size"} <= named
    for option in named:
        assert Settings.read(["Model", "--workers", "2", option, "2"], {})
