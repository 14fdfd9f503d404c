"""Whatever is sent, the answer is a refusal with its reasons, an admission, or a 400: never a fault of ours."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.samples import JSON
from tests.webhook.reviews import review
from tests.webhook.verdicts import hold
from webhook.server import KEEP_ALIVE


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    hold(body)


@given(st.integers(0, 600), st.binary(min_size=1, max_size=8))
def test_a_review_with_any_bytes_in_it(place: int, noise: bytes) -> None:
    body = json.dumps(review()).encode()
    hold(body[:place] + noise + body[place:])
    hold(body[:place] + noise + body[place + len(noise) :])


@settings(max_examples=200)
@given(JSON, JSON)
def test_any_values_in_place_of_the_objects(obj: Any, old: Any) -> None:
    hold(json.dumps(review({"spec": obj})).encode())
    hold(json.dumps(review({"spec": obj}, operation="UPDATE", oldObject=old)).encode())


@given(st.sampled_from(sorted(review()["request"])), JSON)
def test_any_value_in_place_of_a_part_of_the_request(part: str, value: Any) -> None:
    hold(json.dumps(review(**{part: value})).encode())


def test_connections_are_kept_for_longer_than_api_servers_keep_them() -> None:
    """Go's HTTP transport gives idle connections up after 90 s; whoever is first must not be the server."""
    assert KEEP_ALIVE > 90
