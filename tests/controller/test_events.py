from typing import Any

import pytest

from controller.events import transition

SDEP: dict[str, Any] = {
    "apiVersion": "machinelearning.seldon.io/v1",
    "kind": "SeldonDeployment",
    "metadata": {"name": "m", "namespace": "n", "uid": "u", "resourceVersion": "7"},
}


def status(state: str, description: str = "") -> dict[str, Any]:
    return {"state": state, "description": description, "address": {"url": "http://m-p"}}


@pytest.mark.parametrize(
    ("before", "after", "kind", "message"),
    [
        (None, "Available", "Normal", "all pods are available at http://m-p"),
        ("Creating", "Available", "Normal", "all pods are available at http://m-p"),
        ("Failed", "Available", "Normal", "all pods are available at http://m-p"),
        ("Available", "Failed", "Warning", "why"),
        (None, "Failed", "Warning", "why"),
        ("Available", "Available", None, None),
        ("Failed", "Failed", None, None),
        (None, "Creating", None, None),
        ("Available", "Creating", None, None),
    ],
)
def test_which_changes_of_state_are_events(
    before: str | None, after: str, kind: str | None, message: str | None
) -> None:
    event = transition(SDEP, before, status(after, "why"), "2030-01-01T00:00:00Z", "m.1")
    if kind is None:
        assert event is None
    else:
        assert event is not None
        assert (event["type"], event["reason"], event["message"]) == (kind, after, message)
        assert event["metadata"] == {"name": "m.1", "namespace": "n"}
        assert event["involvedObject"]["uid"] == "u"


def test_a_message_is_cut_to_what_an_event_holds() -> None:
    event = transition(SDEP, None, status("Failed", "x" * 5000), "2030-01-01T00:00:00Z", "m.1")
    assert event is not None
    assert len(event["message"]) == 1024
