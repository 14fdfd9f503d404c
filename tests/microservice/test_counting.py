"""What the metrics say of requests, of rewards and of what a class counts, after it was asked over real sockets."""

import json
from pathlib import Path
from typing import Any

import pytest

from .serving import COUNTER, GATED, asking, get, running

ND = {"data": {"ndarray": [[1, 2]]}}
COUNTS = """
from seldon_core.metrics import create_counter

class MyModel:
    def predict(self, X, names):
        return X
    def send_feedback(self, features, names, reward, truth, routing=None):
        pass
    def metrics(self):
        return [create_counter("mycounter", 1)]
"""
GATED_COUNTS = f"""{GATED}
    def metrics(self):
        return [{COUNTER}]
"""


def values(text: str, name: str) -> list[float]:
    """Of all series with this name."""
    return [float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name + "{")]


def test_threads_that_count_side_by_side_lose_nothing(tmp_path: Path) -> None:
    (tmp_path / "load").touch()
    with running(tmp_path, GATED_COUNTS, "--threads", "8") as service:
        with asking(service, tmp_path, 500) as answers:
            (tmp_path / "predict").touch()
        text = get(service.metrics)[1]
    assert answers == [200] * 500
    assert values(text, "seldon_microservice_requests_seconds_count") == [500.0]
    assert values(text, "mycounter_total") == [500.0]


@pytest.mark.parametrize(
    ("environment", "rewards"),
    [
        pytest.param({}, {"total": [1.0], "reward_total": [0.5]}, id="by-default"),
        pytest.param({"SELDON_EXECUTOR_ENABLED": "false"}, {"total": [], "reward_total": []}, id="switched-off"),
    ],
)
def test_rewards_are_counted_unless_it_is_switched_off(
    tmp_path: Path, environment: dict[str, str], rewards: dict[str, list[float]]
) -> None:
    with running(tmp_path, COUNTS, **environment) as service:
        assert get(service.http + "/send-feedback", {"request": ND, "reward": 0.5})[0] == 200
        text = get(service.metrics)[1]
    assert {name: values(text, f"seldon_api_model_feedback_{name}") for name in rewards} == rewards
    assert ("seldon_api_model_feedback" in text) == (not environment)
    assert values(text, "seldon_microservice_requests_seconds_count") == [1.0], "the request itself is counted"


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        pytest.param({}, [{"key": "mycounter", "type": "COUNTER", "value": 1}], id="by-default"),
        pytest.param({"INCLUDE_METRICS_IN_CLIENT_RESPONSE": "false"}, None, id="left-out"),
    ],
)
def test_metrics_may_be_left_out_of_answers_and_are_exported(
    tmp_path: Path, environment: dict[str, str], shown: Any
) -> None:
    with running(tmp_path, COUNTS, **environment) as service:
        status, body = get(service.http + "/predict", ND)
        text = get(service.metrics)[1]
    assert (status, json.loads(body)["meta"].get("metrics")) == (200, shown)
    assert values(text, "mycounter_total") == [1.0]
