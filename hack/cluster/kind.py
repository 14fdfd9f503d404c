"""The same cluster by kind, where a Docker engine answers."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hack.cluster.layout import Layout
from hack.console import capture, run_step, say
from hack.tools import debian, find

_NAME = "seldon-core"
_NODE = f"{_NAME}-control-plane"


def docker_answers() -> bool:
    """Return whether a Docker engine answers: the client alone is often there without one."""
    if debian.on_path("docker") is None:
        return False
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


class KindCluster:
    """A cluster of one node in a Docker container.

    Arguments:
        layout: where its kubeconfig and logs go.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def up(self) -> None:
        """Create the cluster unless it is there, and write its kubeconfig.

        Raises:
            Failure: kind cannot be had, or it fails.
        """
        kind = find("kind")
        find("kubectl")
        if not self._exists(kind):
            self.layout.root.mkdir(parents=True, exist_ok=True)
            create: list[str | Path] = [kind, "create", "cluster", "--name", _NAME, "--wait", "180s"]
            log = self.layout.logs / "kind.log"
            run_step("creating the cluster with kind", [*create, "--kubeconfig", self.layout.kubeconfig], log=log)
        export: list[str | Path] = [
            kind,
            "export",
            "kubeconfig",
            "--name",
            _NAME,
            "--kubeconfig",
            self.layout.kubeconfig,
        ]
        capture(export)

    def down(self) -> None:
        """Delete the cluster; only the logs stay.

        Raises:
            Failure: kind fails.
        """
        capture([find("kind"), "delete", "cluster", "--name", _NAME, "--kubeconfig", self.layout.kubeconfig])
        self.layout.remove_all_but_logs()

    def status(self) -> bool:
        """Print whether the cluster is there, and return it."""
        there = self._exists(find("kind"))
        say(f"kind cluster {_NAME} {'is there' if there else 'is not there'}")
        return there

    def load(self, archive: Path) -> None:
        """Put the images of a docker archive into the node.

        Raises:
            Failure: the cluster is not up, or the archive cannot be read.
        """
        capture([find("kind"), "load", "image-archive", archive, "--name", _NAME])

    def kill_container(self, container_id: str) -> None:
        """Kill a container with SIGKILL, as a crash of its process would end it.

        Raises:
            Failure: it does not run.
        """
        kill = ["ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", container_id]
        capture(["docker", "exec", _NODE, *kill])

    def _exists(self, kind: Path) -> bool:
        return _NAME in capture([kind, "get", "clusters"]).split()
