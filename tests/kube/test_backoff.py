"""Pauses grow, stay within bounds and begin anew."""

from hypothesis import given
from hypothesis import strategies as st

from seldon_core.kube.backoff import Backoff


@given(first=st.floats(0.01, 1), limit=st.floats(1, 60), attempts=st.integers(1, 30))
def test_pauses_grow_up_to_the_limit(first: float, limit: float, attempts: int) -> None:
    backoff = Backoff(first, limit)
    for attempt in range(attempts):
        step = min(limit, first * 2.0**attempt)
        assert step / 2 <= backoff.pause() <= step
    backoff.reset()
    assert first / 2 <= backoff.pause() <= first


def test_what_the_server_asks_for_is_respected_even_beyond_the_limit() -> None:
    assert Backoff(1, 30).pause(at_least=60) == 60
