"""Who may take a lease, and what is written when it is taken."""

from datetime import UTC, datetime
from typing import Any

import pytest

from seldon_core.kube.lease import may_take, taken

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
HELD = {
    "holderIdentity": "other",
    "leaseDurationSeconds": 15,
    "acquireTime": "2026-01-01T00:00:00.000000Z",
    "renewTime": "2026-01-01T00:00:00.000000Z",
    "leaseTransitions": 3,
}


@pytest.mark.parametrize(
    ("spec", "unchanged_for", "expected"),
    [
        pytest.param({}, 0.0, True, id="new"),
        pytest.param({"holderIdentity": ""}, 0.0, True, id="released"),
        pytest.param({**HELD, "holderIdentity": "me"}, 0.0, True, id="ours"),
        pytest.param(HELD, 0.0, False, id="held, however old the times written in it are"),
        pytest.param(HELD, 14.9, False, id="not yet expired"),
        pytest.param(HELD, 15.0, True, id="expired"),
        pytest.param({"holderIdentity": "other"}, 0.0, True, id="held for no time"),
    ],
)
def test_may_take(spec: dict[str, Any], unchanged_for: float, expected: bool) -> None:
    assert may_take(spec, "me", unchanged_for) is expected


def test_taking_over_counts_a_transition() -> None:
    assert taken(HELD, "me", 9.5, NOW) == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 10,
        "acquireTime": "2026-01-02T03:04:05.000678Z",
        "renewTime": "2026-01-02T03:04:05.000678Z",
        "leaseTransitions": 4,
    }


def test_renewing_changes_the_time_of_renewal_only() -> None:
    ours = {**HELD, "holderIdentity": "me"}
    assert taken(ours, "me", 15, NOW) == {**ours, "renewTime": "2026-01-02T03:04:05.000678Z"}


def test_fields_that_others_put_there_are_kept() -> None:
    assert taken({"preferredHolder": "x"}, "me", 15, NOW)["preferredHolder"] == "x"
