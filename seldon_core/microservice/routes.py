"""Which path asks for what: of the seldon protocol, of V2 and of TensorFlow."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from seldon_core import __version__
from seldon_core.microservice.codec import Codec
from seldon_core.microservice.data_plane import DataPlane
from seldon_core.microservice.flows import Answer, Flow
from seldon_core.microservice.forms import read_body, read_message, read_undecoded
from seldon_core.microservice.openapi import document
from seldon_core.microservice.seldon_codec import SELDON
from seldon_core.microservice.tensorflow_codec import TENSORFLOW
from seldon_core.microservice.v2_codec import V2Codec
from seldon_core.protocols import tensorflow, v2
from seldon_core.protocols.json_codec import dumps, loads
from seldon_core.transport.http_server import Request

__all__ = ["PATHS", "Model", "Route", "find"]


@dataclass(frozen=True, slots=True)
class Model:
    """What requests are answered with once it is loaded.

    Attributes:
        plane: the user's object.
        metadata: the answer to every request for metadata.
        described: the metadata itself, None when it is not valid.
        names: that V2 and TensorFlow clients may call it by; the first is its own.
        v2: its messages in V2.
        passthrough: whether predictions get the undecoded body.
    """

    plane: DataPlane
    metadata: Answer
    described: dict[str, Any] | None
    names: tuple[str, ...]
    v2: V2Codec
    passthrough: bool = False


def serve_model(
    plane: DataPlane, metadata: Answer, described: dict[str, Any] | None, names: tuple[str, ...], passthrough: bool
) -> Model:
    """A model with the V2 messages that its metadata describes."""
    found = described or {}
    outputs = [item["name"] for item in found.get("outputs", []) if isinstance(item.get("name"), str)]
    codec = V2Codec(names[0], _version(found), outputs)
    return Model(plane, metadata, described, names, codec, passthrough)


@dataclass(frozen=True, slots=True)
class Route:
    """What a path asks for.

    Attributes:
        name: in the metrics.
        methods: of HTTP.
        flow: reads a message and gives how the model answers it; to be called on the worker's thread.
        codec: the form of its errors; None stands for the model's own V2.
        answer: how it is answered without the model's code, where it is.
        model: the name by which the path calls the model, None when it does not.
    """

    name: str
    methods: tuple[str, ...] = ("POST",)
    flow: Callable[[Model, Request], Flow] | None = None
    codec: Codec | None = SELDON
    answer: Callable[[Model], Answer] | None = None
    model: str | None = None


def _predict(model: Model, request: Request) -> Flow:
    if model.passthrough:
        return model.plane.passthrough(read_undecoded(request))
    return model.plane.predict(read_message(request))


def _transform_input(model: Model, request: Request) -> Flow:
    return model.plane.transform_input(read_message(request))


def _transform_output(model: Model, request: Request) -> Flow:
    return model.plane.transform_output(read_message(request))


def _route(model: Model, request: Request) -> Flow:
    return model.plane.route(read_message(request))


def _aggregate(model: Model, request: Request) -> Flow:
    return model.plane.aggregate(read_message(request))


def _send_feedback(model: Model, request: Request) -> Flow:
    return model.plane.send_feedback(read_message(request))


def _health_status(model: Model, _: Request) -> Flow:
    return model.plane.health_status()


def _metadata(model: Model) -> Answer:
    return model.metadata


def _openapi(_: Model) -> Answer:
    return Answer(200, dumps(document()))


_BOTH = ("GET", "POST")
_HEALTH = Route("health_status", ("GET",), _health_status)
_METADATA = Route("metadata", ("GET",), answer=_metadata)

PATHS = {
    "/predict": Route("predict", _BOTH, _predict),
    "/api/v1.0/predictions": Route("predict", flow=_predict),
    "/api/v0.1/predictions": Route("predict", flow=_predict),
    "/transform-input": Route("transform_input", _BOTH, _transform_input),
    "/transform-output": Route("transform_output", _BOTH, _transform_output),
    "/route": Route("route", _BOTH, _route),
    "/aggregate": Route("aggregate", _BOTH, _aggregate),
    "/send-feedback": Route("send_feedback", _BOTH, _send_feedback),
    "/api/v1.0/feedback": Route("send_feedback", flow=_send_feedback),
    "/api/v0.1/feedback": Route("send_feedback", flow=_send_feedback),
    "/health/status": _HEALTH,
    "/api/v1.0/health/status": _HEALTH,
    "/metadata": _METADATA,
    "/api/v1.0/metadata": _METADATA,
    "/seldon.json": Route("openapi", ("GET",), answer=_openapi),
}


def find(path: str) -> Route | None:
    """The route of a path, None when there is none."""
    return _remembered(path) if len(path) <= _REMEMBERED_CHARACTERS else _find(path)


def _find(path: str) -> Route | None:
    route = PATHS.get(path)
    if route is None and path.startswith(("/v2", "/v1/models/")):
        return _v2_named(path) if path.startswith("/v2") else _tensorflow_named(path)
    return route


# Callers ask the same few paths again and again; long ones, which may all differ, take no memory.
_REMEMBERED_CHARACTERS = 256
_remembered = lru_cache(maxsize=256)(_find)


# V2: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md

_V2_MODEL = re.compile(r"/v2/models/([^/]+)(?:/versions/[^/]+)?(?:/(infer|route|aggregate|feedback|ready))?\Z")


def _v2_named(path: str) -> Route | None:
    if path in ("/v2", "/v2/"):
        return _V2_SERVER
    found = _V2_MODEL.match(path)
    if found is None:
        return None
    methods, flow, answer = _V2_ACTIONS[found[2]]
    return Route(found[2] or "metadata", methods, flow, None, answer, unquote(found[1]))


def _v2_server(_: Model) -> Answer:
    server = {"name": "seldon-core-microservice", "version": __version__, "extensions": ["binary_tensor_data"]}
    return Answer(200, dumps(server))


def _v2_metadata(model: Model) -> Answer:
    if model.described is None:
        return Answer(500, v2.error_body("Model metadata unavailable"))
    found = model.described
    keys = ("name", "datatype", "shape")
    tensors = {
        side: [item for item in found[side] if all(key in item for key in keys)] for side in ("inputs", "outputs")
    }
    versions = [version for version in found["versions"] if version]
    return Answer(200, dumps({
        "name": model.names[0], "versions": versions, "platform": found["platform"] or "seldon", **tensors,
    }))  # fmt: skip


def _ready(_: Model) -> Answer:
    return Answer(200, b"{}")


def _v2_infer(model: Model, request: Request) -> Flow:
    body = read_body(request, v2=True)
    length = v2.read_header_length(request.header(v2.HEADER_LENGTH), len(body))
    return model.plane.infer(v2.parse_request(body, length), model.v2)


def _v2_route(model: Model, request: Request) -> Flow:
    body = read_body(request, v2=True)
    length = v2.read_header_length(request.header(v2.HEADER_LENGTH), len(body))
    return model.plane.route(v2.parse_request(body, length), model.v2)


def _v2_aggregate(model: Model, request: Request) -> Flow:
    return model.plane.aggregate(loads(read_body(request)), model.v2)


def _v2_feedback(model: Model, request: Request) -> Flow:
    return model.plane.send_feedback(loads(read_body(request)), model.v2)


_V2_SERVER = Route("metadata", ("GET",), None, None, _v2_server)
_V2_ACTIONS: dict[str | None, Any] = {
    None: (("GET",), None, _v2_metadata),
    "ready": (("GET",), None, _ready),
    "infer": (("POST",), _v2_infer, None),
    "route": (("POST",), _v2_route, None),
    "aggregate": (("POST",), _v2_aggregate, None),
    "feedback": (("POST",), _v2_feedback, None),
}


# TensorFlow: https://www.tensorflow.org/tfx/serving/api_rest

_TENSORFLOW_MODEL = re.compile(
    r"/v1/models/([^/:]*)(?:/versions/[^/:]+|/labels/[^/:]+)?(?:/?:(predict|route|aggregate|feedback)|/(metadata))?\Z"
)


def _tensorflow_named(path: str) -> Route | None:
    found = _TENSORFLOW_MODEL.match(path)
    if found is None:
        return None
    action = found[2] or found[3]
    methods, flow, answer = _TENSORFLOW_ACTIONS[action]
    return Route(action or "status", methods, flow, TENSORFLOW, answer, unquote(found[1]) or None)


def _version(described: dict[str, Any]) -> str:
    return next((version for version in described.get("versions", []) if version), "")


def _tensorflow_version(model: Model) -> str:
    version = _version(model.described or {})
    return version if version.isascii() and version.isdigit() else "1"


def _tensorflow_status(model: Model) -> Answer:
    status = {"error_code": "OK", "error_message": ""}
    version = {"version": _tensorflow_version(model), "state": "AVAILABLE", "status": status}
    return Answer(200, dumps({"model_version_status": [version]}))


def _tensorflow_metadata(model: Model) -> Answer:
    if model.described is None:
        return Answer(500, tensorflow.error_body("Model metadata unavailable"))
    spec = {"name": model.names[0], "signature_name": "", "version": _tensorflow_version(model)}
    return Answer(200, dumps({"model_spec": spec, "metadata": model.described}))


def _tensorflow_predict(model: Model, request: Request) -> Flow:
    return model.plane.infer(tensorflow.parse_request(read_body(request)), TENSORFLOW)


def _tensorflow_route(model: Model, request: Request) -> Flow:
    return model.plane.route(tensorflow.parse_request(read_body(request)), TENSORFLOW)


def _tensorflow_aggregate(model: Model, request: Request) -> Flow:
    return model.plane.aggregate(loads(read_body(request)), TENSORFLOW)


def _tensorflow_feedback(model: Model, request: Request) -> Flow:
    return model.plane.send_feedback(loads(read_body(request)), TENSORFLOW)


_TENSORFLOW_ACTIONS: dict[str | None, Any] = {
    None: (("GET",), None, _tensorflow_status),
    "metadata": (("GET",), None, _tensorflow_metadata),
    "predict": (("POST",), _tensorflow_predict, None),
    "route": (("POST",), _tensorflow_route, None),
    "aggregate": (("POST",), _tensorflow_aggregate, None),
    "feedback": (("POST",), _tensorflow_feedback, None),
}
