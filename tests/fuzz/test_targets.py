"""Each target, on the same few inputs every time; `make fuzz` looks further."""

import subprocess
import sys

import pytest

from tests.fuzz import fuzzing

SECONDS = 8
INPUTS = 2000


@pytest.mark.parametrize("name", fuzzing.names())
def test_the_seeds_pass_and_so_does_what_is_made_of_them(name: str) -> None:
    target = fuzzing.load(name)
    assert target.seeds
    for seed in target.seeds:
        target.check(seed)
    outcome = fuzzing.run(name, SECONDS, seed=1, most=INPUTS)
    assert not outcome.failure, outcome.failure
    assert outcome.inputs > 0


def test_a_failure_is_reported_with_the_input_that_shows_it() -> None:
    outcome = fuzzing.run("tests.fuzz.wrong_on_purpose", SECONDS, seed=1)
    assert "ValueError: it begins with an A" in outcome.failure
    assert "input: b'A" in outcome.failure


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--seconds", "0"], "--seconds must be 1 or more"), (["nothing"], "no such target: nothing; there are ")],
    ids=["no time", "no such target"],
)
def test_what_cannot_be_run_is_refused(arguments: list[str], message: str) -> None:
    command = [sys.executable, "-m", "tests.fuzz", *arguments]
    done = subprocess.run(command, cwd=fuzzing.ROOT, text=True, capture_output=True, check=False, timeout=60)
    assert done.returncode == 2
    assert message in done.stderr
