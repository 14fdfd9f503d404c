"""A real Kubernetes of one node on this machine, without Docker: brought up, looked at and removed."""

from __future__ import annotations

import json
import os
import platform
import shutil
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

from hack import program_image
from hack.apiserver import Access
from hack.cache import write_if_changed
from hack.certificates import Authority, Pair, signing_keys
from hack.cluster import configuration, filesystem, machine, network, remains
from hack.cluster.layout import (
    API_SERVICE,
    CLUSTER_DOMAIN,
    NODE_NAME,
    PAUSE_IMAGE,
    SERVICE_RANGE,
    Layout,
)
from hack.cluster.processes import Processes
from hack.components import AUDIT_POLICY, ApiServer, Etcd
from hack.console import Failure, capture, say, wait_until
from hack.tools import debian, find

_PROGRAMS = [
    "cni",
    "conntrack",
    "containerd",
    "ethtool",
    "ip",
    "iptables",
    "nft",
    "nsenter",
    "openssl",
    "runc",
    "unshare",
]
_API_PORT = 6443
_ETCD_PORT = 2379
_READY_TIMEOUT = 120.0


class LocalCluster:
    """The single-node cluster of a layout.

    Arguments:
        layout: its names, folders and addresses.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.processes = Processes(layout.records, layout.logs, prefix=_enter(layout))

    def up(self) -> None:
        """Bring the cluster up, or complete what runs of it; ends when a pod could be scheduled.

        Raises:
            Failure: this machine cannot, or a component does not come up; with the end of its log.
        """
        _require_root()
        debian.ensure(_PROGRAMS)
        tools = {name: find(name) for name in ("etcd", "kube-apiserver", "kube-node", "coredns", "pause", "kubectl")}
        say("starting the network, etcd and the API server")
        filesystem.up(self.layout)
        network.up(self.layout)
        access = self._start_api_server(tools)
        say("starting the controllers, containerd, the kubelet, the proxy and DNS")
        self._start_controllers(tools["kube-node"])
        self._start_containerd(tools["pause"])
        self._start_node(tools["kube-node"])
        self._start_dns(tools["coredns"], access)
        self._wait_ready(access)
        access.write_kubeconfig(self.layout.kubeconfig)

    def down(self) -> None:
        """Stop everything and remove all that it put on the machine; only the logs stay.

        Raises:
            Failure: something does not end or stays mounted.
        """
        _require_root()
        # The kubelet first: it would start again what is killed next.
        for name in sorted(self.processes.names(), key=stop_order):
            say(f"stopping {name}")
            self.processes.stop(name)
            if name == "kubelet":
                remains.kill_pods(self.layout)
        remains.kill_pods(self.layout)
        wait_until(
            "the cluster's last processes have ended",
            lambda: not remains.kill(network.process_ids(self.layout)),
            timeout=20,
        )
        network.down(self.layout)
        filesystem.down(self.layout)
        remains.unmount(self.layout)
        shutil.rmtree(self.layout.run, ignore_errors=True)
        machine.restore(self.layout)
        self.layout.remove_all_but_logs()

    def status(self) -> bool:
        """Print what runs; return whether everything does."""
        names = self.processes.names()
        for name in names:
            record = self.processes.record(name)
            runs = record is not None and record.runs()
            say(f"{name:24} {f'runs, pid {record.pid}' if record and runs else 'does not run'}")
        return bool(names) and all(map(self.processes.running, names))

    def load(self, archive: Path) -> None:
        """Put the images of a docker archive into the node.

        Raises:
            Failure: the cluster is not up, or the archive cannot be read.
        """
        self._ctr("images", "import", str(archive))

    def kill_container(self, container_id: str) -> None:
        """Kill a container with SIGKILL, as a crash of its process would end it.

        Raises:
            Failure: it does not run.
        """
        self._ctr("tasks", "kill", "--signal", "SIGKILL", container_id)

    def _ctr(self, *arguments: str) -> None:
        socket = str(self.layout.containerd_socket)
        program = debian.on_path("ctr") or "ctr"
        capture([program, "--address", socket, "--namespace", "k8s.io", *arguments])

    # The control plane

    def _authority(self) -> Authority:
        return Authority(self.layout.pki, "ca")

    def _kubeconfig(self, name: str, user: str, groups: tuple[str, ...] = ()) -> Path:
        authority = self._authority()
        access = Access(self._url, authority.certificate, authority.issue(name, user, groups))
        self.layout.configuration.mkdir(parents=True, exist_ok=True)
        return access.write_kubeconfig(self.layout.configuration / f"{name}.kubeconfig")

    @property
    def _url(self) -> str:
        return f"https://{self.layout.node_address}:{_API_PORT}"

    def _start_api_server(self, tools: dict[str, Path]) -> Access:
        layout = self.layout
        etcd_authority = Authority(layout.root / "etcd-pki", "ca")
        etcd_server = etcd_authority.issue("server", "etcd", hosts=[layout.node_address])
        etcd = Etcd(layout.root / "etcd", layout.node_address, _ETCD_PORT, etcd_authority.certificate, etcd_server)
        client = etcd_authority.issue("kube-apiserver", "kube-apiserver")
        self.processes.ensure("etcd", etcd.command(tools["etcd"]))
        probe = Access(etcd.url, etcd_authority.certificate, client)
        self.processes.wait_ready("etcd", lambda: _healthy(probe))
        configured = self._api_server(etcd, client)
        self.processes.ensure("kube-apiserver", configured.command(tools["kube-apiserver"]))
        authority = self._authority()
        admin = authority.issue("admin", "admin", ["system:masters"])
        access = Access(configured.url, authority.certificate, admin)
        self.processes.wait_ready("kube-apiserver", access.ready)
        return access

    def _api_server(self, etcd: Etcd, etcd_client: Pair) -> ApiServer:
        layout, authority = self.layout, self._authority()
        names = [
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            f"kubernetes.default.svc.{CLUSTER_DOMAIN}",
        ]
        server = authority.issue("kube-apiserver", "kube-apiserver", hosts=[layout.node_address, API_SERVICE, *names])
        kubelet_client = authority.issue("kubelet-client", "kube-apiserver-kubelet-client", ["system:masters"])
        signing, verification = signing_keys(layout.pki, "service-accounts")
        policy = self._write("audit-policy.json", AUDIT_POLICY)
        proxying = Authority(layout.root / "proxy-pki", "ca")
        proxy_client = proxying.issue("front-proxy-client", "front-proxy-client")
        layout.logs.mkdir(parents=True, exist_ok=True)
        return ApiServer(
            etcd=etcd,
            etcd_client=etcd_client,
            address=layout.node_address,
            port=_API_PORT,
            authority=authority.certificate,
            server=server,
            signing_key=signing,
            verification_key=verification,
            service_range=SERVICE_RANGE,
            extra=(
                f"--advertise-address={layout.node_address}",
                "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
                "--kubelet-preferred-address-types=InternalIP",
                f"--kubelet-certificate-authority={authority.certificate}",
                f"--kubelet-client-certificate={kubelet_client.certificate}",
                f"--kubelet-client-key={kubelet_client.key}",
                # For API servers behind this one, such as the one of the metrics that autoscalers read.
                f"--requestheader-client-ca-file={proxying.certificate}",
                "--requestheader-allowed-names=front-proxy-client",
                "--requestheader-extra-headers-prefix=X-Remote-Extra-",
                "--requestheader-group-headers=X-Remote-Group",
                "--requestheader-username-headers=X-Remote-User",
                f"--proxy-client-cert-file={proxy_client.certificate}",
                f"--proxy-client-key-file={proxy_client.key}",
                f"--audit-policy-file={policy}",
                f"--audit-log-path={layout.logs / 'audit.log'}",
                "--audit-log-maxsize=100",
                "--audit-log-maxbackup=1",
            ),
        )

    def _start_controllers(self, kube_node: Path) -> None:
        layout, authority = self.layout, self._authority()
        signing, _ = signing_keys(layout.pki, "service-accounts")
        manager = self._kubeconfig("kube-controller-manager", "system:kube-controller-manager")
        scheduler = self._kubeconfig("kube-scheduler", "system:kube-scheduler")
        # One of each: there is nobody to elect a leader from.
        common = ["--leader-elect=false", "--bind-address=127.0.0.1"]
        access = [f"--{use}kubeconfig={manager}" for use in ("", "authentication-", "authorization-")]
        own = [
            f"--root-ca-file={authority.certificate}",
            f"--service-account-private-key-file={signing}",
            "--use-service-account-credentials=true",
            f"--flex-volume-plugin-dir={layout.kubelet / 'volume-plugins'}",
        ]
        command: list[str | Path] = [kube_node, "kube-controller-manager", *common, *access, *own]
        self.processes.ensure("kube-controller-manager", command, configuration=[manager])
        access = [f"--{use}kubeconfig={scheduler}" for use in ("", "authentication-", "authorization-")]
        command = [kube_node, "kube-scheduler", *common, *access]
        self.processes.ensure("kube-scheduler", command, configuration=[scheduler])

    # The node

    def _write(self, name: str, content: str | Mapping[str, object]) -> Path:
        path = self.layout.configuration / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_if_changed(path, content if isinstance(content, str) else json.dumps(content, indent=2))
        return path

    def _start_containerd(self, pause_program: Path) -> None:
        layout = self.layout
        self._write("cni/10-pods.conflist", configuration.pod_network(layout))
        config = self._write("containerd.toml", configuration.containerd(layout, debian.cni_plugins()))
        program = debian.on_path("containerd") or Path("containerd")
        layout.containerd_socket.parent.mkdir(parents=True, exist_ok=True)
        self.processes.ensure("containerd", [program, "--config", config], configuration=[config])
        self.processes.wait_ready("containerd", self._containerd_answers)
        archive = layout.configuration / "pause.tar"
        archive.write_bytes(program_image.archive(pause_program, PAUSE_IMAGE))
        self._ctr("images", "import", str(archive))

    def _containerd_answers(self) -> bool:
        try:
            self._ctr("version")
        except Failure:
            return False
        return True

    def _start_node(self, kube_node: Path) -> None:
        layout, authority = self.layout, self._authority()
        remains.make_control_groups(layout)
        node = self._kubeconfig("kubelet", f"system:node:{NODE_NAME}", ("system:nodes",))
        server = authority.issue("kubelet-server", NODE_NAME, hosts=[layout.node_address, NODE_NAME])
        resolv_conf = self._write("resolv.conf", "".join(f"nameserver {server}\n" for server in _name_servers()))
        config = self._write("kubelet.json", configuration.kubelet(layout, authority.certificate, server, resolv_conf))
        command: list[str | Path] = [
            kube_node,
            "kubelet",
            f"--config={config}",
            f"--kubeconfig={node}",
            f"--root-dir={layout.kubelet}",
            f"--cert-dir={layout.kubelet / 'pki'}",
            f"--hostname-override={NODE_NAME}",
            f"--node-ip={layout.node_address}",
        ]
        self.processes.ensure("kubelet", command, configuration=[config, node])
        proxy = self._kubeconfig("kube-proxy", "system:kube-proxy")
        config = self._write("kube-proxy.json", configuration.kube_proxy(layout, proxy))
        command = [kube_node, "kube-proxy", f"--config={config}"]
        self.processes.ensure("kube-proxy", command, configuration=[config, proxy])

    def _start_dns(self, coredns: Path, access: Access) -> None:
        for obj in configuration.dns_objects(self.layout):
            path = configuration.object_path(obj)
            status, answer = access.call("PATCH", f"{path}?fieldManager=local-cluster&force=true", obj)
            if status >= 300:
                raise Failure(f"{path}: the API server refuses it: {answer}")
        kubeconfig = self._kubeconfig("coredns", "system:coredns")
        corefile = self._write("Corefile", configuration.corefile(self.layout, kubeconfig, _name_servers()))
        command: list[str | Path] = [coredns, "-conf", corefile]
        self.processes.ensure("coredns", command, configuration=[corefile, kubeconfig])

    def _wait_ready(self, access: Access) -> None:
        address = self.layout.node_address
        health = {
            "kubelet": f"http://{address}:{configuration.KUBELET_HEALTH_PORT}/healthz",
            "kube-proxy": f"http://{address}:{configuration.PROXY_HEALTH_PORT}/healthz",
            "coredns": f"http://{address}:{configuration.DNS_HEALTH_PORT}/ready",
        }
        for name, url in health.items():
            self.processes.wait_ready(name, partial(_answers, url))
        record = self.processes.record("kubelet")
        since = record.time if record else 0.0
        self.processes.wait_ready("kubelet", lambda: _node_ready(access, since), timeout=_READY_TIMEOUT)
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self.processes.wait_ready("kube-controller-manager", lambda: access.call("GET", account)[0] == 200)
        self.processes.wait_ready("kube-scheduler", lambda: True)


def _enter(layout: Layout) -> list[str]:
    """What to put before a command so that it runs with the node's network and mounts."""
    return ["nsenter", f"--net={layout.network_namespace}", f"--mount={layout.mount_namespace}", "--"]


def _require_root() -> None:
    if platform.system() != "Linux" or os.geteuid() != 0:
        raise Failure("the local cluster without Docker needs root on Linux; start Docker, or run this as root")


def stop_order(name: str) -> int:
    order = ["kubelet", "kube-proxy", "coredns", "containerd", "kube-scheduler", "kube-controller-manager"]
    return order.index(name) if name in order else len(order) + (name == "etcd")


def _healthy(access: Access) -> bool:
    try:
        return access.call("GET", "/health")[0] == 200
    except OSError:
        return False


def _answers(url: str) -> bool:
    try:
        # Straight to the node: a proxy of the environment does not know it.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _node_ready(access: Access, since: float) -> bool:
    """Whether the node is ready, said by a kubelet that has run since then: the last one's word may be stored yet."""
    status, lease = access.call("GET", f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{NODE_NAME}")
    if status != 200 or datetime.fromisoformat(lease["spec"]["renewTime"]).timestamp() < since:
        return False
    status, node = access.call("GET", f"/api/v1/nodes/{NODE_NAME}")
    conditions = node["status"].get("conditions", []) if status == 200 else []
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and not any(taint["effect"] == "NoSchedule" for taint in node["spec"].get("taints", []))


def _name_servers() -> list[str]:
    """The machine's name servers: systemd-resolved lists the real ones beside its own loopback address."""
    for file in ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"):
        path = Path(file)
        if path.exists() and (found := configuration.name_servers(path.read_text())):
            return found
    return []
