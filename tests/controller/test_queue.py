import asyncio

import pytest

from controller.queue import KeyQueue


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> KeyQueue[str]:
    return KeyQueue(clock)


def drain(queue: KeyQueue[str]) -> list[str]:
    found = []
    while (key := queue.pop()) is not None:
        found.append(key)
    return found


async def test_keys_come_in_the_order_in_which_they_were_added_and_once(queue: KeyQueue[str]) -> None:
    for key in ("a", "b", "a", "c", "b"):
        queue.add(key)
    assert len(queue) == 3
    assert drain(queue) == ["a", "b", "c"]
    assert queue.pop() is None


async def test_a_key_is_never_handed_out_while_a_worker_has_it(queue: KeyQueue[str]) -> None:
    queue.add("a")
    assert queue.pop() == "a"
    queue.add("a")
    queue.add("a")
    assert queue.pop() is None
    assert len(queue) == 1
    queue.done("a")
    assert drain(queue) == ["a"]
    queue.done("a")
    assert queue.pop() is None


async def test_a_delayed_key_comes_when_its_time_has_come(queue: KeyQueue[str], clock: Clock) -> None:
    queue.add_after("a", 10)
    queue.add_after("b", 5)
    assert (len(queue), queue.pop()) == (0, None)
    clock.now += 5
    assert drain(queue) == ["b"]
    clock.now += 5
    assert drain(queue) == ["a"]
    clock.now += 100
    assert queue.pop() is None


@pytest.mark.parametrize(("first", "second"), [(10, 3), (3, 10)])
async def test_the_earlier_of_two_times_counts(queue: KeyQueue[str], clock: Clock, first: int, second: int) -> None:
    queue.add_after("a", first)
    queue.add_after("a", second)
    clock.now += 3
    assert drain(queue) == ["a"]
    queue.done("a")
    clock.now += 10
    assert queue.pop() is None


async def test_adding_now_overtakes_a_delay(queue: KeyQueue[str], clock: Clock) -> None:
    queue.add_after("a", 10)
    queue.add("a")
    assert drain(queue) == ["a"]
    queue.done("a")
    clock.now += 10
    assert queue.pop() is None


async def test_a_key_in_line_needs_no_delay(queue: KeyQueue[str], clock: Clock) -> None:
    queue.add("a")
    queue.add_after("a", 1)
    assert drain(queue) == ["a"]
    queue.done("a")
    clock.now += 1
    assert queue.pop() is None


async def test_a_delay_that_ends_while_a_worker_has_the_key_is_not_lost(queue: KeyQueue[str], clock: Clock) -> None:
    queue.add("a")
    assert queue.pop() == "a"
    queue.add_after("a", 1)
    clock.now += 1
    assert queue.pop() is None
    queue.done("a")
    assert drain(queue) == ["a"]


async def test_pauses_between_retries_grow_up_to_a_limit_and_start_anew_after_a_success(
    queue: KeyQueue[str], clock: Clock
) -> None:
    def pause() -> float:
        """Fail once, and return how long it takes until the key comes again."""
        queue.retry("a")
        begun = clock.now
        while queue.pop() is None:
            clock.now += 0.05
        queue.done("a")
        return clock.now - begun

    pauses = [pause() for _ in range(14)]
    for failures, value in enumerate(pauses[:9]):
        assert 0.25 * 2**failures <= value <= 0.5 * 2**failures + 0.06
    assert all(150 <= value <= 300.1 for value in pauses[11:])
    assert len({round(value, 3) for value in pauses[11:]}) > 1, "several keys must not come all at once"
    queue.succeeded("a")
    assert pause() <= 0.6


async def test_failures_of_one_key_do_not_delay_another(queue: KeyQueue[str], clock: Clock) -> None:
    for _ in range(8):
        queue.retry("a")
        clock.now += 1000
        assert drain(queue) == ["a"]
        queue.done("a")
    queue.retry("b")
    clock.now += 0.5
    assert drain(queue) == ["b"]


async def test_whoever_waits_gets_what_is_added() -> None:
    queue: KeyQueue[str] = KeyQueue()
    waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    for key in ("a", "b", "c"):
        queue.add(key)
    assert sorted(filter(None, await asyncio.gather(*waiting))) == ["a", "b", "c"]


async def test_whoever_waits_wakes_up_for_a_delayed_key() -> None:
    queue: KeyQueue[str] = KeyQueue()
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add_after("late", 3600)
    queue.add_after("soon", 0.01)
    assert await waiting == "soon"


async def test_closing_ends_all_waiting_and_hands_out_nothing_more() -> None:
    queue: KeyQueue[str] = KeyQueue()
    waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.close()
    assert await asyncio.gather(*waiting) == [None, None, None]
    queue.add("a")
    assert await queue.get() is None


async def test_many_workers_never_have_the_same_key(queue: KeyQueue[int]) -> None:
    busy: set[int] = set()
    seen: list[int] = []

    async def worker() -> None:
        while (key := await queue.get()) is not None:
            assert key not in busy
            busy.add(key)
            await asyncio.sleep(0)
            if len(seen) < 200:
                queue.add((key + 1) % 5)
                queue.add(key)
            busy.discard(key)
            seen.append(key)
            queue.done(key)
            if not len(queue) and not busy:
                queue.close()

    queue.add(0)
    await asyncio.gather(*(worker() for _ in range(4)))
    assert set(seen) == set(range(5))
