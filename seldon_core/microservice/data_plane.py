"""One request through a model, whatever protocol and transport it came over.

Every function here that calls the user's object is a flow: a generator that yields each call instead of making
it and gets its result back. Whoever runs the flow (`flows.advance`) decides on which thread a call is made, so a plain
method runs where the model was loaded and a coroutine on the event loop, through the same code.
"""

import operator
from collections.abc import Callable, Generator
from functools import partial
from types import AsyncGeneratorType, GeneratorType
from typing import Any

from msgspec.structs import replace

from seldon_core.microservice.batching import batch_key
from seldon_core.microservice.checks import Check
from seldon_core.microservice.codec import Codec, Incoming, Outcome
from seldon_core.microservice.component import SERVED, Call, Component, Method
from seldon_core.microservice.contract import SeldonResponse
from seldon_core.microservice.custom_metrics import CustomMetrics
from seldon_core.microservice.errors import SeldonMicroserviceException, SeldonNotImplementedError
from seldon_core.microservice.flows import Answer, Flow, Stream
from seldon_core.microservice.identity import Identity
from seldon_core.microservice.operations import (
    AGGREGATE,
    FEEDBACK,
    HEALTH,
    PREDICT,
    ROUTE,
    TRANSFORM_INPUT,
    TRANSFORM_OUTPUT,
    Operation,
)
from seldon_core.microservice.seldon_codec import SELDON, merged_meta
from seldon_core.microservice.whole import answer_of, feedback_arguments
from seldon_core.protocols import seldon
from seldon_core.protocols.json_codec import dumps

__all__ = ["DataPlane"]

_ABSENT = object()
_GENERATORS = (GeneratorType, AsyncGeneratorType)
# What gets the inputs that metadata describes.
_CHECKED = (PREDICT, TRANSFORM_INPUT, TRANSFORM_OUTPUT, ROUTE)
# What "infer" means to a component that could do several of these.
_INFERS = {"TRANSFORMER": TRANSFORM_INPUT, "OUTPUT_TRANSFORMER": TRANSFORM_OUTPUT}


class DataPlane:
    """Answers requests with the methods of one component.

    Args:
        component: the user's object.
        identity: which component this is.
        metrics: where its metrics are checked.
        metrics_in_response: whether callers see custom metrics in `meta.metrics`.
        service_type: what a node is asked for by a protocol that does not say so itself.
        batching: whether predictions may be joined.
        check: of what the class gets to see of a request, None for none.
    """

    def __init__(
        self,
        component: Component,
        identity: Identity,
        metrics: CustomMetrics,
        *,
        metrics_in_response: bool = True,
        service_type: str = "MODEL",
        batching: bool = False,
        check: Check | None = None,
    ) -> None:
        self._component = component
        self._unit = identity.unit or "0"
        self._request_path = identity.request_path()
        self._metrics = metrics
        self._metrics_in_response = metrics_in_response
        self._infer = _what_infer_means(component, service_type)
        # What most classes do not have is not looked for in every request.
        methods = component.methods
        self._whole_methods = {name for name in SERVED if f"{name}_raw" in methods or f"{name}_rest" in methods}
        self._is_asked = not methods.keys().isdisjoint(("tags", "metrics", "class_names", "feature_names"))
        self._batching = batching
        self._check = check

    def predict(self, message: Any, codec: Codec = SELDON) -> Flow:
        """Answer a prediction."""
        return self._serve(PREDICT, message, codec)

    def transform_input(self, message: Any, codec: Codec = SELDON) -> Flow:
        """Transform a request on its way down the graph."""
        return self._serve(TRANSFORM_INPUT, message, codec)

    def transform_output(self, message: Any, codec: Codec = SELDON) -> Flow:
        """Transform an answer on its way back."""
        return self._serve(TRANSFORM_OUTPUT, message, codec)

    def infer(self, message: Any, codec: Codec) -> Flow:
        """Do what this component is there for, where the protocol does not say what that is."""
        return self._serve(self._infer, message, codec)

    def passthrough(self, body: bytes | str) -> Flow:
        """Answer with what the method for whole messages makes of an undecoded body."""
        method = self._component.get("predict_rest") or self._component.get("predict_raw")
        if method is None:
            raise SeldonNotImplementedError("PAYLOAD_PASSTHROUGH needs a method predict_raw")
        result = yield method.with_arguments(body)
        if not isinstance(result, bytes | str):
            result = dumps(result)
        return Answer(200, result.encode() if isinstance(result, str) else result, PREDICT.label)

    def route(self, message: Any, codec: Codec = SELDON) -> Flow:
        """Choose a branch of the graph."""
        answer = yield from self._whole(ROUTE, message, codec)
        if answer is not None:
            return answer
        incoming = self._parse(message, codec)
        call = self._method(ROUTE).with_arguments(incoming.payload, incoming.names, optional=incoming.meta)
        response = _response_of((yield from _required(call, ROUTE)))
        try:
            branch = operator.index(response.data)
        except TypeError:
            raise SeldonMicroserviceException(f"Routing response must be int but got {response.data!r:.200}") from None
        result = seldon.array_of([[branch]])
        return (yield from self._answer(ROUTE, codec, incoming, replace_data(response, result)))

    def aggregate(self, message: Any, codec: Codec = SELDON) -> Flow:
        """Make one answer of those of several components."""
        answer = yield from self._whole(AGGREGATE, message, codec)
        if answer is not None:
            return answer
        method = self._method(AGGREGATE)
        parts = codec.parse_list(message)
        call = method.with_arguments([part.payload for part in parts], [part.names for part in parts])
        result = yield from _required(call, AGGREGATE)
        joined = replace(parts[0], meta=merged_meta([part.meta for part in parts]))
        return (yield from self._answer(AGGREGATE, codec, joined, result))

    def send_feedback(self, message: Any, codec: Codec = SELDON) -> Flow:
        """Tell the component how good an answer was."""
        feedback = codec.parse_feedback(message)
        answer = yield from self._whole(FEEDBACK, message, codec, feedback_arguments(codec, message, feedback))
        if answer is None:
            result = None
            if method := self._component.get(FEEDBACK.method):
                request = feedback.request
                call = method.with_arguments(
                    request.payload, request.names, feedback.reward, feedback.truth,
                    optional=feedback.routing.get(self._unit),
                )  # fmt: skip
                result = yield from _optional(call, None)
            result = _response_of(result)
            if result.data is None:
                result = replace_data(result, [])
            answer = yield from self._answer(FEEDBACK, codec, feedback.request, result)
        return replace(answer, reward=feedback.reward)

    def health_status(self) -> Flow:
        """Answer with what the class says about its health."""
        component = self._component
        if raw := component.get("health_status_raw"):
            result = yield from _optional(raw.with_arguments(), _ABSENT)
            if result is not _ABSENT:
                return self._answer_raw(HEALTH, "health_status_raw", result)
        result = "not implemented - assuming healthy" if component.inherits else "healthy"
        if method := component.get("health_status"):
            result = yield from _optional(method.with_arguments(), result)
        return (yield from self._answer(HEALTH, SELDON, Incoming("", form="strData"), result))

    def _serve(self, operation: Operation, message: Any, codec: Codec) -> Flow:
        if operation.method in self._whole_methods:
            answer = yield from self._whole(operation, message, codec)
            if answer is not None:
                return answer
        incoming = self._parse(message, codec)
        result = None
        method = self._component.get(operation.method)
        if method is not None:
            call = method.with_arguments(incoming.payload, incoming.names, optional=incoming.meta)
            if self._batching and operation is PREDICT:
                call = _batchable(call, method, incoming)
            try:
                result = yield call
            except SeldonNotImplementedError:
                method = None
        if method is None and operation.without:
            result = operation.without(incoming.payload)
        if isinstance(result, _GENERATORS):
            return Answer(200, b"", operation.label, stream=self._stream(operation, codec, incoming, result))
        if not self._is_asked:
            return self._encoded(operation, codec, incoming, result, {}, [], self._component.column_names)
        return (yield from self._answer(operation, codec, incoming, result))

    def _parse(self, message: Any, codec: Codec) -> Incoming:
        incoming = codec.parse(message)
        if self._check is not None:
            self._check(incoming)
        return incoming

    def _whole(
        self,
        operation: Operation,
        message: Any,
        codec: Codec,
        arguments: dict[str, Callable[[], Any]] | None = None,
    ) -> Generator[Call, Any, Answer | None]:
        """The answer of the method for whole messages; None when there is none that is to answer.

        `arguments` gives what the methods get by the ending of their names; without it, it is decoded JSON.
        """
        get = self._component.get
        if not codec.raw_first and get(operation.method):
            return None
        for ending in ("_rest", "_raw") if codec.native else ("_raw",):
            name = operation.method + ending
            if method := get(name):
                if self._check is not None and operation in _CHECKED:
                    self._check(codec.parse(message))
                whole = arguments[ending]() if arguments else codec.whole(message)
                result = yield from _optional(method.with_arguments(whole), _ABSENT)
                if isinstance(result, _GENERATORS):
                    stream = Stream(result, partial(self._raw_event, operation, name))
                    return Answer(200, b"", operation.label, stream=stream)
                if result is not _ABSENT:
                    return self._answer_raw(operation, name, result)
        return None

    def _method(self, operation: Operation) -> Method:
        method = self._component.get(operation.method)
        if method is None:
            raise _not_defined(operation)
        return method

    def _stream(self, operation: Operation, codec: Codec, incoming: Incoming, source: Any) -> Stream:
        tags: dict[str, Any] = {}

        def event(item: Any, first: bool) -> Flow:
            """Each item is an answer of its own; the hooks of the class are asked once."""
            metrics: list[dict[str, Any]] = []
            if first:
                own, metrics = yield from self._hooks()
                tags.update(own)
            return (yield from self._encode(operation, codec, incoming, item, tags, metrics))

        return Stream(source, event)

    def _raw_event(self, operation: Operation, name: str, item: Any, _: bool) -> Flow:
        return self._answer_raw(operation, name, item)
        yield  # it is a flow like the others

    def _answer_raw(self, operation: Operation, name: str, result: Any) -> Answer:
        """A whole message goes out as it is, except that metrics may have to stay inside."""
        result = answer_of(name, result)
        metrics: list[dict[str, Any]] = []
        meta = result.get("meta")
        if isinstance(meta, dict) and "metrics" in meta:
            metrics = self._metrics.check(meta["metrics"])
            if not self._metrics_in_response:
                kept = {key: value for key, value in meta.items() if key != "metrics"}
                result = {**result, "meta": kept}
        status = _status_of(result) if operation.status_from_message else 200
        return Answer(status, dumps(result), operation.label, metrics)

    def _answer(self, operation: Operation, codec: Codec, incoming: Incoming, result: Any) -> Flow:
        tags, metrics = yield from self._hooks()
        return (yield from self._encode(operation, codec, incoming, result, tags, metrics))

    def _hooks(self) -> Generator[Call, Any, tuple[dict[str, Any], list[dict[str, Any]]]]:
        """What the class says about every request: tags and metrics."""
        tags: Any = {}
        metrics: list[dict[str, Any]] = []
        if method := self._component.get("tags"):
            tags = yield from _optional(method.with_arguments(), {})
            if not isinstance(tags, dict):
                raise TypeError(f"tags() returned {type(tags).__name__}, must return a dict")
        if method := self._component.get("metrics"):
            metrics = self._metrics.check((yield from _optional(method.with_arguments(), [])))
        return tags, metrics

    def _encode(
        self,
        operation: Operation,
        codec: Codec,
        incoming: Incoming,
        result: Any,
        tags: dict[str, Any],
        metrics: list[dict[str, Any]],
    ) -> Flow:
        names = yield from self._column_names(operation, result)
        return self._encoded(operation, codec, incoming, result, tags, metrics, names)

    def _encoded(
        self,
        operation: Operation,
        codec: Codec,
        incoming: Incoming,
        result: Any,
        tags: dict[str, Any],
        metrics: list[dict[str, Any]],
        column_names: list[Any] | None,
    ) -> Answer:
        if isinstance(result, SeldonResponse):
            tags = {**tags, **(result.tags or {})}
            metrics = [*metrics, *self._metrics.check(result.metrics or [])]
            result = result.data

        def names(array: Any) -> list[Any]:
            """How the columns of an array are called."""
            same_shape = operation.keeps_names and getattr(incoming.payload, "shape", None) == array.shape
            if column_names is None and same_shape and incoming.names:
                return incoming.names
            return seldon.column_names(array, column_names)

        shown = metrics if self._metrics_in_response else None
        outcome = Outcome(result, tags, shown, names, self._request_path, operation.inherits_meta)
        body, headers = codec.encode(incoming, outcome)
        return Answer(200, body, operation.label, metrics, headers)

    def _column_names(self, operation: Operation, result: Any) -> Generator[Call, Any, list[Any] | None]:
        """What the class says of the columns of a result."""
        data = result.data if isinstance(result, SeldonResponse) else result
        if not isinstance(data, str | bytes | dict):
            for name in operation.naming:
                if method := self._component.get(name):
                    column_names = yield from _optional(method.with_arguments(), None)
                    if column_names is not None:
                        return list(column_names)
        return self._component.column_names


def _what_infer_means(component: Component, service_type: str) -> Operation:
    has = [
        operation
        for operation in (PREDICT, TRANSFORM_INPUT, TRANSFORM_OUTPUT)
        if component.get(operation.method) or component.get(f"{operation.method}_raw")
    ]
    preferred = _INFERS.get(service_type, PREDICT)
    return preferred if preferred in has or not has else has[0]


def _batchable(call: Call, method: Method, incoming: Incoming) -> Call:
    """The call with a key, and without the parts of meta that only this one request has, if it may be joined."""
    tags = (incoming.meta or {}).get("tags") or {}
    key = batch_key(incoming.payload, incoming.names, tags)
    if key is None:
        return call
    meta = {"tags": tags} if tags else None
    return method.with_arguments(incoming.payload, incoming.names, optional=meta, batch=key)


def replace_data(response: SeldonResponse, data: Any) -> SeldonResponse:
    """The same response with other data."""
    return SeldonResponse(data, response.tags, response.metrics)


def _response_of(result: Any) -> SeldonResponse:
    return result if isinstance(result, SeldonResponse) else SeldonResponse(result)


def _not_defined(operation: Operation) -> SeldonMicroserviceException:
    return SeldonMicroserviceException(f"{operation.title} not defined")


def _required(call: Call, operation: Operation) -> Generator[Call, Any, Any]:
    try:
        return (yield call)
    except SeldonNotImplementedError:
        raise _not_defined(operation) from None


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
