"""Finds the targets and runs them: in this process on given inputs, in processes of their own under atheris."""

import importlib
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import targets

ROOT = Path(__file__).resolve().parents[2]
# One input that takes longer than this is a hang, also on a machine that has other things to do.
HANG = 20
LONGEST = 64 * 1024


@dataclass(frozen=True)
class Target:
    """What is fuzzed.

    Attributes:
        name: the name of its module.
        seeds: inputs to start from.
        check: takes an input and raises when something is wrong.
    """

    name: str
    seeds: Sequence[bytes]
    check: Callable[[bytes], None]


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        inputs: how many were tried.
        failure: what went wrong and with which input; empty when nothing did.
    """

    inputs: int
    failure: str


def names() -> list[str]:
    """Return the names of all targets."""
    return sorted(module.name for module in pkgutil.iter_modules(targets.__path__))


def module_of(name: str) -> str:
    """Return the module of a target; another one can be named in full."""
    return name if "." in name else f"{targets.__name__}.{name}"


def load(name: str) -> Target:
    """Return a target."""
    module = importlib.import_module(module_of(name))
    return Target(name, module.SEEDS, module.check)


def run(name: str, seconds: int, seed: int = 0, most: int = -1) -> Outcome:
    """Fuzz a target in a process of its own, starting from its seeds.

    Args:
        name: the target.
        seconds: for how long.
        seed: the same seed tries the same inputs in the same order; 0 is another one each time.
        most: how many inputs at most; -1 for any number.
    """
    with tempfile.TemporaryDirectory() as directory:
        corpus, crash = Path(directory, "corpus"), Path(directory, "crash")
        corpus.mkdir()
        for number, start in enumerate(load(name).seeds):
            (corpus / str(number)).write_bytes(start)
        flags = [
            f"-seed={seed}",
            f"-max_total_time={seconds}",
            f"-runs={most}",
            f"-timeout={HANG}",
            f"-max_len={LONGEST}",
            "-rss_limit_mb=2048",
        ]
        command = [sys.executable, "-m", "tests.fuzz.instrumented", name, *flags, f"-exact_artifact_path={crash}"]
        done = subprocess.run(
            [*command, corpus], cwd=ROOT, text=True, errors="replace", capture_output=True, check=False,
            timeout=seconds + 10 * HANG,
        )  # fmt: skip
        inputs = max((int(line[1:].split()[0]) for line in done.stderr.splitlines() if _is_progress(line)), default=0)
        if done.returncode == 0:
            return Outcome(inputs, "")
        found = f"\ninput: {crash.read_bytes()!r}" if crash.exists() else ""
        return Outcome(inputs, f"{done.stdout}{done.stderr}"[-5000:] + found)


def _is_progress(line: str) -> bool:
    return line.startswith("#") and line[1:].split("\t")[0].strip().isdigit()
