"""The main job, shown: installs the chart, serves the two examples and asks each for a prediction.

`python3 -m hack.demo` works on the local cluster with its images loaded (`make demo` sees to both), and may be run
again.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hack.cluster import user_environment
from hack.console import Failure, capture, run_main, say, wait_until
from hack.forward import forward

ROOT = Path(__file__).resolve().parent.parent
NAMESPACE = "models"
READY_TIMEOUT = 300.0  # seconds


class Shell:
    """kubectl and helm against the local cluster, each command shown as a user would type it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment

    def show(self, *command: str, stdin: str | None = None) -> str:
        """Print the command, run it, print and return its output.

        Raises:
            Failure: it fails; with its output.
        """
        say(f"$ {' '.join(command)}")
        output = capture(command, stdin=stdin, env=self.environment)
        print(output.rstrip(), flush=True)
        return output

    def quiet(self, *command: str) -> str:
        return capture(command, env=self.environment)


def install(shell: Shell) -> None:
    """Install or upgrade the chart and make the namespace for models."""
    shell.show(
        "helm",
        "upgrade",
        "--install",
        "seldon",
        str(ROOT),
        "--namespace",
        "seldon-system",
        "--create-namespace",
        "--wait",
    )
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    shell.show("kubectl", "apply", "--filename", "-", stdin=json.dumps(namespace))


def serve(shell: Shell, manifest: Path, name: str) -> None:
    """Apply a manifest and wait until what it asks for is served."""
    shell.show("kubectl", "-n", NAMESPACE, "apply", "--filename", str(manifest.relative_to(ROOT)))
    started = time.monotonic()

    def available() -> bool:
        found = json.loads(shell.quiet("kubectl", "-n", NAMESPACE, "get", "seldondeployment", name, "-o", "json"))
        status = found.get("status", {})
        current = status.get("observedGeneration") == found["metadata"]["generation"]
        return bool(current and status.get("state") == "Available")

    try:
        wait_until(f"{name} to be Available", available, timeout=READY_TIMEOUT)
    except Failure as failure:
        described = shell.quiet("kubectl", "-n", NAMESPACE, "get", "seldondeployment,pods,events")
        raise Failure(f"{failure}\n{described}") from None
    say(f"{name} is Available after {time.monotonic() - started:.1f} s")
    shell.show("kubectl", "-n", NAMESPACE, "get", "seldondeployment", name)


def predict(shell: Shell, service: str, request: Path) -> dict[str, Any]:
    """Send the message in `request` to a predictor's Service, and print and return the answer."""
    with forward(shell.environment, NAMESPACE, f"service/{service}", 8000) as url:
        say(f"$ curl -H 'Content-Type: application/json' -d @{request.relative_to(ROOT)} {url}/api/v1.0/predictions")
        call = urllib.request.Request(
            f"{url}/api/v1.0/predictions", request.read_bytes(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(call, timeout=30) as response:
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise Failure(f"{service} answered {error.code}: {error.read().decode(errors='replace')}") from None
    print(json.dumps(answer), flush=True)
    return answer


def main(arguments: Sequence[str]) -> int:
    """Run the demonstration."""
    if arguments:
        raise Failure("usage: python3 -m hack.demo")
    shell = Shell(user_environment())
    install(shell)
    examples = ROOT / "examples"
    serve(shell, examples / "seldon-model.yaml", "seldon-model")
    predict(shell, "seldon-model-example", examples / "mock_classifier" / "request.json")
    serve(shell, examples / "iris" / "seldon-deployment.yaml", "iris")
    predict(shell, "iris-default", examples / "iris" / "request.json")
    say(
        'The cluster is up. To look around: eval "$(python3 -m hack.cluster env)" (kubectl and helm then use it); '
        "to remove it: make down"
    )
    return 0


if __name__ == "__main__":
    run_main(main)
