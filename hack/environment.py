"""Makes the development environment: a virtual environment with the pinned requirements and the project itself.

`python3 -m hack.environment DIRECTORY`; safe to run again, and says what to install where Python lacks venv.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def make(directory: Path) -> None:
    """Create or complete the virtual environment at `directory`.

    Raises:
        SystemExit: the interpreter is too old, or an installation step failed (its output has been shown).
    """
    if sys.version_info < (3, 11):
        raise SystemExit(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; run `make PYTHON=python3.11`")
    python = directory / "bin" / "python"
    if not python.exists():
        print(f"Creating {directory} with Python {sys.version.split()[0]}", flush=True)
        if subprocess.run([sys.executable, "-m", "venv", directory], check=False).returncode:
            raise SystemExit("python3 -m venv failed; on Debian and Ubuntu: apt-get install python3-venv")
    print("Installing the pinned requirements (a minute or two the first time)", flush=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for arguments in (
        ["--require-hashes", "--requirement", ROOT / "requirements" / "dev.txt"],
        ["--no-deps", "--no-build-isolation", "--editable", ROOT],
    ):
        if code := subprocess.run([*pip, *arguments], check=False).returncode:
            raise SystemExit(code)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python3 -m hack.environment DIRECTORY")
    make(Path(sys.argv[1]))
