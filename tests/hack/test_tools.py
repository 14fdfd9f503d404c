"""Tools are found in a version that fits, or made once per version and source."""

import os
import stat
import threading
from pathlib import Path

import pytest

from hack import cache
from hack.console import Failure
from hack.tools import build, catalogue, debian, versions
from hack.tools.catalogue import DebianProgram, GoProgram, LinkTo, OnPath, Tool


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SELDON_CORE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def program(path: Path, script: str) -> Path:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("text", "version"),
    [
        pytest.param("etcd Version: 3.4.23\nGo Version: go1.19.8", (3, 4, 23), id="etcd"),
        pytest.param("Client Version: v1.35.4\nKustomize Version: v5.7.1", (1, 35, 4), id="kubectl"),
        pytest.param("v3.22.0+g1234567", (3, 22, 0), id="helm"),
        pytest.param("kind v0.33.0 go1.26.8 linux/amd64", (0, 33, 0), id="kind"),
        pytest.param("version 7.2", (7, 2, 0), id="no patch number"),
        pytest.param("no version here", None, id="none"),
    ],
)
def test_version_is_read_from_what_programs_print(text: str, version: versions.Version | None) -> None:
    assert versions.parse(text) == version


@pytest.mark.parametrize(
    ("version", "fits"),
    [((1, 33, 9), False), ((1, 34, 0), True), ((1, 36, 2), True), ((1, 37, 0), False), ((2, 35, 0), False)],
    ids=str,
)
def test_kubectl_fits_within_one_minor_version(version: versions.Version, fits: bool) -> None:
    assert versions.within_one_minor((1, 35, 4))(version) is fits


@pytest.mark.parametrize(
    ("version", "fits"), [((3, 3, 27), False), ((3, 4, 0), True), ((3, 6, 1), True), ((4, 5, 0), False)], ids=str
)
def test_etcd_fits_from_a_minor_version_on(version: versions.Version, fits: bool) -> None:
    assert versions.at_least(3, 4)(version) is fits


@pytest.mark.parametrize(
    "content",
    ["require example.org/m v1.2.3\n", "require (\n\texample.org/m v1.2.3 // indirect\n)\n"],
    ids=["single", "block"],
)
def test_required_version_is_read_from_go_mod(tmp_path: Path, content: str) -> None:
    go_mod = tmp_path / "go.mod"
    go_mod.write_text(f"module x\n{content}")
    assert versions.required(go_mod, "example.org/m") == "v1.2.3"
    with pytest.raises(LookupError, match="does not require"):
        versions.required(go_mod, "example.org/other")


def test_every_tool_names_a_source_that_exists() -> None:
    for tool in catalogue.TOOLS.values():
        if isinstance(tool.source, GoProgram):
            assert all(source.is_file() for source in tool.source.sources()), tool.name
            assert not tool.source.package.startswith("./") or any(
                source.name == "main.go" for source in tool.source.sources()
            ), tool.name
        if isinstance(tool.source, LinkTo):
            assert tool.source.tool in catalogue.TOOLS


def test_cache_path_changes_with_sources_and_flags(tmp_path: Path) -> None:
    for name in ("go.mod", "go.sum", "main.go"):
        (tmp_path / name).write_text(name)
    first = GoProgram(tmp_path, "./", "v1.0.0")
    paths = {build.cache_path("tool", first)}
    assert build.cache_path("tool", first) in paths
    paths.add(build.cache_path("tool", GoProgram(tmp_path, "./", "v1.0.0", "-s")))
    paths.add(build.cache_path("tool", GoProgram(tmp_path, "./", "v1.0.1")))
    (tmp_path / "main.go").write_text("changed")
    paths.add(build.cache_path("tool", first))
    assert len(paths) == 4


def test_unknown_tool_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Failure, match=r"ectd: no such tool; one of coredns, .*etcd, .*kubectl"):
        build.find("ectd")


@pytest.mark.parametrize(
    ("script", "used"),
    [
        pytest.param("echo tool v1.5.0", True, id="fit"),
        pytest.param("echo tool v0.9.0", False, id="too old"),
        pytest.param("echo tool v1.5.0; exit 1", False, id="fails"),
        pytest.param("echo broken", False, id="says no version"),
    ],
)
def test_program_on_path_is_used_if_it_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path, script: str, used: bool
) -> None:
    there = program(tmp_path / "path" / "tool", script)
    monkeypatch.setenv("PATH", f"{there.parent}{os.pathsep}{os.environ['PATH']}")
    source = GoProgram(tmp_path, "./", "v1.6.0")
    for name in ("go.mod", "go.sum"):
        (tmp_path / name).write_text(name)
    tool = Tool("tool", source, OnPath(("version",), versions.at_least(1, 0), "1.0 or newer"))
    monkeypatch.setitem(catalogue.TOOLS, "tool", tool)
    program(tmp_path / "path" / "go", 'while [ "$1" != -o ]; do shift; done; echo built > "$2"')
    assert build.find("tool") == (there if used else build.cache_path("tool", source))


@pytest.fixture
def counted_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Go compiler that takes its time, and writes a line whenever it is called."""
    calls = tmp_path / "calls"
    script = f'echo called >> {calls}; sleep 0.2; while [ "$1" != -o ]; do shift; done; echo built > "$2"'
    go = program(tmp_path / "path" / "go", script)
    monkeypatch.setenv("PATH", f"{go.parent}{os.pathsep}{os.environ['PATH']}")
    for name in ("go.mod", "go.sum"):
        (tmp_path / name).write_text(name)
    monkeypatch.setitem(catalogue.TOOLS, "tool", Tool("tool", GoProgram(tmp_path, "./", "v1.0.0")))
    return calls


def test_two_builders_at_once_build_once(counted_go: Path) -> None:
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(build.find("tool"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert found[0].read_text() == "built\n"
    assert counted_go.read_text() == "called\n"


def test_failed_build_shows_its_output_and_leaves_nothing_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted_go: Path
) -> None:
    program(tmp_path / "path" / "go", "echo no route to the module proxy; exit 1")
    with pytest.raises(
        Failure, match=r"(?s)building tool v1.0.0.* exit code 1; .*GOPROXY.*no route to the module proxy"
    ):
        build.find("tool")
    source = catalogue.TOOLS["tool"].source
    assert isinstance(source, GoProgram)
    assert not build.cache_path("tool", source).exists()


def test_missing_go_is_named_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted_go: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build, "_GO_FOLDERS", ())
    with pytest.raises(Failure, match=r"go: not found on PATH; install Go 1\.\d+ or newer"):
        build.find("tool")


@pytest.fixture
def fake_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Debian's programs, where a package is a folder that is copied."""
    tools = tmp_path / "apt"
    program(tools / "apt-get", f'[ "$1" = update ] && exit; touch {tmp_path}/asked; cp {tmp_path}/package.deb .')
    program(
        tools / "dpkg",
        '[ -d "$3" ] || exit 2; mkdir -p "$3/usr/bin"; cp "$2" "$3/usr/bin/served"; chmod 755 "$3/usr/bin/served"',
    )
    program(tools / "dpkg-deb", "echo 1.2-3")
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setitem(
        catalogue.TOOLS,
        "served",
        Tool(
            "served",
            DebianProgram("serve-server", "usr/bin/served"),
            OnPath(("--version",), versions.at_least(1, 0), "served 1.0 or newer"),
        ),
    )
    return program(tmp_path / "package.deb", "echo served 1.2.0")


def test_debian_program_is_extracted_once_into_the_cache(fake_apt: Path, own_cache: Path) -> None:
    first = build.find("served")
    assert first.is_relative_to(own_cache)
    assert stat.S_IMODE(first.stat().st_mode) & 0o111
    (fake_apt.parent / "asked").unlink()
    assert build.find("served") == first
    assert not (fake_apt.parent / "asked").exists()


def test_debian_program_that_does_not_fit_is_refused(fake_apt: Path, own_cache: Path) -> None:
    program(fake_apt, "echo served 0.3.0")
    with pytest.raises(Failure, match=r"served 1\.2-3 of this distribution does not fit; put served 1\.0 or newer"):
        build.find("served")
    assert not (own_cache / "bin" / "served-debian").exists()


def test_missing_packages_are_named_when_they_cannot_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "on_path", lambda name: None if name in {"conntrack", "ip"} else Path("/bin") / name)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(
        Failure, match=r"missing: conntrack, iproute2; install them as root, .*apt-get install .*conntrack"
    ):
        debian.ensure(["conntrack", "ip", "runc"])


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({"SELDON_CORE_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a", id="chosen"),
        pytest.param({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/seldon-core", id="XDG"),
        pytest.param({"XDG_CACHE_HOME": "", "HOME": "/c"}, "/c/.cache/seldon-core", id="home"),
    ],
)
def test_cache_folder_follows_the_environment(environ: dict[str, str], expected: str) -> None:
    assert cache.cache_dir(environ) == Path(expected)


def test_file_that_says_so_already_is_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "file"
    cache.write_if_changed(file, "one", mode=0o600)
    inode = file.stat().st_ino
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    cache.write_if_changed(file, "one")
    assert file.stat().st_ino == inode
    cache.write_if_changed(file, "two")
    assert file.read_text() == "two"
    assert list(tmp_path.glob("file*")) == [file]
