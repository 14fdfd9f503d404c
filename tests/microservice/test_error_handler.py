"""The Flask Blueprint of a class makes the answers to errors of all of its methods, over real sockets."""

from typing import Any

import flask
import pytest

from .serving import served

ND = {"data": {"ndarray": [[1, 2]]}}
FEEDBACK = {"request": ND, "reward": 1}


class UserError(Exception):
    """An error with numbers of its own."""


def blueprint() -> flask.Blueprint:
    handlers = flask.Blueprint("error_handlers", __name__)

    @handlers.app_errorhandler(UserError)
    def handle(error: UserError) -> Any:
        answer = {"status": {"status": 1, "info": str(error), "app_code": 1402, "path": flask.request.path}}
        return flask.jsonify(answer), 402

    return handlers


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        pytest.param(method, path, message, id=method)
        for method, path, message in [
            ("predict", "/api/v1.0/predictions", ND),
            ("predict_raw", "/predict", ND),
            ("predict_rest", "/predict", ND),
            ("transform_input", "/transform-input", ND),
            ("transform_input_raw", "/transform-input", ND),
            ("transform_output", "/transform-output", ND),
            ("transform_output_raw", "/transform-output", ND),
            ("route", "/route", ND),
            ("route_raw", "/route", ND),
            ("aggregate", "/aggregate", [ND]),
            ("aggregate_raw", "/aggregate", {"seldonMessages": [ND]}),
            ("send_feedback", "/send-feedback", FEEDBACK),
            ("send_feedback_raw", "/api/v1.0/feedback", FEEDBACK),
            ("health_status", "/health/status", None),
            ("health_status_raw", "/api/v1.0/health/status", None),
        ]
    ],
)
async def test_an_error_in_any_method_is_answered_by_the_blueprint(method: str, path: str, message: Any) -> None:
    class Raises:
        model_error_handler = blueprint()

    def raise_error(self: Any, *_: Any) -> Any:
        raise UserError(f"in {method}")

    setattr(Raises, method, raise_error)
    async with served(Raises()) as service:
        if message is None:
            response = await service.client.get(path)
        else:
            response = await service.client.post(path, json=message)
    expected = {"status": {"status": 1, "info": f"in {method}", "app_code": 1402, "path": path}}
    assert (response.status_code, response.json()) == (402, expected)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["access-control-allow-origin"] == "*"
