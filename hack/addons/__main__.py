"""`python3 -m hack.addons`: put a gateway and metrics of pods into the local cluster, which must be up.

Running it again is fine: what is there and unchanged stays.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hack import program_image
from hack.addons import GATEWAY_CLASS, GATEWAY_NAMESPACE
from hack.cache import cache_dir, content_key, locked
from hack.cluster import current, user_environment
from hack.cluster.local import LocalCluster
from hack.console import Failure, capture, run_main, run_step
from hack.images import builder
from hack.images.catalogue import Image
from hack.tools import find, module_folder
from hack.tools.catalogue import GATEWAY_MODULE, GATEWAY_VERSION, METRICS_MODULE, METRICS_VERSION

HERE = Path(__file__).resolve().parent
ENVOY = Image("envoy", "docker.io/seldon-core-addons/envoy:1.39.3", "hack/addons/envoy", HERE / "envoy")
PROGRAMS = {
    "envoy-gateway": f"docker.io/seldon-core-addons/envoy-gateway:{GATEWAY_VERSION}",
    "metrics-server": f"docker.io/seldon-core-addons/metrics-server:{METRICS_VERSION}",
}
_PROXY = {
    "apiVersion": "gateway.envoyproxy.io/v1alpha1",
    "kind": "EnvoyProxy",
    "metadata": {"name": "proxy", "namespace": GATEWAY_NAMESPACE},
    "spec": {
        "provider": {
            "type": "Kubernetes",
            "kubernetes": {
                "envoyDeployment": {"container": {"image": ENVOY.tag}},
                # Nobody here hands out addresses of load balancers.
                "envoyService": {"type": "ClusterIP"},
            },
        }
    },
}
_CLASS = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "GatewayClass",
    "metadata": {"name": GATEWAY_CLASS},
    "spec": {
        "controllerName": "gateway.envoyproxy.io/gatewayclass-controller",
        "parametersRef": {
            "group": "gateway.envoyproxy.io",
            "kind": "EnvoyProxy",
            "name": "proxy",
            "namespace": GATEWAY_NAMESPACE,
        },
    },
}


def archives() -> list[Path]:
    """Return the docker archives of the images, made where they are not in the cache.

    Raises:
        Failure: one cannot be built; with the end of its output.
    """
    folder = cache_dir() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for name, tag in PROGRAMS.items():
        program = find(name)
        archive = folder / f"{name}-{program.parent.name}.tar"
        if not archive.exists():
            partial = archive.with_suffix(".partial")
            partial.write_bytes(program_image.archive(program, tag))
            partial.rename(archive)
        found.append(archive)
    return [*found, _envoy_archive(folder)]


def _envoy_archive(folder: Path) -> Path:
    with locked("images"):
        program = builder.choose()
        key = content_key([ENVOY.dockerfile], ENVOY.tag, program.prepare())
        archive = folder / f"envoy-{key}.tar"
        if not archive.exists():
            partial = archive.with_suffix(".partial")
            program.build(ENVOY, partial)
            partial.rename(archive)
    return archive


def install(environment: dict[str, str], *, own_kubelet: bool) -> None:
    """Install both, or bring them up to date, and wait until they serve.

    Arguments:
        environment: in which kubectl and helm talk to the cluster.
        own_kubelet: whether the kubelet's certificate is of the cluster's own authority.

    Raises:
        Failure: one does not come up.
    """
    trust = "--kubelet-certificate-authority=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
    values = {
        "image": dict(zip(("repository", "tag"), PROGRAMS["metrics-server"].rsplit(":", 1), strict=True)),
        "args": [trust if own_kubelet else "--kubelet-insecure-tls"],
    }
    chart = module_folder(METRICS_MODULE, "sigs.k8s.io/metrics-server") / "charts" / "metrics-server"
    _helm(environment, "metrics-server", chart, "kube-system", values)

    gateway = PROGRAMS["envoy-gateway"]
    values = {
        "global": {"images": {"envoyGateway": {"image": gateway, "pullPolicy": "IfNotPresent"}}},
        "config": {
            "envoyGateway": {"provider": {"kubernetes": {"shutdownManager": {"image": gateway}}}},
        },
        "topologyInjector": {"enabled": False},
    }
    chart = module_folder(GATEWAY_MODULE, "github.com/envoyproxy/gateway") / "charts" / "gateway-helm"
    _helm(environment, "envoy-gateway", chart, GATEWAY_NAMESPACE, values, defaults=chart / "values.tmpl.yaml")
    for obj in (_PROXY, _CLASS):
        capture(["kubectl", "apply", "--filename", "-"], stdin=json.dumps(obj), env=environment)


def _helm(
    environment: dict[str, str],
    release: str,
    chart: Path,
    namespace: str,
    values: dict[str, object],
    *,
    defaults: Path | None = None,
) -> None:
    file = cache_dir() / "cluster" / f"{release}-values.json"
    file.write_text(json.dumps(values))
    command: list[str | Path] = ["helm", "upgrade", "--install", release, chart]
    command += ["--namespace", namespace, "--create-namespace", "--wait", "--timeout", "5m"]
    for source in (defaults, file):
        command += ["--values", source] if source else []
    run_step(f"installing {release}", command, log=cache_dir() / "logs" / f"{release}.log", env=environment)


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    if arguments:
        raise Failure("usage: python3 -m hack.addons")
    environment, cluster = user_environment(), current()
    for archive in archives():
        cluster.load(archive)
    install(environment, own_kubelet=isinstance(cluster, LocalCluster))
    return 0


if __name__ == "__main__":
    run_main(main)
