"""What an answer of the API server, or of anything before it, is turned into."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seldon_core.kube import errors
from seldon_core.kube.errors import ApiError, error_from_body, error_from_status, parse_retry_after


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        pytest.param(400, "BadRequest", ApiError, id="400"),
        pytest.param(401, "Unauthorized", errors.Unauthorized, id="401"),
        pytest.param(403, "Forbidden", errors.Forbidden, id="403"),
        pytest.param(404, "NotFound", errors.NotFound, id="404"),
        pytest.param(409, "Conflict", errors.Conflict, id="409"),
        pytest.param(409, "AlreadyExists", errors.AlreadyExists, id="409 exists"),
        pytest.param(410, "Expired", errors.Gone, id="410"),
        pytest.param(422, "Invalid", errors.Invalid, id="422"),
        pytest.param(429, "TooManyRequests", errors.TooManyRequests, id="429"),
        pytest.param(500, "InternalError", errors.ServerError, id="500"),
        pytest.param(503, "ServiceUnavailable", errors.ServerError, id="503"),
    ],
)
def test_the_status_decides_the_class(code: int, reason: str, expected: type[ApiError]) -> None:
    body = {"kind": "Status", "code": code, "reason": reason, "message": "m", "details": {"name": "x"}}
    error = error_from_body(code, json.dumps(body).encode())
    assert type(error) is expected
    assert (error.status, error.reason, error.message, error.details) == (code, reason, "m", {"name": "x"})
    assert str(error) == f"m (HTTP {code})"


def test_a_status_object_without_a_code_takes_the_http_status() -> None:
    assert type(error_from_body(404, b'{"kind": "Status"}')) is errors.NotFound
    assert str(error_from_body(404, b'{"kind": "Status"}')) == "no explanation given (HTTP 404)"


def test_a_body_that_is_no_status_is_cut_and_put_on_one_line() -> None:
    error = error_from_body(502, b"<html>\r\n  <b>Bad\tgateway</b>\xff" + b"x" * 10_000)
    assert error.message.startswith("<html> <b>Bad gateway</b>\ufffdxxx")
    assert len(error.message) == 256
    assert error.message.endswith("…")


def test_a_long_message_of_the_server_is_cut_later() -> None:
    error = error_from_body(422, json.dumps({"kind": "Status", "message": "x" * 10_000}).encode())
    assert len(error.message) == 4096


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), ("3", 3.0), ("0.5", 0.5), ("-1", None), ("inf", None), ("nan", None), ("Wed, 21 Oct 2015", None)],
)
def test_retry_after_is_read_in_seconds(value: str | None, expected: float | None) -> None:
    assert parse_retry_after(value) == expected


def test_retry_after_may_stand_in_the_details() -> None:
    status = {"code": 429, "details": {"retryAfterSeconds": 7}}
    assert error_from_status(status).retry_after == 7.0
    assert error_from_status(status, retry_after=1.0).retry_after == 1.0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["code", "kind", "details"]), inner),
)


@given(code=st.integers(400, 599), body=st.binary() | json_values)
def test_any_answer_becomes_an_error(code: int, body: Any) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert error_from_body(code, raw).status >= 400


@given(st.dictionaries(st.sampled_from(["code", "reason", "message", "details", "kind"]), json_values))
def test_any_status_becomes_an_error(status: dict[str, Any]) -> None:
    assert str(error_from_status(status))
