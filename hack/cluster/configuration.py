"""The configuration of every component of the local cluster, rendered from its layout. Pure."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hack.certificates import Pair
from hack.cluster.layout import (
    BRIDGE,
    CLUSTER_DOMAIN,
    DNS_SERVICE,
    NODE_NAME,
    PAUSE_IMAGE,
    POD_RANGE,
    SERVICE_RANGE,
    UPLINK,
    Layout,
)

KUBELET_PORT = 10250
KUBELET_HEALTH_PORT = 10248
PROXY_HEALTH_PORT = 10256
DNS_HEALTH_PORT = 8181


def containerd(layout: Layout, cni_plugins: Path) -> str:
    """Return containerd's configuration: every path is our own, so that a system's containerd is not disturbed."""
    data, state = layout.root / "containerd", layout.run / "containerd"
    text = json.dumps  # a JSON string is a TOML string
    return f"""version = 2
root = {text(str(data))}
state = {text(str(state))}
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.tracing",
]

[grpc]
address = {text(str(layout.containerd_socket))}

[plugins."io.containerd.internal.v1.opt"]
path = {text(str(data / "opt"))}

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = {text(PAUSE_IMAGE)}
# Where the machine does not let even root lower it, a sandbox would not start.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
tolerate_missing_hugetlb_controller = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = {text(str(cni_plugins))}
conf_dir = {text(str(layout.configuration / "cni"))}

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
Root = {text(str(layout.run / "runc"))}
SystemdCgroup = false
"""


def pod_network(layout: Layout) -> dict[str, Any]:
    """Return the CNI configuration: pods hang on a bridge in the node's network namespace."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": POD_RANGE}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(layout.run / "cni"),
    }
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "hairpinMode": True, "ipam": addresses}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}


def kubelet(layout: Layout, authority: Path, server: Pair, resolv_conf: Path) -> dict[str, Any]:
    """Return the kubelet's configuration."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": layout.node_address,
        "port": KUBELET_PORT,
        "healthzBindAddress": layout.node_address,
        "healthzPort": KUBELET_HEALTH_PORT,
        "tlsCertFile": str(server.certificate),
        "tlsPrivateKeyFile": str(server.key),
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(authority)}},
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "podLogsDir": str(layout.root / "pod-logs"),
        "volumePluginDir": str(layout.kubelet / "volume-plugins"),
        "resolvConf": str(resolv_conf),
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": CLUSTER_DOMAIN,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "oomScoreAdj": 0,
        "serializeImagePulls": False,
        # Images come from this machine alone: none that is deleted could be had again.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%"},
    }


def kube_proxy(layout: Layout, kubeconfig: Path) -> dict[str, Any]:
    """Return kube-proxy's configuration: the settings of connection tracking belong to the machine and stay."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "hostnameOverride": NODE_NAME,
        "clusterCIDR": POD_RANGE,
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "healthzBindAddress": f"{layout.node_address}:{PROXY_HEALTH_PORT}",
        "oomScoreAdj": 0,
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def corefile(layout: Layout, kubeconfig: Path, name_servers: list[str]) -> str:
    """Return CoreDNS's configuration: the cluster's names are never cached, the world's are."""
    cluster = f"""{CLUSTER_DOMAIN}:53 in-addr.arpa:53 ip6.arpa:53 {{
    bind {layout.node_address}
    errors
    ready {layout.node_address}:{DNS_HEALTH_PORT}
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        ttl 5
    }}
}}
"""
    if not name_servers:
        return cluster
    world = f""".:53 {{
    bind {layout.node_address}
    errors
    cache 30
    forward . {" ".join(name_servers)}
}}
"""
    return cluster + world


def name_servers(resolv_conf: str) -> list[str]:
    """Return the name servers of a resolv.conf that another network namespace can reach too."""
    servers = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            address = ipaddress.ip_address(words[1].partition("%")[0])
            if address.version == 4 and not address.is_loopback:
                servers.append(str(address))
    return servers


def dns_objects(layout: Layout) -> list[dict[str, Any]]:
    """Return the objects that make CoreDNS, which runs beside the node, the cluster's DNS Service."""
    metadata = {"name": "kube-dns", "namespace": "kube-system"}
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**metadata, "labels": {"k8s-app": "kube-dns"}},
        "spec": {"clusterIP": DNS_SERVICE, "ports": ports},
    }
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**metadata, "labels": {"kubernetes.io/service-name": "kube-dns"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [layout.node_address], "conditions": {"ready": True}}],
        "ports": ports,
    }
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "system:coredns"},
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["endpoints", "services", "pods", "namespaces"],
                "verbs": ["list", "watch"],
            },
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        ],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "system:coredns"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "system:coredns"}],
    }
    return [service, endpoints, role, binding]


def object_path(obj: Mapping[str, Any]) -> str:
    """Return the API path of one of the objects above."""
    plural = {
        "Service": "services",
        "EndpointSlice": "endpointslices",
        "ClusterRole": "clusterroles",
        "ClusterRoleBinding": "clusterrolebindings",
    }[obj["kind"]]
    version, metadata = obj["apiVersion"], obj["metadata"]
    prefix = f"/apis/{version}" if "/" in version else f"/api/{version}"
    namespace = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"{prefix}{namespace}/{plural}/{metadata['name']}"


def machine_firewall(layout: Layout) -> str:
    """Return the nftables rules of the machine: what leaves the node's network goes out as the machine's own."""
    return f"""table ip {layout.firewall_table}
flush table ip {layout.firewall_table}
table ip {layout.firewall_table} {{
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {layout.link_range} oifname != "{layout.link}" masquerade
    }}
}}
"""


def node_firewall() -> str:
    """Return the nftables rules inside the node's network.

    What leaves a pod for the world goes out as the node's. What is still addressed to a Service when it is about to
    leave is one that kube-proxy does not know yet: it is refused, or whoever answers out there would answer for the
    Service.
    """
    return f"""table ip pods
flush table ip pods
table ip pods {{
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {POD_RANGE} oifname "{UPLINK}" masquerade
    }}
    chain forward {{
        type filter hook forward priority filter; policy accept;
        ip daddr {SERVICE_RANGE} oifname "{UPLINK}" reject
    }}
    chain output {{
        type filter hook output priority filter; policy accept;
        ip daddr {SERVICE_RANGE} oifname "{UPLINK}" reject
    }}
}}
"""
