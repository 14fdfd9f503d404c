"""The controller's benchmark: what it creates, what it says, and that it runs."""

import subprocess
import sys

import pytest

from bench.controller import world
from bench.controller.__main__ import Run, report
from bench.controller.world import Usage
from seldon_core.api.validate import validate
from seldon_core.plan import Config, Observed, plan


def usage(cpu: float = 1.0, resident: int = 60_000_000, **requests: int) -> Usage:
    return Usage(cpu, resident, requests)


def run(**changes: object) -> Run:
    values: dict[str, object] = {
        "count": 100,
        "floor": 1.6,
        "created": 0.5,
        "built": 2.0,
        "available": 1.0,
        "idle": usage(list=3),
        "servers": 4.0,
        "done": usage(2.0, 64_000_000, list=3, get=300, patch=500),
        "steady": usage(2.1, 65_000_000, list=3, get=310, patch=500),
        "seconds": 60.0,
    }
    return Run(**{**values, **changes})  # type: ignore[arg-type]


def test_what_is_created_is_valid_and_has_as_many_children_as_are_waited_for() -> None:
    manifest = world.manifest(7)
    assert validate(manifest) == []
    assert len(plan(manifest, Config(), Observed()).objects) == world.CHILDREN_EACH


def test_a_line_of_the_table() -> None:
    line = "100 1.60 0.50 2.00 1.25 1.00 8.0 10.0 40.0 65.0 50.0 0"
    assert report(run()).split() == line.split()


@pytest.mark.parametrize(
    ("changes", "miss"),
    [
        pytest.param({}, [], id="all-hold"),
        pytest.param({"built": 2.3}, ["slower than 5 times the reference"], id="slow"),
        pytest.param({"steady": usage(2.1, 70_000_000, patch=500)}, ["more than 66 MB"], id="large"),
        pytest.param(
            {"steady": usage(2.1, patch=502, delete=1)}, ["3 mutating requests while nothing happened"], id="busy"
        ),
    ],
)
def test_what_does_not_hold_is_said(changes: dict[str, object], miss: list[str]) -> None:
    assert run(**changes).misses() == miss
    assert report(run(**changes)).splitlines()[1:] == [f"  {line}" for line in miss]


def test_numbers_that_make_no_sense_are_refused() -> None:
    command = [sys.executable, "-m", "bench.controller", "--counts", "none"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 2
    assert "--counts takes numbers above 0" in result.stderr


def test_it_runs() -> None:
    command = [sys.executable, "-m", "bench.controller", "--counts", "3", "--seconds", "0.5"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert result.returncode == 0, result.stderr
    line = result.stdout.splitlines()[1].split()
    assert (line[0], line[-1]) == ("3", "0")
