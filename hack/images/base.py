"""The Python base image, made from Debian packages where no registry can be reached."""

from __future__ import annotations

from pathlib import Path

from hack.cache import cache_dir, content_key
from hack.console import run_step
from hack.tools import debian

_SUITE = "bookworm"
_PACKAGES = ("ca-certificates", "netbase", "python3", "python3-pip", "python3-venv", "tzdata")
_SOURCES = (
    f"deb http://deb.debian.org/debian {_SUITE} main",
    f"deb http://deb.debian.org/debian {_SUITE}-updates main",
    f"deb http://deb.debian.org/debian-security {_SUITE}-security main",
)
_NOT_UNPACKED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
# What the registry's image has and Debian's Python does differently: the plain names, and pip without a venv.
_LIKE_THE_REGISTRYS = (
    'ln -s /usr/bin/python3 "$1/usr/local/bin/python"',
    'ln -s /usr/bin/python3 "$1/usr/local/bin/python3"',
    'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED "$1/etc/hostname" "$1/etc/resolv.conf"',
    'rm -rf "$1"/var/log/* "$1"/var/cache/* "$1"/usr/share/python-wheels/*.cache',
)
_DOCKERFILE = """FROM scratch
ADD root.tar /
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
CMD ["python3"]
"""


def key() -> str:
    """Return a key that changes with the recipe of the base image."""
    return content_key([], *_PACKAGES, *_SOURCES, *_NOT_UNPACKED, *_LIKE_THE_REGISTRYS, _DOCKERFILE)


def context() -> Path:
    """Return a folder with a Dockerfile and the root file system of the base image, made if it is not there yet.

    Raises:
        Failure: mmdebstrap is missing or fails; with the end of its output.
    """
    folder = cache_dir() / "images" / f"base-{key()}"
    if (folder / "Dockerfile").exists():
        return folder
    debian.ensure(["mmdebstrap"])
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in _NOT_UNPACKED]
    command += [f"--customize-hook={hook}" for hook in _LIKE_THE_REGISTRYS]
    log = cache_dir() / "logs" / "image-base.log"
    title = "making the Python base image from Debian packages"
    run_step(title, [*command, _SUITE, str(folder / "root.tar"), *_SOURCES], log=log)
    # The Dockerfile comes last: it says that the rest is complete.
    (folder / "Dockerfile").write_text(_DOCKERFILE)
    return folder
