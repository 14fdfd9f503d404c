"""Programs from Debian packages: installed by apt when root, or only extracted into the cache."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from hack.cache import cache_dir, locked
from hack.console import Failure, capture, run_step, say

# Programs that the local cluster, the image builds and the benchmarks need, and the packages that hold them.
PACKAGES = {
    "buildah": "buildah",
    "conntrack": "conntrack",
    "containerd": "containerd",
    "ethtool": "ethtool",
    "ip": "iproute2",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "runc": "runc",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "wrk": "wrk",
}
_CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
_SYSTEM_PATH = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_NONINTERACTIVE = {"DEBIAN_FRONTEND": "noninteractive"}


def on_path(program: str) -> Path | None:
    """Return where a program is, looking also in the administrator's folders, or None."""
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_PATH])
    found = shutil.which(program, path=search)
    return Path(found) if found else None


def cni_plugins() -> Path:
    """Return the folder of the CNI plugins: where Debian's package puts them unless they are elsewhere."""
    return next((folder for folder in _CNI_FOLDERS if (folder / "bridge").exists()), _CNI_FOLDERS[0])


def missing_packages(programs: Iterable[str]) -> list[str]:
    """Return the packages of those programs that are not there; "cni" stands for the CNI plugins."""
    packages = {
        "containernetworking-plugins" if name == "cni" else PACKAGES[name]
        for name in programs
        if not ((cni_plugins() / "bridge").exists() if name == "cni" else on_path(name))
    }
    return sorted(packages)


def ensure(programs: Iterable[str]) -> None:
    """Make sure that programs are installed: by apt-get when root.

    Raises:
        Failure: some are missing and cannot be installed from here; says what to install.
    """
    missing = missing_packages(programs)
    if not missing:
        return
    by_hand = f"apt-get install --no-install-recommends {' '.join(missing)}"
    if os.geteuid() != 0 or not on_path("apt-get"):
        raise Failure(f"missing: {', '.join(missing)}; install them as root, on Debian with: {by_hand}")
    with locked("apt"):
        say(f"installing Debian packages, which stay until you remove them: {' '.join(missing)}")
        _update_lists()
        log = cache_dir() / "logs" / "apt-install.log"
        install = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
        run_step("apt-get install", install, log=log, env=_NONINTERACTIVE, remedy=f"try by hand: {by_hand}")


def extract(package: str, into: Path) -> str:
    """Download a package and extract it into a folder, without installing it; return its version.

    Raises:
        Failure: there is no apt here, or the package cannot be had.
    """
    if not on_path("apt-get"):
        raise Failure(f"cannot fetch the Debian package {package}: no apt-get here; install {package} by hand")
    with locked("apt"), tempfile.TemporaryDirectory(prefix="seldon-deb-") as scratch:
        try:
            _download(package, Path(scratch))
        except Failure:
            # The usual reason on a new machine: no package lists yet, or lists older than the archive.
            if os.geteuid() != 0:
                raise
            _update_lists()
            _download(package, Path(scratch))
        archive = next(Path(scratch).glob("*.deb"))
        into.mkdir(parents=True, exist_ok=True)
        capture(["dpkg", "-x", archive, into])
        return capture(["dpkg-deb", "-f", archive, "Version"]).strip()


def _download(package: str, folder: Path) -> None:
    # The lock of apt's own download folder is not needed here, and the sandbox user cannot write to ours.
    command = ["apt-get", "download", "-o", "APT::Sandbox::User=root", package]
    log = cache_dir() / "logs" / f"apt-download-{package}.log"
    run_step(f"downloading the Debian package {package}", command, cwd=folder, log=log)


def _update_lists() -> None:
    log = cache_dir() / "logs" / "apt-update.log"
    run_step("apt-get update", ["apt-get", "update"], log=log, env=_NONINTERACTIVE, remedy="check the network")
