"""One request through a model, whatever transport it came over.

Every function here that calls the user's object is a flow: a generator that yields each call instead of making
it and gets its result back. Whoever runs the flow (`advance`) decides on which thread a call is made, so a plain
method runs where the model was loaded and a coroutine on the event loop, through the same code.
"""

import inspect
import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seldon_core.microservice.component import Call, Component
from seldon_core.microservice.contract import SeldonResponse
from seldon_core.microservice.custom_metrics import CustomMetrics
from seldon_core.microservice.errors import SeldonMicroserviceException, SeldonNotImplementedError, user_traceback
from seldon_core.microservice.identity import Identity
from seldon_core.protocols import seldon
from seldon_core.protocols.errors import MessageError
from seldon_core.protocols.json_codec import dumps

__all__ = ["Answer", "DataPlane", "Flow", "Operation", "advance", "error_body", "failure"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller gets, and the custom metrics that were made on the way."""

    status: int
    body: bytes
    method: str = ""
    metrics: list[dict[str, Any]] = field(default_factory=list)


Flow = Generator[Call, Any, Answer]
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Operation:
    """One of the things that a component can be asked to do.

    Attributes:
        method: the method of the user's class; the one for whole messages has `_raw` behind it.
        label: the value of the label `method` of custom metrics.
        without: what the answer is made of when the class has no such method: the payload.
        naming: methods that may name the columns of the answer, the first that exists does.
        keeps_names: whether the request's names stay when the shape does.
        status_from_message: whether a whole message decides the HTTP status with `status.code`.
    """

    method: str
    label: str
    without: Callable[[Any], Any]
    naming: tuple[str, ...] = ("class_names",)
    keeps_names: bool = False
    status_from_message: bool = False


PREDICT = Operation("predict", "predict", lambda _: [], status_from_message=True)
TRANSFORM_INPUT = Operation(
    "transform_input", "inputtransform", lambda payload: payload, ("feature_names", "class_names"), keeps_names=True
)
TRANSFORM_OUTPUT = Operation("transform_output", "outputtransform", lambda payload: payload, keeps_names=True)
_HEALTH = Operation("health_status", "health", lambda payload: payload)


class DataPlane:
    """Answers requests with the methods of one component.

    Args:
        component: the user's object.
        identity: which component this is.
        metrics: where its metrics are checked.
        metrics_in_response: whether callers see custom metrics in `meta.metrics`.
    """

    def __init__(
        self, component: Component, identity: Identity, metrics: CustomMetrics, *, metrics_in_response: bool = True
    ) -> None:
        self._component = component
        self._request_path = identity.request_path()
        self._metrics = metrics
        self._metrics_in_response = metrics_in_response

    def predict(self, message: Any) -> Flow:
        """Answer a prediction."""
        return self._serve(PREDICT, message)

    def transform_input(self, message: Any) -> Flow:
        """Transform a request on its way down the graph."""
        return self._serve(TRANSFORM_INPUT, message)

    def transform_output(self, message: Any) -> Flow:
        """Transform an answer on its way back."""
        return self._serve(TRANSFORM_OUTPUT, message)

    def health_status(self) -> Flow:
        """Answer with what the class says about its health."""
        component = self._component
        if raw := component.get("health_status_raw"):
            result = yield from _optional(raw.with_arguments(), _ABSENT)
            if result is not _ABSENT:
                return self._answer_raw(_HEALTH, result)
        result = "not implemented - assuming healthy" if component.inherits else "healthy"
        if method := component.get("health_status"):
            result = yield from _optional(method.with_arguments(), result)
        return (yield from self._answer(_HEALTH, seldon.Request("strData", "", [], None), result))

    def _serve(self, operation: Operation, message: Any) -> Flow:
        if raw := self._component.get(operation.method + "_raw"):
            result = yield from _optional(raw.with_arguments(message), _ABSENT)
            if result is not _ABSENT:
                return self._answer_raw(operation, result)
        request = seldon.parse(message)
        result = operation.without(request.payload)
        if method := self._component.get(operation.method):
            call = method.on_data(request.payload, request.names, request.meta)
            result = yield from _optional(call, result)
        return (yield from self._answer(operation, request, result))

    def _answer_raw(self, operation: Operation, result: Any) -> Answer:
        """A whole message goes out as it is, except that metrics may have to stay inside."""
        if not isinstance(result, dict):
            raise TypeError(f"{operation.method}_raw returned {type(result).__name__}, must return a dict")
        metrics: list[dict[str, Any]] = []
        meta = result.get("meta")
        if isinstance(meta, dict) and "metrics" in meta:
            metrics = self._metrics.check(meta["metrics"])
            if not self._metrics_in_response:
                kept = {key: value for key, value in meta.items() if key != "metrics"}
                result = {**result, "meta": kept}
        status = _status_of(result) if operation.status_from_message else 200
        return Answer(status, dumps(result), operation.label, metrics)

    def _answer(self, operation: Operation, request: seldon.Request, result: Any) -> Flow:
        tags: Any = {}
        metrics: list[dict[str, Any]] = []
        if method := self._component.get("tags"):
            tags = yield from _optional(method.with_arguments(), {})
            if not isinstance(tags, dict):
                raise TypeError(f"tags() returned {type(tags).__name__}, must return a dict")
        if method := self._component.get("metrics"):
            metrics = self._metrics.check((yield from _optional(method.with_arguments(), [])))
        if isinstance(result, SeldonResponse):
            tags = {**tags, **(result.tags or {})}
            metrics = [*metrics, *self._metrics.check(result.metrics or [])]
            result = result.data
        fields = yield from self._payload(operation, request, result)
        fields["meta"] = self._meta(request.meta or {}, tags, metrics)
        return Answer(200, dumps(fields), operation.label, metrics)

    def _payload(
        self, operation: Operation, request: seldon.Request, result: Any
    ) -> Generator[Call, Any, dict[str, Any]]:
        given: list[Any] | None = self._component.column_names
        if isinstance(result, list | np.ndarray):
            for name in operation.naming:
                if method := self._component.get(name):
                    column_names = yield from _optional(method.with_arguments(), None)
                    if column_names is not None:
                        given = list(column_names)
                        break

        def names(array: seldon.Array) -> list[Any]:
            same_shape = operation.keeps_names and getattr(request.payload, "shape", None) == array.shape
            if given is None and same_shape and request.names:
                return request.names
            return seldon.column_names(array, given)

        return seldon.encode_payload(result, request.kind, names)

    def _meta(self, incoming: dict[str, Any], tags: dict[str, Any], metrics: list[dict[str, Any]]) -> dict[str, Any]:
        """What came in, with this component's part added; empty parts are left out."""
        meta = {
            "puid": incoming.get("puid"),
            "tags": {**(incoming.get("tags") or {}), **tags},
            "routing": incoming.get("routing"),
            "requestPath": {**self._request_path, **(incoming.get("requestPath") or {})},
        }
        if self._metrics_in_response:
            meta["metrics"] = [*(incoming.get("metrics") or []), *metrics]
        return {key: value for key, value in meta.items() if value not in (None, "", {}, [])}


def _optional(call: Call, absent: Any) -> Generator[Call, Any, Any]:
    try:
        return (yield call)
    except SeldonNotImplementedError:
        return absent


def _status_of(message: dict[str, Any]) -> int:
    """The HTTP status that a whole message asks for with `status.code`."""
    status = message.get("status")
    if not isinstance(status, dict) or status.get("code") is None:
        return 200
    code = status["code"]
    if type(code) is int and 200 <= code <= 599:
        return code
    return 500 if status.get("status") in (1, "FAILURE") else 200


def advance(flow: Flow, value: Any = None, error: BaseException | None = None) -> Any:
    """Run a flow on this thread until it ends or needs the event loop.

    Args:
        flow: a flow that has just begun, or whose last call returned a coroutine.
        value: what that coroutine gave.
        error: what it raised instead.

    Returns:
        The answer, or a coroutine to be awaited on the event loop, after which the flow goes on.

    Raises:
        BaseException: whatever ended the flow; `failure` makes an answer of it.
    """
    while True:
        try:
            call = flow.send(value) if error is None else flow.throw(error)
        except StopIteration as end:
            return end.value
        value = error = None
        try:
            value = call()
        except BaseException as raised:  # noqa: BLE001 - a model may even raise SystemExit; its caller gets an answer
            error = raised
        if inspect.iscoroutine(value):
            return value


def failure(error: BaseException, method: str) -> Answer:
    """The answer to a request that failed; errors of the model are logged with their traceback."""
    if isinstance(error, MessageError):
        return Answer(400, error_body(str(error), "MICROSERVICE_BAD_DATA"))
    if isinstance(error, SeldonMicroserviceException):
        status = error.status_code
        if type(status) is not int or not 200 <= status <= 599:
            status = 500
        if status >= 500:
            log.error("%s failed\n%s", method, user_traceback(error))
        return Answer(status, error_body(str(error.message), error.reason))
    log.error("%s failed\n%s", method, user_traceback(error))
    return Answer(500, error_body(str(error) or type(error).__name__, "MICROSERVICE_INTERNAL_ERROR"))


def error_body(info: str, reason: str) -> bytes:
    """The body of every error answer."""
    return dumps({"status": {"code": -1, "info": info, "reason": reason, "status": 1}})
