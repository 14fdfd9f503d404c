"""Makes the development environment: a virtual environment with the pinned requirements and the project itself.

`python3 -m hack.environment DIRECTORY`; safe to run again, and says what to install where Python lacks venv.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from hack.cache import cache_dir
from hack.console import Failure, run_main, run_step

ROOT = Path(__file__).resolve().parent.parent


def make(directory: Path) -> None:
    """Create or complete the virtual environment at `directory`.

    Raises:
        Failure: the interpreter is too old, or an installation step failed.
    """
    version = sys.version.split()[0]
    if sys.version_info < (3, 11):  # noqa: UP036 - runs before anything could have checked
        raise Failure(f"Python 3.11 or newer is needed, this is {version}; run `make PYTHON=python3.11`")
    log = cache_dir() / "logs" / "environment.log"
    python = directory / "bin" / "python"
    if not (directory / "bin" / "pip").exists():
        run_step(
            f"creating {directory} with Python {version}",
            [sys.executable, "-m", "venv", directory],
            log=log,
            remedy="on Debian and Ubuntu: apt-get install python3-venv",
        )
    pip: list[str | Path] = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    requirements = ROOT / "requirements" / "dev.txt"
    run_step("installing the pinned requirements", [*pip, "--require-hashes", "-r", requirements], log=log)
    run_step("installing the project", [*pip, "--no-deps", "--no-build-isolation", "--editable", ROOT], log=log)


def main(arguments: Sequence[str]) -> int:
    """Make the environment at the given path."""
    if len(arguments) != 1:
        raise Failure("usage: python3 -m hack.environment DIRECTORY")
    make(Path(arguments[0]))
    return 0


if __name__ == "__main__":
    run_main(main)
