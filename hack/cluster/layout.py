"""Where the local cluster keeps things and what they are called: two caches on one machine never share a name."""

from __future__ import annotations

import hashlib
import ipaddress
import shutil
from dataclasses import dataclass
from pathlib import Path

from hack.cache import cache_dir

NODE_NAME = "seldon-local"
CLUSTER_DOMAIN = "cluster.local"
POD_RANGE = "10.244.0.0/24"
POD_GATEWAY = "10.244.0.1"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
PAUSE_IMAGE = "seldon-core.local/pause:1"
RUN = Path("/run")
BRIDGE = "pods0"
UPLINK = "uplink0"

# Set aside for tests between networks (RFC 2544): no real network is behind these addresses.
_LINKS = ipaddress.ip_network("198.18.0.0/15")
_LINK_SIZE = 4


@dataclass(frozen=True)
class Layout:
    """The folders, names and addresses of the cluster that belongs to a cache.

    Arguments:
        root: the folder of what outlives a reboot.
        identity: a short name that differs from cache to cache; part of every name that the whole machine sees.
    """

    root: Path
    identity: str

    @classmethod
    def of(cls, cache: Path) -> Layout:
        """Return the layout of the cluster of a cache."""
        return cls(cache / "cluster", hashlib.sha256(str(cache).encode()).hexdigest()[:8])

    @classmethod
    def current(cls) -> Layout:
        """Return the layout of the cluster of this user's cache."""
        return cls.of(cache_dir())

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.root / "kubeconfig"

    @property
    def logs(self) -> Path:
        """The folder of the logs: what stays when the cluster goes."""
        return self.root / "logs"

    @property
    def records(self) -> Path:
        """The folder of the records of the processes."""
        return self.root / "processes"

    @property
    def configuration(self) -> Path:
        """The folder of rendered configuration."""
        return self.root / "configuration"

    @property
    def pki(self) -> Path:
        """The folder of keys and certificates."""
        return self.root / "pki"

    @property
    def kubelet(self) -> Path:
        """The kubelet's folder."""
        return self.root / "kubelet"

    @property
    def run(self) -> Path:
        """The folder of what a reboot removes: short, because the paths of sockets are limited to 107 bytes."""
        return RUN / f"seldon-core-{self.identity}"

    @property
    def network_namespace(self) -> Path:
        """The file that holds the node's network namespace open."""
        return self.run / "netns"

    @property
    def mount_namespace(self) -> Path:
        """The file that holds the node's mount namespace open."""
        return self.run / "mounts"

    @property
    def containerd_socket(self) -> Path:
        """The socket of the cluster's own containerd."""
        return self.run / "containerd" / "containerd.sock"

    @property
    def cgroup(self) -> str:
        """The name of the control group that holds all pods."""
        return f"seldon-core-{self.identity}"

    @property
    def link(self) -> str:
        """The machine's end of the link to the node; names of links have at most 15 characters."""
        return f"seldon{self.identity}"

    @property
    def firewall_table(self) -> str:
        """The nftables table of our own on the machine."""
        return f"seldon_core_{self.identity}"

    @property
    def _link_base(self) -> ipaddress.IPv4Address:
        number = int(self.identity, 16) % (_LINKS.num_addresses // _LINK_SIZE)
        return ipaddress.IPv4Address(int(_LINKS.network_address) + number * _LINK_SIZE)

    @property
    def link_range(self) -> str:
        """The network between machine and node."""
        return f"{self._link_base}/30"

    @property
    def machine_address(self) -> str:
        """The machine's address on the link."""
        return str(self._link_base + 1)

    @property
    def node_address(self) -> str:
        """The node's address on the link; the API server listens there."""
        return str(self._link_base + 2)

    def remove_all_but_logs(self) -> None:
        """Remove the cluster's folder, except for what may still explain what happened."""
        for entry in self.root.glob("*"):
            if entry == self.logs:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
