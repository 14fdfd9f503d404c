"""The node's network: a namespace of its own, so that its rules, routes and ports are not the machine's.

Only two things are put on the machine itself: a link to that namespace and one nftables table of our own.
"""

from __future__ import annotations

from pathlib import Path

from hack.cluster import configuration
from hack.cluster.layout import BRIDGE, POD_GATEWAY, UPLINK, Layout
from hack.console import capture
from hack.tools import debian

_PREFIX_OF_PODS = 24


def exists(layout: Layout) -> bool:
    """Return whether the node's network namespace is there."""
    file = layout.network_namespace
    return file.exists() and file.stat().st_dev != layout.run.stat().st_dev


def up(layout: Layout) -> None:
    """Make the namespace, its link to the machine, the pods' bridge and the rules; what is there stays.

    The folder for what a reboot removes must be there.
    """
    if not exists(layout):
        layout.network_namespace.touch()
        capture(["unshare", f"--net={layout.network_namespace}", "true"])
    inside = ["nsenter", f"--net={layout.network_namespace}", "--"]
    if UPLINK not in capture([*inside, "ip", "-brief", "link"]):
        _remove_link(layout)
        peer = ["peer", "name", UPLINK, "netns", str(layout.network_namespace)]
        capture(["ip", "link", "add", layout.link, "type", "veth", *peer])
    capture(["ip", "address", "replace", f"{layout.machine_address}/30", "dev", layout.link])
    capture(["ip", "link", "set", layout.link, "up"])
    capture([*inside, "ip", "address", "replace", f"{layout.node_address}/30", "dev", UPLINK])
    for link in ("lo", UPLINK):
        capture([*inside, "ip", "link", "set", link, "up"])
    capture([*inside, "ip", "route", "replace", "default", "via", layout.machine_address])
    if BRIDGE not in capture([*inside, "ip", "-brief", "link"]):
        capture([*inside, "ip", "link", "add", BRIDGE, "type", "bridge"])
    capture([*inside, "ip", "address", "replace", f"{POD_GATEWAY}/{_PREFIX_OF_PODS}", "dev", BRIDGE])
    capture([*inside, "ip", "link", "set", BRIDGE, "up"])
    _let_bridged_traffic_meet_rules(inside)
    capture([*inside, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1"])
    capture([*inside, "nft", "-f", "-"], stdin=configuration.node_firewall())
    capture(["nft", "-f", "-"], stdin=configuration.machine_firewall(layout))


def down(layout: Layout) -> None:
    """Remove all of it; what is not there is not missed."""
    _remove_link(layout)
    if exists(layout):
        capture(["umount", layout.network_namespace])
    # Where the program is not installed, no table can have been made.
    if debian.on_path("nft") and layout.firewall_table in capture(["nft", "list", "tables"]):
        capture(["nft", "delete", "table", "ip", layout.firewall_table])


def process_ids(layout: Layout) -> list[int]:
    """Return the processes in the node's network: everything of the cluster but the pods' own processes."""
    if not exists(layout):
        return []
    wanted = layout.network_namespace.stat()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                namespace = (entry / "ns/net").stat()
            except OSError:
                continue
            if (namespace.st_dev, namespace.st_ino) == (wanted.st_dev, wanted.st_ino):
                found.append(int(entry.name))
    return found


def _remove_link(layout: Layout) -> None:
    if (Path("/sys/class/net") / layout.link).exists():
        capture(["ip", "link", "delete", layout.link])


def _let_bridged_traffic_meet_rules(inside: list[str]) -> None:
    """A pod that reaches its own neighbour through a Service crosses the bridge only: kube-proxy must see it."""
    setting = "net.bridge.bridge-nf-call-iptables"
    if not Path("/proc/sys/net/bridge").exists():
        capture(["modprobe", "br_netfilter"])
    capture([*inside, "sysctl", "-q", "-w", f"{setting}=1"])
