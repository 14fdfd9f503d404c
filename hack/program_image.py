"""The image of a single static program, packed without any image builder."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

_USER = "65535:65535"
# As Go, and so images, call them.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def archive(program: Path, image: str) -> bytes:
    """Return a docker archive of an image that holds one static program and runs it; the same bytes every time.

    Arguments:
        program: the program.
        image: the name with its tag.
    """
    machine = platform.machine()
    architecture = _ARCHITECTURES.get(machine, machine)
    layer = _tar({program.name: (program.read_bytes(), 0o755)})
    identity = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    configuration = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": [f"/{program.name}"], "Env": ["PATH=/"], "User": _USER},
        "rootfs": {"type": "layers", "diff_ids": [identity]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [image], "Layers": ["layer.tar"]}]
    return _tar(
        {
            "config.json": (json.dumps(configuration).encode(), 0o644),
            "layer.tar": (layer, 0o644),
            "manifest.json": (json.dumps(manifest).encode(), 0o644),
        }
    )


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive_file:
        for name, (content, mode) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            archive_file.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
