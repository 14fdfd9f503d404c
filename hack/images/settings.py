"""The machine's settings of pip, which a build may need and an image must not keep."""

from __future__ import annotations

import configparser
import io
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

CERTIFICATES = Path("/etc/ssl/certs")
_BUNDLE = CERTIFICATES / "ca-certificates.crt"
_TAKEN = ("index-url", "extra-index-url", "trusted-host", "find-links", "timeout")
_LINE = re.compile(r"^(?:global|:env:)\.(?P<name>[a-z-]+)='(?P<value>.*)'$")


def pip_settings() -> dict[str, str]:
    """Return the machine's pip settings that decide where packages come from, by pip's own names."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    settings = parse(listed.stdout) if listed.returncode == 0 else of_environment(os.environ)
    if _BUNDLE.exists():
        settings["cert"] = str(_BUNDLE)
    return settings


def parse(listing: str) -> dict[str, str]:
    """Return the settings of interest in the output of `pip config list`; the environment's lines win."""
    found = [match for line in listing.splitlines() if (match := _LINE.match(line.strip()))]
    # pip lists the environment's lines first.
    return {match["name"]: match["value"] for match in reversed(found) if match["name"] in _TAKEN and match["value"]}


def of_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of interest in the environment alone."""
    names = {name: f"PIP_{name.upper().replace('-', '_')}" for name in _TAKEN}
    return {name: environ[variable] for name, variable in names.items() if environ.get(variable)}


def build_arguments(settings: Mapping[str, str], declared: set[str]) -> dict[str, str]:
    """Return the build arguments for those settings that a Dockerfile declares an argument for."""
    arguments = {f"PIP_{name.upper().replace('-', '_')}": value for name, value in settings.items()}
    return {name: value for name, value in arguments.items() if name in declared}


def configuration_file(settings: Mapping[str, str]) -> str:
    """Return the settings as a pip.conf."""
    parser = configparser.RawConfigParser()
    parser["global"] = dict(settings)
    buffer = io.StringIO()
    parser.write(buffer)
    return buffer.getvalue()


def local_folders(settings: Mapping[str, str]) -> list[Path]:
    """Return the folders of this machine that pip is told to look into."""
    words = settings.get("find-links", "").split()
    return [Path(word) for word in words if word.startswith("/") and Path(word).is_dir()]
