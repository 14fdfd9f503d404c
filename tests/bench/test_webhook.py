"""The webhook's benchmark: what it sends, what it reads off wrk, and that both contestants answer."""

import json
import subprocess
import sys

import pytest

from bench.webhook import reviews
from bench.webhook.__main__ import Run, WrongError, report
from bench.webhook.contestants import echo_app, webhook_app
from seldon_core.api.graph import nodes
from seldon_core.api.validate import validate

WRK = """\
  Latency Distribution
     50%    1.61ms
     99%   22.04ms
  2000 requests in 1.01s, 11.66MB read
"""


@pytest.mark.parametrize(
    ("body", "count", "size"), [(reviews.small(), 1, 400), (reviews.large(), 40, 22_000)], ids=["small", "large"]
)
def test_what_is_sent_is_a_review_of_a_valid_object(body: bytes, count: int, size: int) -> None:
    obj = json.loads(body)["request"]["object"]
    assert validate(obj) == []
    assert len(list(nodes(obj["spec"]["predictors"][0]["graph"]))) == count
    assert len(json.dumps(obj, separators=(",", ":"))) == pytest.approx(size, rel=0.1)


def test_wrks_report_is_read() -> None:
    assert report(WRK, 0.5) == Run(cpu=250.0, p99=pytest.approx(22.04), requests=2000)


@pytest.mark.parametrize(
    ("output", "error"),
    [
        (f"{WRK}  Non-2xx or 3xx responses: 7\n", "Non-2xx or 3xx responses: 7"),
        ("unable to connect to 127.0.0.1:1", "wrk reports no answers:\nunable to connect"),
    ],
    ids=["an error", "nobody there"],
)
def test_a_run_with_errors_says_nothing(output: str, error: str) -> None:
    with pytest.raises(WrongError, match=error):
        report(output, 0.5)


def test_the_contestants_serve_what_is_measured() -> None:
    def served(app: object) -> set[str]:
        return {resource.canonical for resource in app.router.resources()}  # type: ignore[attr-defined]

    assert {"/mutate", "/validate"} <= served(webhook_app())
    assert served(echo_app()) == {"/echo"}


def test_a_length_that_makes_no_sense_is_refused() -> None:
    command = [sys.executable, "-m", "bench.webhook", "--seconds", "0"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 2
    assert result.stderr.endswith("error: --seconds must be above 0\n")
