"""The parts of the local cluster that need no cluster: names, configuration, processes, remains."""

import ipaddress
import json
import os
import subprocess
import sys
import tarfile
import time
import tomllib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hack import cluster, hidden, program_image
from hack.certificates import Authority, Pair, alternative_names, subject
from hack.cluster import __main__ as commands
from hack.cluster import configuration, kind, machine, network, remains
from hack.cluster.layout import DNS_SERVICE, PAUSE_IMAGE, SERVICE_RANGE, UPLINK, Layout
from hack.cluster.local import LocalCluster, stop_order
from hack.cluster.processes import Processes, Record, parse_start_ticks
from hack.console import Failure
from hack.tools import debian


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("SELDON_CORE_CACHE", str(tmp_path))
    return Layout.of(tmp_path)


# Layout


@given(st.text(alphabet=st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=300))
def test_names_of_every_cache_are_within_the_limits_of_the_kernel(name: str) -> None:
    layout = Layout.of(Path("/") / name)
    assert len(layout.link) <= 15
    assert len(str(layout.containerd_socket)) <= 107
    link = ipaddress.IPv4Network(layout.link_range)
    hosts = [str(host) for host in link.hosts()]
    assert [layout.machine_address, layout.node_address] == hosts
    assert link.subnet_of(ipaddress.IPv4Network("198.18.0.0/15"))


def test_two_caches_share_no_name() -> None:
    one, two = Layout.of(Path("/a")), Layout.of(Path("/b"))
    for name in ("run", "link", "cgroup", "firewall_table", "link_range", "root"):
        assert getattr(one, name) != getattr(two, name)


def test_a_machine_without_the_firewalls_program_has_nothing_of_it_to_remove(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(debian, "_SYSTEM_PATH", ())
    network.down(layout)


# Configuration


def test_containerd_keeps_to_folders_of_our_own(layout: Layout) -> None:
    settings = tomllib.loads(configuration.containerd(layout, Path("/usr/lib/cni")))
    cri = settings["plugins"]["io.containerd.grpc.v1.cri"]
    runc = cri["containerd"]["runtimes"]["runc"]["options"]
    ours = [
        settings["root"],
        settings["state"],
        settings["grpc"]["address"],
        settings["plugins"]["io.containerd.internal.v1.opt"]["path"],
        cri["cni"]["conf_dir"],
        runc["Root"],
    ]
    assert all(Path(path).is_relative_to(layout.root) or Path(path).is_relative_to(layout.run) for path in ours)
    assert cri["sandbox_image"] == PAUSE_IMAGE
    assert cri["restrict_oom_score_adj"] is True


def test_kubelet_and_pod_network_keep_to_folders_of_our_own(layout: Layout) -> None:
    pair = Pair(Path("/server.crt"), Path("/server.key"))
    kubelet = configuration.kubelet(layout, Path("/ca.crt"), pair, Path("/resolv.conf"))
    for field in ("podLogsDir", "volumePluginDir"):
        assert Path(kubelet[field]).is_relative_to(layout.root)
    assert kubelet["authentication"]["anonymous"] == {"enabled": False}
    (bridge,) = configuration.pod_network(layout)["plugins"]
    assert Path(bridge["ipam"]["dataDir"]).is_relative_to(layout.run)


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        pytest.param("nameserver 10.0.0.1\nnameserver 10.0.0.2\n", ["10.0.0.1", "10.0.0.2"], id="two"),
        pytest.param("# nameserver 1.1.1.1\nsearch x\noptions a\nnameserver\n", [], id="none"),
        pytest.param("nameserver 127.0.0.53\n", [], id="loopback is another network's"),
        pytest.param("nameserver fe80::1%eth0\nnameserver 10.0.0.1 \n", ["10.0.0.1"], id="IPv6 is not routed"),
    ],
)
def test_name_servers_are_those_that_the_node_can_reach(text: str, servers: list[str]) -> None:
    assert configuration.name_servers(text) == servers


def test_nobody_outside_is_asked_in_place_of_a_service_that_the_node_does_not_know_yet() -> None:
    rules = configuration.node_firewall()
    assert rules.count(f'ip daddr {SERVICE_RANGE} oifname "{UPLINK}" reject') == 2  # from pods, and from the node


def test_corefile_asks_the_world_only_where_there_is_one(layout: Layout) -> None:
    alone = configuration.corefile(layout, Path("/k"), [])
    assert "forward" not in alone
    assert "kubernetes cluster.local" in alone
    assert "forward . 10.0.0.1 10.0.0.2\n" in configuration.corefile(layout, Path("/k"), ["10.0.0.1", "10.0.0.2"])


def test_dns_objects_have_a_path_each_and_lead_to_the_node(layout: Layout) -> None:
    objects = configuration.dns_objects(layout)
    assert [configuration.object_path(obj) for obj in objects] == [
        "/api/v1/namespaces/kube-system/services/kube-dns",
        "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/kube-dns",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:coredns",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:coredns",
    ]
    assert objects[0]["spec"]["clusterIP"] == DNS_SERVICE
    assert objects[1]["endpoints"][0]["addresses"] == [layout.node_address]


def test_kubelet_stops_first_and_etcd_last() -> None:
    names = ["etcd", "kube-apiserver", "containerd", "kubelet", "kube-scheduler", "coredns"]
    ordered = sorted(names, key=stop_order)
    assert (ordered[0], ordered[-2:]) == ("kubelet", ["kube-apiserver", "etcd"])


# Certificates


@pytest.mark.parametrize(
    ("user", "groups", "expected"),
    [
        pytest.param("admin", ["system:masters"], "/O=system:masters/CN=admin", id="group"),
        pytest.param("a/b", ["c+d", "e\\f"], "/O=c\\+d/O=e\\\\f/CN=a\\/b", id="escapes"),
    ],
)
def test_subject_is_written_for_openssl(user: str, groups: list[str], expected: str) -> None:
    assert subject(user, groups) == expected


def test_addresses_and_names_are_told_apart() -> None:
    assert alternative_names(["10.0.0.1", "localhost", "::1"]) == "IP:10.0.0.1,DNS:localhost,IP:::1"


def test_certificates_are_made_once_and_hold_what_was_asked(tmp_path: Path) -> None:
    pair = Authority(tmp_path, "ca").issue("server", "server", ["g"], hosts=["10.0.0.1"])
    first = pair.certificate.read_bytes()
    assert Authority(tmp_path, "ca").issue("server", "server", ["g"], hosts=["10.0.0.1"]) == pair
    assert pair.certificate.read_bytes() == first
    assert pair.key.stat().st_mode & 0o077 == 0
    show = ["openssl", "x509", "-noout", "-text", "-in", str(pair.certificate)]
    text = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    assert "IP Address:10.0.0.1" in text
    assert "CA:FALSE" in text
    verify = ["openssl", "verify", "-CAfile", str(tmp_path / "ca.crt"), str(pair.certificate)]
    assert subprocess.run(verify, capture_output=True, check=False).returncode == 0


def test_certificate_for_other_hosts_replaces_the_old_one(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    first = authority.issue("server", "server", hosts=["10.0.0.1"]).certificate.read_bytes()
    assert authority.issue("server", "server", hosts=["10.0.0.2"]).certificate.read_bytes() != first


# Processes


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path / "records", tmp_path / "logs")
    yield processes
    for name in processes.names():
        processes.stop(name)


def sleeper(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "import time; time.sleep(600)", *arguments]


def test_process_survives_asking_twice_and_changes_with_its_command(processes: Processes, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("one")
    seen = set()
    for command, content in ((sleeper(), "one"), (sleeper(), "one"), (sleeper("x"), "one"), (sleeper("x"), "two")):
        config.write_text(content)
        processes.ensure("name", command, configuration=[config])
        record = processes.record("name")
        assert record is not None
        assert record.runs()
        seen.add(record.pid)
    assert len(seen) == 3
    last = processes.record("name")
    processes.stop("name")
    assert processes.names() == []
    assert last is not None
    assert not last.runs()


def test_killed_process_is_seen_and_started_again(processes: Processes) -> None:
    processes.ensure("name", sleeper())
    first = processes.record("name")
    assert first is not None
    os.kill(first.pid, 9)
    os.waitpid(first.pid, 0)
    assert not processes.running("name")
    processes.ensure("name", sleeper())
    assert processes.running("name")


def test_process_that_ignores_sigterm_is_killed(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hack.cluster.processes._STOP_TIMEOUT", 0.3)
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    processes.ensure("name", [sys.executable, "-c", stubborn])
    processes.wait_ready("name", lambda: "deaf" in processes.log("name").read_text())
    record = processes.record("name")
    assert record is not None
    processes.stop("name")
    assert not record.runs()


@pytest.mark.parametrize("change", [{"ticks": 1}, {"boot": "another boot"}], ids=["start time", "boot"])
def test_process_with_a_recycled_id_is_left_alone(
    processes: Processes, tmp_path: Path, change: dict[str, object]
) -> None:
    with subprocess.Popen(sleeper()) as innocent:
        try:
            processes.ensure("name", sleeper())
            mine = processes.record("name")
            assert mine is not None
            file = tmp_path / "records" / "name.json"
            real = json.loads(file.read_text())
            file.write_text(json.dumps({**real, "pid": innocent.pid, **change}))
            assert not processes.running("name")
            processes.stop("name")
            assert innocent.poll() is None
            file.write_text(json.dumps(real))
        finally:
            innocent.kill()


def test_process_that_ends_is_reported_with_its_log(processes: Processes) -> None:
    def start() -> None:
        processes.ensure("name", [sys.executable, "-c", "print('the port is taken'); raise SystemExit(3)"])
        processes.wait_ready("name", lambda: False)

    # It may end before or after its start is recorded.
    with pytest.raises(Failure, match=r"(?s)name ended( at once)?\n.*the port is taken"):
        start()


def test_process_that_is_not_ready_in_time_is_reported_with_its_log(processes: Processes) -> None:
    processes.ensure("name", [sys.executable, "-c", "import time; print('still loading', flush=True); time.sleep(600)"])
    processes.wait_ready("name", lambda: "still" in processes.log("name").read_text())
    with pytest.raises(Failure, match=r"(?s)name is ready: not so within 0 s\n.*still loading"):
        processes.wait_ready("name", lambda: False, timeout=0.0)


def test_unreadable_record_is_no_record(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "name.json").write_text("{")
    assert processes.record("name") is None
    processes.ensure("name", sleeper())
    assert processes.running("name")


@pytest.mark.parametrize(
    ("stat", "ticks"),
    [
        pytest.param("7 (name) S " + " ".join(map(str, range(4, 53))), 22, id="plain"),
        pytest.param("7 (a) b (c) R " + " ".join(map(str, range(4, 53))), 22, id="brackets in the name"),
        pytest.param("7 (name) Z " + " ".join(map(str, range(4, 53))), None, id="zombie"),
    ],
)
def test_start_time_is_field_22(stat: str, ticks: int | None) -> None:
    assert parse_start_ticks(stat) == ticks


def test_own_record_runs() -> None:
    with subprocess.Popen(sleeper()) as process:
        try:
            ticks = parse_start_ticks(Path(f"/proc/{process.pid}/stat").read_text())
            assert ticks is not None
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            assert Record(process.pid, ticks, boot, "", time.time()).runs()
        finally:
            process.kill()


# Remains

MOUNTINFO = r"""22 1 8:1 / / rw - ext4 /dev/a rw
30 22 0:5 / /cache/cluster/kubelet rw shared:1 - tmpfs tmpfs rw
31 30 0:6 / /cache/cluster/kubelet/with\040space rw - tmpfs tmpfs rw
32 22 0:7 / /cache/cluster-of-another rw - tmpfs tmpfs rw
33 22 0:8 / /run/ours/netns rw - nsfs nsfs rw
40 22 0:9 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
41 22 0:9 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
"""


def test_mounts_below_our_folders_are_found_inner_ones_first() -> None:
    assert remains.mount_points(MOUNTINFO, [Path("/cache/cluster"), Path("/run/ours")]) == [
        "/run/ours/netns",
        "/cache/cluster/kubelet/with space",
        "/cache/cluster/kubelet",
    ]


def test_control_groups_of_both_versions_are_found() -> None:
    expected = [Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/unified")]
    assert remains.control_group_mounts(MOUNTINFO) == expected


def test_nothing_of_a_cluster_that_never_was(layout: Layout) -> None:
    assert network.process_ids(layout) == []
    assert not network.exists(layout)


# What is changed of the machine, and hidden from it


def test_missing_folders_are_removed_again_unless_somebody_uses_them(tmp_path: Path) -> None:
    wanted = [tmp_path / "a" / "b", tmp_path / "c"]
    created = hidden.missing(wanted)
    assert created == [tmp_path / "a", tmp_path / "a" / "b", tmp_path / "c"]
    for folder in created:
        folder.mkdir()
    assert hidden.missing(wanted) == []
    (tmp_path / "c" / "somebody's").touch()
    hidden.remove(created)
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_program_sees_our_folder_and_the_machine_sees_nothing(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "fixed" / "folder", tmp_path / "it's ours"
    with hidden.prefix({theirs: ours}) as prefix:
        write = ["sh", "-c", 'echo "$1" > "$2/file"', "sh", "two words", str(theirs)]
        subprocess.run([*prefix, *write], check=True)
        assert list(theirs.iterdir()) == []
    assert (ours / "file").read_text() == "two words\n"
    assert not theirs.parent.exists()


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel with one setting, and a machine on which nothing runs."""
    settings = tmp_path / "sys"
    (settings / "net/ipv4").mkdir(parents=True)
    (settings / "net/ipv4/ip_forward").write_text("0\n")
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(machine, "_KERNEL", settings)
    monkeypatch.setattr(machine, "RUN", tmp_path / "run")
    monkeypatch.setattr(machine, "_NOTE", tmp_path / "run" / "note.json")
    monkeypatch.setattr("hack.cluster.layout.RUN", tmp_path / "run")
    return settings / "net/ipv4/ip_forward"


def test_machine_is_put_back_by_the_last_cluster(kernel: Path, tmp_path: Path) -> None:
    one, two, folder = Layout.of(tmp_path / "1"), Layout.of(tmp_path / "2"), tmp_path / "fixed"
    for layout in (one, two):
        layout.run.mkdir()
        machine.prepare([folder])
        machine.prepare([folder])
    assert kernel.read_text() == "1"
    one.run.rmdir()
    machine.restore(one)
    assert kernel.read_text() == "1"
    assert folder.exists()
    two.run.rmdir()
    machine.restore(two)
    assert kernel.read_text() == "0"
    assert not folder.exists()
    assert list((tmp_path / "run").iterdir()) == []


# Images of one program


def test_the_archive_of_a_program_is_a_docker_archive_and_always_the_same(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    content = program_image.archive(program, "name:1")
    assert content == program_image.archive(program, "name:1")
    with tarfile.open(fileobj=BytesIO(content)) as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json") or BytesIO())
        config = json.load(archive.extractfile(manifest["Config"]) or BytesIO())
        layer = archive.extractfile(manifest["Layers"][0])
        assert layer is not None
        with tarfile.open(fileobj=layer) as files:
            member = files.getmember("program")
    assert manifest["RepoTags"] == ["name:1"]
    assert config["config"]["User"] == "65535:65535"
    assert member.mode == 0o755


# Which cluster, and what its user sees


@pytest.mark.parametrize(
    ("script", "answers"),
    [pytest.param("exit 0", True, id="engine"), pytest.param("exit 1", False, id="client without an engine")],
)
def test_kind_is_used_where_an_engine_answers(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, answers: bool
) -> None:
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(f"#!/bin/sh\n{script}\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}{os.pathsep}{os.environ['PATH']}")
    assert isinstance(cluster.current(), kind.KindCluster if answers else LocalCluster)
    layout.records.mkdir(parents=True)
    assert isinstance(cluster.current(), LocalCluster)


def test_kind_cluster_is_created_once_and_deleted(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, calls = tmp_path / "state", tmp_path / "calls"
    program = tmp_path / "kind"
    program.write_text(
        f"""#!/bin/sh
echo "$@" >> {calls}
case "$1 $2" in
"get clusters") cat {state} 2>/dev/null ;;
"create cluster") echo seldon-core > {state} ;;
"export kubeconfig") echo config > {layout.kubeconfig} ;;
"delete cluster") rm {state} ;;
esac
exit 0
"""
    )
    program.chmod(0o755)
    monkeypatch.setattr(kind, "find", lambda name: program)
    ours = kind.KindCluster(layout)
    ours.up()
    ours.up()
    assert ours.status()
    assert layout.kubeconfig.exists()
    assert [line for line in calls.read_text().splitlines() if line.startswith("create")] == [
        f"create cluster --name seldon-core --wait 180s --kubeconfig {layout.kubeconfig}"
    ]
    ours.down()
    assert not ours.status()
    assert not layout.kubeconfig.exists()


def test_environment_points_to_the_cluster_and_to_tools_of_the_cache(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"kubectl": tmp_path / "bin" / "kubectl-1" / "kubectl", "helm": Path("/usr/bin/helm")}
    monkeypatch.setattr(cluster, "find", places.__getitem__)
    with pytest.raises(Failure, match=r"the local cluster is not up; run `python3 -m hack\.cluster up`"):
        cluster.user_environment({"PATH": "/usr/bin"})
    layout.root.mkdir()
    layout.kubeconfig.write_text("{}")
    assert cluster.user_environment({"PATH": "/usr/bin", "HOME": "/h"}) == {
        "PATH": f"{tmp_path}/bin/kubectl-1:/usr/bin",
        "HOME": "/h",
        "KUBECONFIG": str(layout.kubeconfig),
    }


def test_status_of_no_cluster_is_1(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "docker_answers", lambda: False)
    assert commands.main(["status"]) == 1


def test_user_who_is_not_root_is_told_what_to_do(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Failure, match=r"needs root on Linux; start Docker, or run this as root"):
        LocalCluster(layout).up()
