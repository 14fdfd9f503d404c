"""Command lines of etcd and kube-apiserver, for the tests' control plane and for the local cluster alike. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hack.certificates import Pair

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


@dataclass(frozen=True)
class Etcd:
    """What an etcd needs to be told."""

    data: Path
    address: str
    port: int
    authority: Path
    server: Pair
    sync: bool = True

    @property
    def url(self) -> str:
        """The address clients use."""
        return f"https://{self.address}:{self.port}"

    def command(self, program: Path) -> list[str]:
        """Return the command line."""
        arguments = [
            str(program),
            f"--data-dir={self.data}",
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            # One member has no peers, but etcd insists on listening for them.
            "--listen-peer-urls=http://127.0.0.1:0",
            f"--trusted-ca-file={self.authority}",
            f"--cert-file={self.server.certificate}",
            f"--key-file={self.server.key}",
            "--client-cert-auth=true",
            "--auto-compaction-retention=1h",
        ]
        if not self.sync:
            arguments.append("--unsafe-no-fsync=true")
        return arguments


@dataclass(frozen=True)
class ApiServer:
    """What a kube-apiserver needs to be told."""

    etcd: Etcd
    etcd_client: Pair
    address: str
    port: int
    authority: Path
    server: Pair
    signing_key: Path
    verification_key: Path
    service_range: str
    extra: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The address clients use."""
        return f"https://{self.address}:{self.port}"

    def command(self, program: Path) -> list[str]:
        """Return the command line."""
        return [
            str(program),
            f"--etcd-servers={self.etcd.url}",
            f"--etcd-cafile={self.etcd.authority}",
            f"--etcd-certfile={self.etcd_client.certificate}",
            f"--etcd-keyfile={self.etcd_client.key}",
            f"--bind-address={self.address}",
            f"--secure-port={self.port}",
            f"--client-ca-file={self.authority}",
            f"--tls-cert-file={self.server.certificate}",
            f"--tls-private-key-file={self.server.key}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-signing-key-file={self.signing_key}",
            f"--service-account-key-file={self.verification_key}",
            f"--service-cluster-ip-range={self.service_range}",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged=true",
            *self.extra,
        ]
