"""The OpenAPI document of what a component answers to: https://spec.openapis.org/oas/v3.0.3."""

from typing import Any

from seldon_core import __version__

__all__ = ["document"]

# Those that JSON has no numbers for are texts.
_NUMBER = {"oneOf": [{"type": "number"}, {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}]}
_NUMBERS = {"type": "array", "items": _NUMBER}
_ANY = {"type": "object", "additionalProperties": True}
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
# Answers beside which errors are messages of the seldon protocol.
_OF_SELDON = ("SeldonMessage", "Metadata")


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list_of(name: str) -> dict[str, Any]:
    return {"type": "array", "items": _ref(name)}


def _feedback(request: str, answer: str) -> dict[str, Any]:
    parts = {"request": _ref(request), "response": _ref(answer), "reward": {"type": "number"}, "truth": _ref(answer)}
    return {"type": "object", "properties": parts}


def _messages() -> dict[str, Any]:
    """The messages of the seldon protocol."""
    metric = {
        "type": "object",
        "required": ["key", "type", "value"],
        "properties": {
            "key": {"type": "string"},
            "type": {"type": "string", "enum": ["COUNTER", "GAUGE", "TIMER"]},
            "value": {"type": "number"},
            "tags": _ANY,
        },
    }
    meta = {
        "puid": {"type": "string"},
        "tags": _ANY,
        "routing": {"type": "object", "additionalProperties": {"type": "integer"}},
        "requestPath": _TEXTS,
        "metrics": {"type": "array", "items": metric},
    }
    data = {
        "names": {"type": "array", "items": {"type": "string"}},
        "ndarray": {"type": "array", "items": {}},
        "tensor": {
            "type": "object",
            "properties": {"shape": {"type": "array", "items": {"type": "integer"}}, "values": _NUMBERS},
        },
        "tftensor": _ANY,
    }
    status = {"code": {"type": "integer"}, "info": {"type": "string"}, "reason": {"type": "string"},
              "status": {"oneOf": [{"type": "integer"}, {"enum": ["SUCCESS", "FAILURE"]}]}}  # fmt: skip
    message = {
        "status": {"type": "object", "properties": status},
        "meta": {"type": "object", "properties": meta},
        "data": {"type": "object", "properties": data},
        "strData": {"type": "string"},
        "binData": {"type": "string", "format": "byte"},
        "jsonData": {},
    }
    return {
        "SeldonMessage": {"type": "object", "properties": message},
        "SeldonMessageList": {"type": "object", "properties": {"seldonMessages": _list_of("SeldonMessage")}},
        "Feedback": _feedback("SeldonMessage", "SeldonMessage"),
        "Metadata": _ANY,
    }


def _others() -> dict[str, Any]:
    """What V2 and TensorFlow are asked, and answer."""
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "datatype": {"type": "string"},
            "parameters": _ANY,
            "data": {"type": "array", "items": {}},
        },
    }
    tensors = {"id": {"type": "string"}, "parameters": _ANY}
    return {
        "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
        "V2Tensor": tensor,
        "V2Request": {
            "type": "object",
            "required": ["inputs"],
            "properties": {**tensors, "inputs": _list_of("V2Tensor")},
        },
        "V2Response": {
            "type": "object",
            "required": ["model_name", "outputs"],
            "properties": {
                **tensors,
                "model_name": {"type": "string"},
                "model_version": {"type": "string"},
                "outputs": _list_of("V2Tensor"),
            },
        },
        "V2ResponseList": _list_of("V2Response"),
        "V2Feedback": _feedback("V2Request", "V2Response"),
        "V2Metadata": _ANY,
        "TensorflowRequest": {
            "type": "object",
            "properties": {
                "instances": {"type": "array", "items": {}},
                "inputs": {},
                "signature_name": {"type": "string"},
            },
        },
        "TensorflowResponse": {
            "type": "object",
            "properties": {"predictions": {"type": "array", "items": {}}, "outputs": {}},
        },
        "TensorflowResponseList": _list_of("TensorflowResponse"),
        "TensorflowFeedback": _feedback("TensorflowRequest", "TensorflowResponse"),
        "TensorflowMetadata": _ANY,
    }


def _content(schema: str, kind: str = "application/json") -> dict[str, Any]:
    return {"content": {kind: {"schema": _ref(schema)}}}


def _asks(summary: str, takes: str, gives: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "requestBody": {"required": True, **_content(takes)},
        "responses": _responses(gives),
    }


def _shows(summary: str, gives: str) -> dict[str, Any]:
    return {"summary": summary, "responses": _responses(gives)}


def _responses(gives: str) -> dict[str, Any]:
    wrong = "SeldonMessage" if gives in _OF_SELDON else "Error"
    return {
        "200": {"description": "the answer", **_content(gives)},
        "default": {"description": "what went wrong", **_content(wrong)},
    }


def _both(summary: str, takes: str) -> dict[str, Any]:
    """Asked with a body, or with a GET that has the message in its query."""
    query = {"name": "json", "in": "query", "required": True, "schema": {"type": "string"}}
    return {
        "get": {**_shows(summary, "SeldonMessage"), "parameters": [query]},
        "post": _asks(summary, takes, "SeldonMessage"),
    }


def _probe(summary: str) -> dict[str, Any]:
    text = {"content": {"text/plain": {"schema": {"type": "string"}}}}
    return {
        "get": {
            "summary": summary,
            "responses": {"200": {"description": "it is", **text}, "503": {"description": "not yet, or no longer"}},
        }
    }


def _of_model(path: str, operations: dict[str, Any]) -> dict[str, Any]:
    """A path of one model; `parameters` are what stands in braces."""
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in ("model", "version", "label")
        if f"{{{name}}}" in path
    ]
    return {"parameters": parameters, **operations}


def _seldon_paths() -> dict[str, Any]:
    message = "SeldonMessage"
    predict, feedback = "Answer a prediction", "Learn how good an answer was"
    health = {"get": _shows("What the class says of its health", message)}
    metadata = {"get": _shows("What the model is", "Metadata")}
    return {
        "/predict": _both(predict, message),
        "/api/v1.0/predictions": {"post": _asks(predict, message, message)},
        "/api/v0.1/predictions": {"post": _asks(predict, message, message)},
        "/transform-input": _both("Transform a request", message),
        "/transform-output": _both("Transform an answer", message),
        "/route": _both("Choose a branch", message),
        "/aggregate": _both("Make one answer of several", "SeldonMessageList"),
        "/send-feedback": _both(feedback, "Feedback"),
        "/api/v1.0/feedback": {"post": _asks(feedback, "Feedback", message)},
        "/api/v0.1/feedback": {"post": _asks(feedback, "Feedback", message)},
        "/health/status": health,
        "/api/v1.0/health/status": health,
        "/metadata": metadata,
        "/api/v1.0/metadata": metadata,
        "/seldon.json": {"get": _shows("This document", "Metadata")},
    }


def _probe_paths() -> dict[str, Any]:
    alive, ready = _probe("Whether the process answers"), _probe("Whether the model is loaded")
    return {
        "/live": alive, "/health/ping": alive, "/v2/health/live": alive, "/ready": ready, "/v2/health/ready": ready,
    }  # fmt: skip


def _v2_paths() -> dict[str, Any]:
    described = "V2Metadata"
    operations = {
        "": {"get": _shows("What the model is", described)},
        "/ready": {"get": _shows("Whether the model is ready", described)},
        "/infer": {"post": _asks("Answer a V2 request", "V2Request", "V2Response")},
        "/route": {"post": _asks("Choose a branch", "V2Request", "V2Response")},
        "/aggregate": {"post": _asks("Make one answer of several", "V2ResponseList", "V2Response")},
        "/feedback": {"post": _asks("Learn how good an answer was", "V2Feedback", "V2Response")},
    }
    bases = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
    return {
        "/v2": {"get": _shows("What the server is", described)},
        **{base + end: _of_model(base, found) for base in bases for end, found in operations.items()},
    }


def _tensorflow_paths() -> dict[str, Any]:
    takes, gives, described = "TensorflowRequest", "TensorflowResponse", "TensorflowMetadata"
    operations = {
        "": {"get": _shows("State of the model", described)},
        "/metadata": {"get": _shows("What the model is", described)},
        ":predict": {"post": _asks("Answer a TensorFlow request", takes, gives)},
        ":route": {"post": _asks("Choose a branch", takes, gives)},
        ":aggregate": {"post": _asks("Make one answer of several", "TensorflowResponseList", gives)},
        ":feedback": {"post": _asks("Learn how good an answer was", "TensorflowFeedback", gives)},
    }
    base = "/v1/models/{model}"
    bases = (base, f"{base}/versions/{{version}}", f"{base}/labels/{{label}}")
    return {start + end: _of_model(start, found) for start in bases for end, found in operations.items()}


def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.0.3",
        "info": {"title": "Seldon Core component", "version": __version__},
        "paths": {**_seldon_paths(), **_probe_paths(), **_v2_paths(), **_tensorflow_paths()},
        "components": {"schemas": {**_messages(), **_others()}},
    }
