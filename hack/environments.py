"""Virtual environments beside the project's own: made by uv, in the cache, and again when their key changes."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.cache import cache_dir, content_key, locked
from hack.console import Failure, capture, run_step
from hack.images.settings import pip_settings

# By pip's names for them; uv knows none of pip's settings.
_FLAGS = {
    "index-url": "--default-index",
    "extra-index-url": "--index",
    "find-links": "--find-links",
    "trusted-host": "--allow-insecure-host",
}


@dataclass(frozen=True)
class Environment:
    """A virtual environment, kept in the cache.

    Arguments:
        name: of what is in it, for the folder.
        requirements: what is installed.
        period: changes when the newest releases are to be looked for again; empty where versions are pinned.
    """

    name: str
    requirements: tuple[str, ...]
    period: str = ""

    @property
    def folder(self) -> Path:
        """Where it is."""
        key = content_key([], sys.version, self.period, *self.requirements)
        return cache_dir() / "environments" / f"{self.name}-{key}"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def exists(self) -> bool:
        """Whether it is complete."""
        return (self.folder / "complete").exists()

    def make(self) -> None:
        """Make it, unless it is there; one with another key goes.

        Raises:
            Failure: something cannot be installed.
        """
        with locked(f"environment-{self.name}"):
            if self.exists:
                return
            for old in self.folder.parent.glob(f"{self.name}-*"):
                shutil.rmtree(old)
            try:
                run_step(f"creating the environment {self.name}", _uv("venv", self.folder, "--python", sys.executable),
                         log=self._log, env=_variables())  # fmt: skip
                self.install(self.requirements)
            except Failure:
                shutil.rmtree(self.folder, ignore_errors=True)
                raise
            (self.folder / "complete").touch()

    def install(self, requirements: Sequence[str | Path], *flags: str) -> None:
        """Install more into it.

        Raises:
            Failure: something cannot be installed.
        """
        if requirements:
            command = _uv("pip", "install", "--python", self.python, *_index(), *flags, *requirements)
            run_step(f"installing into {self.name}", command, log=self._log, env=_variables())

    def versions(self) -> dict[str, str]:
        """The version of each package in it, by its name."""
        listed = capture(_uv("pip", "freeze", "--python", self.python), env={**os.environ, **_variables()})
        return dict(line.split("==") for line in listed.splitlines() if "==" in line)

    def variables(self) -> dict[str, str]:
        """The variables of a process that runs in it."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return {**inherited, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}

    @property
    def _log(self) -> Path:
        return cache_dir() / "logs" / f"environment-{self.name}.log"


def _uv(*arguments: str | Path) -> list[str | Path]:
    return [sys.executable, "-m", "uv", *arguments]


def _variables() -> dict[str, str]:
    """Where uv keeps what it has fetched, and whom it trusts."""
    certificate = pip_settings().get("cert")
    return {"UV_CACHE_DIR": str(cache_dir() / "uv"), **({"SSL_CERT_FILE": certificate} if certificate else {})}


def _index() -> list[str]:
    settings = pip_settings()
    return [part for name, flag in _FLAGS.items() for value in settings.get(name, "").split() for part in (flag, value)]
