"""Reaches a Service or pod of the cluster from this machine, as `kubectl port-forward` does."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from hack.console import Failure


@contextmanager
def forward(environment: Mapping[str, str], namespace: str, target: str, port: int) -> Iterator[str]:
    """A URL on this machine that reaches `port` of `target` (such as `service/iris-default`) while the block runs.

    Raises:
        Failure: kubectl does not forward; with what it printed.
    """
    command = ["kubectl", "--namespace", namespace, "port-forward", target, f":{port}"]
    with subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not (found := re.search(r"127\.0\.0\.1:(\d+)", line)):
                raise Failure(f"{' '.join(command)} did not forward: {line.strip()}")
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            process.terminate()
