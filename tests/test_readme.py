"""The README's commands: those for one machine are run here, the others belong to `make demo` and `make e2e`."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
# Run elsewhere: by `make demo`, by `.ci/run`, and by the end-to-end tests of installing and removing.
ON_THE_CLUSTER = {
    "make demo",
    "make test",
    "make down",
    'eval "$(python3 -m hack.cluster env)"',
    "kubectl --namespace models get seldondeployments,pods",
    "helm upgrade --install seldon . --namespace seldon-system --create-namespace --wait",
    "helm uninstall seldon --namespace seldon-system",
}


def section(title: str) -> str:
    return README.split(f"## {title}\n")[1].split("\n## ")[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    http = free_port()
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": http,
        "PREDICTIVE_UNIT_METRICS_SERVICE_PORT": free_port(),
    }
    return subprocess.run(
        ["bash", "-eu"], input=script.replace("localhost:9000", f"localhost:{http}"), text=True, cwd=folder,
        env=environment, capture_output=True, timeout=100, check=False,
    )  # fmt: skip


def test_wrapping_a_model_does_what_the_readme_says(tmp_path: Path) -> None:
    text = section("Wrap a model")
    [script], [answer] = blocks(text, "bash"), blocks(text, "json")
    done = run(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(answer)


@pytest.mark.parametrize("command", blocks(section("Check a manifest without a cluster"), "bash")[0].splitlines())
def test_checking_a_manifest_does_what_the_readme_says(command: str) -> None:
    done = run(command, ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert "Traceback" not in done.stderr


def test_every_other_command_is_known_to_be_run_on_the_cluster() -> None:
    here = {section("Wrap a model"), section("Check a manifest without a cluster")}
    others = README
    for text in here:
        others = others.replace(text, "")
    commands = {line for block in blocks(others, "bash") for line in block.splitlines()}
    assert commands == ON_THE_CLUSTER


def test_links_lead_to_files() -> None:
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)#]+(?:#[^)]*)?)\)", README)]
    assert links
    assert [link for link in links if not link.startswith("https://") and not (ROOT / link).exists()] == []
