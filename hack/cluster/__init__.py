"""The local cluster: a real Kubernetes for the demo and the end-to-end tests, by kind or as a node of its own.

Nothing of it is left on the machine by `down` but the caches and the logs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from hack.cache import cache_dir
from hack.cluster.kind import KindCluster, docker_answers
from hack.cluster.layout import Layout
from hack.cluster.local import LocalCluster
from hack.console import Failure
from hack.tools import find

__all__ = ["current", "kill_container", "user_environment"]


def current() -> LocalCluster | KindCluster:
    """Return the cluster of this machine: kind's where Docker answers, unless the other is there already."""
    layout = Layout.current()
    if layout.records.exists() or not docker_answers():
        return LocalCluster(layout)
    return KindCluster(layout)


def kill_container(container_id: str) -> None:
    """Kill a container of the cluster with SIGKILL, as a crash of its process would end it.

    Arguments:
        container_id: the id in the pod's status, without its scheme.

    Raises:
        Failure: it does not run.
    """
    current().kill_container(container_id)


def user_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment in which kubectl and helm are found and talk to the cluster.

    Arguments:
        environ: the environment to start from; this process's by default.

    Raises:
        Failure: the cluster is not up.
    """
    kubeconfig = Layout.current().kubeconfig
    if not kubeconfig.exists():
        raise Failure("the local cluster is not up; run `python3 -m hack.cluster up`")
    environment = dict(os.environ if environ is None else environ)
    # Programs that are on the path already stay where they are found.
    built = [str(path.parent) for path in map(find, ("kubectl", "helm")) if path.is_relative_to(cache_dir())]
    environment["PATH"] = os.pathsep.join([*built, environment.get("PATH", os.defpath)])
    environment["KUBECONFIG"] = str(kubeconfig)
    return environment
