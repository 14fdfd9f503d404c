"""Running the real programs as the rendered pods would, with the permissions of their accounts and no others."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chart.rendering import ROOT, Rendered
from tests.integration.chart.releases import Cluster, wait_for

FORBIDDEN = 403
_LOCALHOST = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Distinct ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for probe in sockets:
            probe.bind((_LOCALHOST, 0))
        return [probe.getsockname()[1] for probe in sockets]
    finally:
        for probe in sockets:
            probe.close()


@dataclass(frozen=True)
class Programs:
    """The programs of a rendered release.

    Attributes:
        cluster: the API server that they talk to.
        rendered: the charts as they were installed.
        namespace: the namespace of the release.
        directory: where their output goes.
    """

    cluster: Cluster
    rendered: Rendered
    namespace: str
    directory: Path

    def user(self, owner: str) -> str:
        account = self.rendered.pods()[owner]["spec"]["serviceAccountName"]
        return f"system:serviceaccount:{self.namespace}:{account}"

    def command(self, owner: str) -> list[str]:
        container = self.rendered.container(owner)
        interpreter, *rest = container["command"]
        assert interpreter == "python"
        arguments = [argument.replace("$(POD_NAMESPACE)", self.namespace) for argument in container["args"]]
        return [sys.executable, *rest, *arguments]

    def environment(self, owner: str) -> dict[str, str]:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{self.namespace}")
        kubeconfig = self.cluster.control_plane.kubeconfig_for(self.user(owner), groups)
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        pod = {"POD_NAMESPACE": self.namespace, "POD_NAME": f"{owner}-0", "KUBECONFIG": str(kubeconfig)}
        return {**inherited, **self.rendered.environment(owner), **pod}

    def run(self, owner: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        return subprocess.run(
            self.command(owner),
            cwd=ROOT,
            env=self.environment(owner),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    @contextmanager
    def running(self, owner: str, metrics_port: int) -> Iterator[None]:
        """Run a program, from its readiness until the block ends; it must end in order then."""
        output = self.directory / f"{owner}.log"
        with output.open("w") as log:
            process = subprocess.Popen(
                self.command(owner), cwd=ROOT, env=self.environment(owner), stdout=log, stderr=subprocess.STDOUT
            )
        try:

            def ready() -> bool:
                assert process.poll() is None
                return self._ready(metrics_port)

            wait_for(ready)
            yield
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        except BaseException as error:
            error.add_note(output.read_text())
            raise
        finally:
            process.kill()
            process.wait()

    @staticmethod
    def _ready(port: int) -> bool:
        connection = http.client.HTTPConnection(_LOCALHOST, port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()


@dataclass(frozen=True)
class Calls:
    """What a user asked of an API server, by verb, group/resource and namespace, with the answers."""

    answers: dict[tuple[str, str, str], set[int]]

    @classmethod
    def of(cls, audit_log: Path, user: str) -> "Calls":
        answers: dict[tuple[str, str, str], set[int]] = {}
        for line in audit_log.read_text().splitlines():
            event = json.loads(line)
            target = event.get("objectRef")
            if event["user"]["username"] != user or target is None:
                continue
            resource = "/".join(filter(None, (target["resource"], target.get("subresource"))))
            key = (event["verb"], f"{target.get('apiGroup', '')}/{resource}", target.get("namespace", ""))
            answers.setdefault(key, set()).add(event.get("responseStatus", {}).get("code", 0))
        return cls(answers)

    def forbidden(self) -> list[tuple[str, str, str]]:
        return sorted(key for key, codes in self.answers.items() if FORBIDDEN in codes)

    def made(self) -> set[tuple[str, str]]:
        """The calls as verb and resource."""
        return {(verb, resource) for verb, resource, _ in self.answers}
