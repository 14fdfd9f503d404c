"""`python -m hack.compat [NAME...]`: install the wheel into each environment, and serve a model there."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from hack.cache import cache_dir
from hack.compat.matrix import Case, cases
from hack.console import Failure, run_main, run_step, say

ROOT = Path(__file__).resolve().parent.parent.parent
PROBE = Path(__file__).with_name("probe.py")
PACKAGE = "seldon-core"


def build_wheel(folder: Path) -> Path:
    """Build the project's wheel into a folder."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    run_step("building the wheel", command, log=cache_dir() / "logs" / "wheel.log")
    [wheel] = folder.glob("*.whl")
    return wheel


def check(case: Case, wheel: Path) -> None:
    """Install the wheel beside what a model brings, and serve models that import it.

    Raises:
        Failure: something cannot be installed, has to give way, or does not work.
    """
    environment = case.environment
    environment.make()
    before = environment.versions()
    # Wheels only: nobody should need a compiler for the wrapper.
    environment.install([wheel], "--only-binary", ":all:", "--reinstall-package", PACKAGE)
    after = environment.versions()
    if moved := moved_versions(before, after):
        raise Failure(f"{environment.name}: the wheel does not fit what is there: {moved}")
    for modules in case.imports:
        title = f"{environment.name}: serving a model with {' and '.join(modules) or 'nothing else'}"
        log = cache_dir() / "logs" / f"compat-{environment.name}.log"
        run_step(title, [environment.python, "-I", PROBE, *modules],
                 log=log, env=environment.variables())  # fmt: skip


def moved_versions(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return which packages were changed, "" if none."""
    moved = [
        f"{name} {version} became {after.get(name, 'absent')}"
        for name, version in before.items()
        if name != PACKAGE and after.get(name) != version
    ]
    return ", ".join(moved)


def main(arguments: Sequence[str]) -> int:
    """Check the environments of those names, or all."""
    known = {case.environment.name: case for case in cases(time.strftime("%Y-%m"))}
    parser = argparse.ArgumentParser(prog="python -m hack.compat", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(known)}; all by default")
    names = parser.parse_args(arguments).names or list(known)
    for name in names:
        if name not in known:
            parser.error(f"{name}: no such environment; one of {', '.join(known)}")
    with tempfile.TemporaryDirectory() as folder:
        wheel = build_wheel(Path(folder))
        for name in names:
            check(known[name], wheel)
            versions = known[name].environment.versions()
            listed = ", ".join(f"{package} {versions[package]}" for package in SHOWN if package in versions)
            say(f"{name}: works beside {listed}")
    return 0


SHOWN = ("numpy", "protobuf", "scikit-learn", "pandas", "mlserver", "tritonclient")

if __name__ == "__main__":
    run_main(main)
