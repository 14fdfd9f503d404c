"""Looks through a finished image for what must not be inside: root as its user, and anything of the machine."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

_FORBIDDEN_FILES = re.compile(
    r"^(etc/pip\.conf|root/\.(netrc|pip/.+|config/pip/.+|cache/.+)|usr/local/share/ca-certificates/.+)$"
)
_FORBIDDEN_VARIABLES = re.compile(r"^(PIP_(CERT|INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|TRUSTED_HOST)|\w+_proxy)=", re.I)
_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
_SEARCHED_SIZE = 1 << 20


def findings(archive: Path, secrets: Iterable[str]) -> list[str]:
    """Return what is wrong with the image in a docker archive, in words; nothing if it is fine.

    Arguments:
        archive: the archive.
        secrets: texts of this machine that may not occur in it, such as the address of a package index.
    """
    wanted = [secret.encode() for secret in secrets if secret]
    with tarfile.open(archive) as outer:
        manifest = json.loads(_content(outer, "manifest.json"))[0]
        configuration = _content(outer, manifest["Config"])
        found = [*_of_configuration(configuration, wanted)]
        bundles = 0
        for layer in manifest["Layers"]:
            with outer.extractfile(layer) as stream, tarfile.open(fileobj=stream) as inner:  # type: ignore[union-attr]
                for member in inner:
                    bundles += member.name.removeprefix("./") == _BUNDLE
                    found += _of_file(inner, member, wanted)
    if bundles > 1:
        found.append(f"/{_BUNDLE} was replaced after the base image: it may be this machine's")
    return found


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    return file.read() if file else b""


def _of_configuration(content: bytes, wanted: list[bytes]) -> Iterator[str]:
    settings = json.loads(content).get("config", {})
    user = settings.get("User", "").partition(":")[0]
    if not user.isdigit() or int(user) == 0:
        yield f"USER {user or '(none)'}: the user must be a number other than 0"
    for variable in settings.get("Env") or []:
        if _FORBIDDEN_VARIABLES.match(variable):
            yield f"ENV {variable}: a setting of the machine that built it"
    yield from (f"its configuration or history holds {text.decode()}" for text in wanted if text in content)


def _of_file(archive: tarfile.TarFile, member: tarfile.TarInfo, wanted: list[bytes]) -> Iterator[str]:
    name = member.name.removeprefix("./")
    if not member.isfile():
        return
    if _FORBIDDEN_FILES.match(name) and member.size:
        yield f"/{name}: a file of the machine that built it, or of a package cache"
    if member.size <= _SEARCHED_SIZE and wanted:
        content = _content_of(archive, member)
        yield from (f"/{name} holds {text.decode()}" for text in wanted if text in content)


def _content_of(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return file.read() if file else b""
