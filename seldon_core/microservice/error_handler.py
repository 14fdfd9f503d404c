"""Errors of a model answered by the Flask Blueprint that older classes bring along; Flask serves nothing else here."""

from importlib.util import find_spec
from typing import Any

from seldon_core.microservice.codec import ANY_ORIGIN
from seldon_core.microservice.errors import UsageError, user_traceback
from seldon_core.microservice.flows import Answer, ErrorHandler, log
from seldon_core.transport.messages import Block

__all__ = ["find_error_handler"]


def find_error_handler(user_object: object) -> ErrorHandler | None:
    """The handler that a class has as `model_error_handler`, None when it has none.

    Raises:
        UsageError: it is no Blueprint, or Flask is not installed.
    """
    blueprint = getattr(user_object, "model_error_handler", None)
    if blueprint is None:
        return None
    where = f"{type(user_object).__name__}.model_error_handler"
    if find_spec("flask") is None:
        raise UsageError([
            f"{where}: needs Flask, which is not installed; add flask to requirements.txt, or raise "
            "SeldonMicroserviceException with status_code and reason instead"
        ])  # fmt: skip
    import flask

    if not isinstance(blueprint, flask.Blueprint):
        raise UsageError([f"{where}: {blueprint!r:.100}: must be a flask.Blueprint with app_errorhandlers"])
    app = flask.Flask("seldon_core.microservice")
    app.register_blueprint(blueprint)

    def handle(error: BaseException, path: str) -> Answer | None:
        if not isinstance(error, Exception):
            return None
        try:
            with app.test_request_context(path, method="POST"):
                response = app.make_response(app.handle_user_exception(error))
                return _answer(response, error)
        except Exception as raised:  # noqa: BLE001 - one that no handler is registered for comes back as it is
            if raised is not error:
                log.error("%s failed\n%s", where, user_traceback(raised))
            return None

    return handle


def _answer(response: Any, error: Exception) -> Answer:
    if response.status_code >= 500:
        log.error("the model failed\n%s", user_traceback(error))
    kind = response.headers.get("content-type", "application/json").encode("latin-1")
    headers = Block((b"content-type", kind), ANY_ORIGIN)
    return Answer(response.status_code, response.get_data(), headers=headers)
