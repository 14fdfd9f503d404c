"""Which tools there are, which versions fit, and how each is made when the machine has none that fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hack.tools import versions

HACK = Path(__file__).resolve().parent.parent
KUBERNETES_MODULE = HACK / "kubernetes"
OLDEST_MODULE = HACK / "kubernetes_oldest"
TOOLS_MODULE = HACK / "tools"
COREDNS_MODULE = HACK / "coredns"
GATEWAY_MODULE = HACK / "addons" / "envoy-gateway"
METRICS_MODULE = HACK / "addons" / "metrics-server"

KUBERNETES_VERSION = versions.required(KUBERNETES_MODULE / "go.mod", "k8s.io/kubernetes")
OLDEST_VERSION = versions.required(OLDEST_MODULE / "go.mod", "k8s.io/kubernetes")
HELM_VERSION = versions.required(TOOLS_MODULE / "go.mod", "helm.sh/helm/v3")
KIND_VERSION = versions.required(TOOLS_MODULE / "go.mod", "sigs.k8s.io/kind")

PAUSE_VERSION = "v1"
COREDNS_VERSION = versions.required(COREDNS_MODULE / "go.mod", "github.com/coredns/coredns")
GATEWAY_VERSION = versions.required(GATEWAY_MODULE / "go.mod", "github.com/envoyproxy/gateway")
METRICS_VERSION = versions.required(METRICS_MODULE / "go.mod", "sigs.k8s.io/metrics-server")


@dataclass(frozen=True)
class OnPath:
    """How to ask a program on PATH for its version, and which versions fit."""

    version_arguments: tuple[str, ...]
    fits: Callable[[versions.Version], bool]
    wanted: str


@dataclass(frozen=True)
class GoProgram:
    """A program built from a Go module of this folder."""

    module: Path
    package: str
    version: str
    ldflags: str = "-s -w"
    tags: tuple[str, ...] = ()

    def sources(self) -> list[Path]:
        """Return the files of ours that decide what is built."""
        own = self.module / self.package if self.package.startswith("./") else self.module
        return [self.module / "go.mod", self.module / "go.sum", *own.glob("*.go")]


@dataclass(frozen=True)
class DebianProgram:
    """A program extracted from a Debian package."""

    package: str
    path: str


@dataclass(frozen=True)
class LinkTo:
    """A name under which another tool acts as this one."""

    tool: str


@dataclass(frozen=True)
class Tool:
    """A tool: used from PATH where a fit version is there, else made from its source."""

    name: str
    source: GoProgram | DebianProgram | LinkTo
    on_path: OnPath | None = None


def _kubernetes(
    command: str, module: Path = KUBERNETES_MODULE, version: str = KUBERNETES_VERSION, tags: tuple[str, ...] = ()
) -> GoProgram:
    stamp = f"-s -w -X k8s.io/component-base/version.gitVersion={version}"
    return GoProgram(module, f"./cmd/{command}", version, stamp, tags)


def _kubernetes_version() -> versions.Version:
    version = versions.parse(KUBERNETES_VERSION)
    if version is None:
        raise LookupError(f"{KUBERNETES_VERSION} is not a version")
    return version


def _helm_stamp() -> str:
    # Without a Kubernetes version of its own, helm takes charts to be rendered for Kubernetes 1.20.
    major, minor, _ = _kubernetes_version()
    module = "helm.sh/helm/v3"
    variables = {f"{module}/internal/version.version": HELM_VERSION}
    for package in ("pkg/chartutil", "pkg/lint/rules"):
        variables |= {
            f"{module}/{package}.k8sVersionMajor": str(major),
            f"{module}/{package}.k8sVersionMinor": str(minor),
        }
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in variables.items())])


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "etcd",
            DebianProgram("etcd-server", "usr/bin/etcd"),
            OnPath(("--version",), versions.at_least(3, 4), "3.4 or newer"),
        ),
        Tool("hey", DebianProgram("hey", "usr/bin/hey")),
        Tool("kube-apiserver", _kubernetes("kube-apiserver")),
        Tool(
            "kube-apiserver-oldest",
            # Without the clients of cloud providers, which Kubernetes still contained then.
            _kubernetes("kube-apiserver", OLDEST_MODULE, OLDEST_VERSION, tags=("providerless",)),
        ),
        Tool("kube-node", _kubernetes("kube-node")),
        Tool(
            "kubectl",
            LinkTo("kube-node"),
            OnPath(
                ("version", "--client"),
                versions.within_one_minor(_kubernetes_version()),
                f"within one minor version of {KUBERNETES_VERSION}",
            ),
        ),
        Tool(
            "helm",
            GoProgram(
                TOOLS_MODULE,
                "helm.sh/helm/v3/cmd/helm",
                HELM_VERSION,
                _helm_stamp(),
            ),
            OnPath(("version", "--short"), lambda version: version >= (3, 14, 0), "3.14 or newer"),
        ),
        Tool(
            "kind",
            GoProgram(TOOLS_MODULE, "sigs.k8s.io/kind", KIND_VERSION),
            OnPath(("version",), lambda version: version >= (0, 30, 0), "0.30 or newer"),
        ),
        Tool("coredns", GoProgram(COREDNS_MODULE, "./", COREDNS_VERSION)),
        Tool(
            "envoy-gateway",
            GoProgram(GATEWAY_MODULE, "github.com/envoyproxy/gateway/cmd/envoy-gateway", GATEWAY_VERSION),
        ),
        Tool(
            "metrics-server",
            GoProgram(METRICS_MODULE, "sigs.k8s.io/metrics-server/cmd/metrics-server", METRICS_VERSION),
        ),
        Tool("pause", GoProgram(TOOLS_MODULE, "./cmd/pause", PAUSE_VERSION)),
    )
}
