"""What a person does who wraps a model: the page "Wrap your model" command by command, and a new model of one's own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hack.cluster import current
from hack.cluster.kind import docker_answers

from ..examples.pages import PAGE, Page, free_ports, same
from .docker_build import build
from .kube import ROOT, Shell, post

pytestmark = pytest.mark.e2e
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__", "model.joblib")
SHIM = """#!/bin/sh
PYTHONPATH={root} exec {python} {root}/tests/e2e/docker_build.py "$@"
"""


@pytest.mark.timeout(900)
def test_the_page_works_from_its_first_to_its_last_command(shell: Shell, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(ROOT, clone, ignore=NOT_COPIED, symlinks=True)
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    programs = environment / "bin"
    if not docker_answers():
        (programs / "docker").write_text(SHIM.format(root=ROOT, python=sys.executable))
        (programs / "docker").chmod(0o755)
    http, metrics, forwarded = free_ports(3)
    page = Page.read(PAGE)
    commands = page.commands("sh", "bash")
    for text in ("pip install", "docker build", "hack.images load", "kubectl --namespace models wait", "port-forward"):
        assert text in commands, f"the page has no command with {text!r} any more"
    script = (
        commands.replace("namespace models", f"namespace {shell.namespace}")
        .replace("localhost:9000", f"localhost:{http}")
        .replace("8000:8000", f"{forwarded}:8000")
        .replace("localhost:8000", f"localhost:{forwarded}")
    )
    variables = {
        **shell.environment,
        "PATH": f"{programs}:{shell.environment['PATH']}",
        "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": http,
        "PREDICTIVE_UNIT_METRICS_SERVICE_PORT": metrics,
    }
    with (tmp_path / "log").open("w+") as log:
        done = subprocess.run(["bash", "-eu"], input=script, cwd=clone, env=variables, text=True,
                              stdout=subprocess.PIPE, stderr=log, timeout=850, check=False)  # fmt: skip
        log.seek(0)
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{log.read()[-6000:]}"
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    shown = page.answers()
    assert len(answers) == len(shown) + 1
    for answer, expected in zip(answers, shown, strict=False):
        assert same(answer, expected), answer
    # The last is the cluster's, which adds its meta to the very data of the first.
    assert same(answers[-1]["data"], shown[0]["data"])
    assert answers[-1]["meta"]["requestPath"] == {"classifier": "seldonio/iris-classifier:0.1.0"}


def test_a_new_model_is_built_and_served_as_it_was_written(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "fresh-model"
    command = [sys.executable, "-c", "from seldon_core.cli import main; main()"]
    for arguments in (["new", str(folder)], ["lint", str(folder / "seldon-deployment.yaml")]):
        done = subprocess.run([*command, *arguments], text=True, capture_output=True, check=False, env=dict(os.environ))
        assert done.returncode == 0, done.stdout + done.stderr
    archive = tmp_path / "image.tar"
    build(folder / "Dockerfile", "library/fresh-model:0.1.0", folder, archive)
    current().load(archive)
    shell.apply(folder / "seldon-deployment.yaml")
    shell.wait_available("fresh-model")
    with shell.forward("service/fresh-model-default", 8000) as url:
        status, answer = post(f"{url}/api/v1.0/predictions", {"data": {"ndarray": [[1, 2], [3, 5]]}})
    assert (status, answer["data"]) == (200, {"names": ["mean"], "ndarray": [[1.5], [4.0]]})
