"""The OpenAPI document of what a component answers to: https://spec.openapis.org/oas/v3.0.3."""

from typing import Any

from seldon_core import __version__

__all__ = ["document"]

_NUMBERS = {"type": "array", "items": {"type": "number"}}
_ANY = {"type": "object", "additionalProperties": True}
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_V2_PATH = "/v2/models/{model}"


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas() -> dict[str, Any]:
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
    feedback = {"request": _ref("SeldonMessage"), "response": _ref("SeldonMessage"), "reward": {"type": "number"},
                "truth": _ref("SeldonMessage")}  # fmt: skip
    tensors = {"id": {"type": "string"}, "parameters": _ANY}
    return {
        "SeldonMessage": {"type": "object", "properties": message},
        "SeldonMessageList": {
            "type": "object",
            "properties": {"seldonMessages": {"type": "array", "items": _ref("SeldonMessage")}},
        },
        "Feedback": {"type": "object", "properties": feedback},
        "Metadata": _ANY,
        "V2Tensor": tensor,
        "V2Request": {
            "type": "object",
            "required": ["inputs"],
            "properties": {**tensors, "inputs": {"type": "array", "items": _ref("V2Tensor")}},
        },
        "V2Response": {
            "type": "object",
            "required": ["model_name", "outputs"],
            "properties": {
                **tensors,
                "model_name": {"type": "string"},
                "model_version": {"type": "string"},
                "outputs": {"type": "array", "items": _ref("V2Tensor")},
            },
        },
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
    }


def _content(schema: str, kind: str = "application/json") -> dict[str, Any]:
    return {"content": {kind: {"schema": _ref(schema)}}}


def _asks(summary: str, takes: str, gives: str, model: bool = False) -> dict[str, Any]:
    operation = {
        "summary": summary,
        "requestBody": {"required": True, **_content(takes)},
        "responses": _responses(gives),
    }
    return _of_model(operation) if model else operation


def _shows(summary: str, gives: str, model: bool = False) -> dict[str, Any]:
    operation = {"summary": summary, "responses": _responses(gives)}
    return _of_model(operation) if model else operation


def _of_model(operation: dict[str, Any]) -> dict[str, Any]:
    parameter = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
    return {"parameters": [parameter], **operation}


def _responses(gives: str) -> dict[str, Any]:
    return {
        "200": {"description": "the answer", **_content(gives)},
        "default": {"description": "what went wrong", **_content("SeldonMessage")},
    }


def document() -> dict[str, Any]:
    """The whole document."""
    message = "SeldonMessage"
    predict = _asks("Answer a prediction", message, message)
    feedback = _asks("Learn how good an answer was", "Feedback", message)
    return {
        "openapi": "3.0.3",
        "info": {"title": "Seldon Core component", "version": __version__},
        "paths": {
            "/predict": {"post": predict},
            "/api/v1.0/predictions": {"post": predict},
            "/api/v0.1/predictions": {"post": predict},
            "/transform-input": {"post": _asks("Transform a request", message, message)},
            "/transform-output": {"post": _asks("Transform an answer", message, message)},
            "/route": {"post": _asks("Choose a branch", message, message)},
            "/aggregate": {"post": _asks("Make one answer of several", "SeldonMessageList", message)},
            "/send-feedback": {"post": feedback},
            "/api/v1.0/feedback": {"post": feedback},
            "/api/v0.1/feedback": {"post": feedback},
            "/health/status": {"get": _shows("What the class says of its health", message)},
            "/api/v1.0/health/status": {"get": _shows("What the class says of its health", message)},
            "/metadata": {"get": _shows("What the model is", "Metadata")},
            "/api/v1.0/metadata": {"get": _shows("What the model is", "Metadata")},
            "/seldon.json": {"get": _shows("This document", "Metadata")},
            "/v2": {"get": _shows("What the server is", "Metadata")},
            _V2_PATH: {"get": _shows("What the model is", "Metadata", model=True)},
            f"{_V2_PATH}/ready": {"get": _shows("Whether the model is ready", "Metadata", model=True)},
            f"{_V2_PATH}/infer": {"post": _asks("Answer a V2 request", "V2Request", "V2Response", model=True)},
            "/v1/models/{model}": {"get": _shows("State of the model", "Metadata", model=True)},
            "/v1/models/{model}/metadata": {"get": _shows("What the model is", "Metadata", model=True)},
            "/v1/models/{model}:predict": {
                "post": _asks("Answer a TensorFlow request", "TensorflowRequest", "TensorflowResponse", model=True)
            },
        },
        "components": {"schemas": _schemas()},
    }
