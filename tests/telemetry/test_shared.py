"""Processes that count together: nothing is lost, whoever looks and whoever dies."""

import os
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seldon_core.telemetry.metrics import Registry
from seldon_core.telemetry.shared import SharedMemory, SharedNumbers
from tests.telemetry.test_metrics import read_back


def test_forked_processes_count_together() -> None:
    memory = SharedMemory(places=3)
    pids = []
    for place in range(3):
        pid = os.fork()
        if not pid:
            seconds = Registry(SharedNumbers(memory, place)).histogram("seconds", "Time.", ("code",), buckets=(1.0,))
            for _ in range(place + 1):
                seconds.labels("200").observe(0.5)
                seconds.labels(f"50{place}").observe(2.0)
            os.kill(os.getpid(), signal.SIGKILL)  # what was counted does not depend on an orderly end
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    registry = Registry(SharedNumbers(memory, 0))
    registry.histogram("seconds", "Time.", ("code",), buckets=(1.0,))
    counts = {dict(labels)["code"]: value for (name, labels), value in read_back(registry).items() if "count" in name}
    assert counts == {"200": 6, "500": 1, "501": 2, "502": 3}


def test_a_process_goes_on_where_the_one_before_it_ended() -> None:
    memory = SharedMemory(places=1)
    for _ in range(3):
        cells = SharedNumbers(memory, 0).take("n", ("a",), 2)
        cells[0] += 1
        cells[1] += 0.5
    assert list(SharedNumbers(memory, 0).totals("n")[("a",)]) == [3, 1.5]


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
labels = st.tuples(TEXT, TEXT)


@given(st.lists(st.tuples(st.integers(0, 2), labels, st.integers(1, 100)), max_size=30))
def test_totals_are_sums(additions: list[tuple[int, tuple[str, str], int]]) -> None:
    memory = SharedMemory(places=3)
    numbers = [SharedNumbers(memory, place) for place in range(3)]
    expected: dict[tuple[str, str], float] = {}
    for place, values, amount in additions:
        numbers[place].take("n", values, 1)[0] += amount
        numbers[place].take("other", values, 1)[0] += 1
        expected[values] = expected.get(values, 0) + amount
    for each in numbers:
        assert {values: cells[0] for values, cells in each.totals("n").items()} == expected


def test_a_region_that_is_full_says_so() -> None:
    numbers = SharedNumbers(SharedMemory(places=1, region_bytes=4096), 0)
    for index in range(28):
        numbers.take("n", (str(index),), 16)
    with pytest.raises(MemoryError, match="take more than 4096 bytes"):
        numbers.take("n", ("one more",), 16)
    assert len(numbers.totals("n")) == 28


def test_who_takes_part_is_known() -> None:
    memory = SharedMemory(places=2)
    assert SharedNumbers(memory, 1).processes() == [os.getpid(), os.getpid()]


def test_who_has_ended_takes_no_part_and_what_it_counted_is_kept() -> None:
    memory = SharedMemory(places=1)
    numbers = SharedNumbers(memory, 0)
    numbers.take("n", ("a",), 1)[0] += 2
    memory.vacate(0)
    assert numbers.processes() == [os.getpid()], "of the one that made the memory"
    pid, [(key, cells)] = memory.entries(0)
    assert (pid, key, list(cells)) == (0, ["n", "a"], [2])
    SharedNumbers(memory, 0).take("n", ("a",), 1)[0] += 1
    assert list(numbers.totals("n")[("a",)]) == [3]
