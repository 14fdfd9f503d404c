"""The wheel: what is in it, what it needs, and that nothing is held back by it."""

import re
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from seldon_core import __version__

ROOT = Path(__file__).resolve().parent.parent
MOST_DEPENDENCIES = 8


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = folder.glob("*.whl")
    assert path.name == f"seldon_core-{__version__}-py3-none-any.whl"
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    return Parser().parsestr(wheel.read(f"seldon_core-{__version__}.dist-info/METADATA").decode())


def test_the_wheel_holds_the_library_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "seldon_core"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert names == set(tracked.stdout.splitlines())
    assert "seldon_core/py.typed" in names
    assert {name.rpartition(".")[2] for name in names} <= {"py", "pyi", "typed", "binpb", "json", "yaml"}


def test_it_needs_few_packages_and_holds_none_back(metadata: Message) -> None:
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert 0 < len(needed) <= MOST_DEPENDENCIES, needed
    assert [line for line in needed if not re.fullmatch(r"[a-z-]+>=[\d.]+", line)] == []


def test_no_extra_holds_a_package_back(metadata: Message) -> None:
    optional = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" in line]
    assert [line for line in optional if re.search(r"<|==\d|~=|!=", line.partition(";")[0])] == []


def test_the_old_name_of_the_wrapper_is_an_empty_extra(metadata: Message) -> None:
    assert "microservice" in metadata.get_all("Provides-Extra", [])
    lines = metadata.get_all("Requires-Dist", [])
    assert [line for line in lines if re.search("extra == .microservice.", line)] == []


def test_it_brings_both_commands(wheel: zipfile.ZipFile) -> None:
    text = wheel.read(f"seldon_core-{__version__}.dist-info/entry_points.txt").decode()
    for command in ("seldon-core", "seldon-core-microservice"):
        assert f"\n{command} = seldon_core." in text
