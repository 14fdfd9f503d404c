"""The OpenAPI document: every route is in it, and everything in it answers as it says."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from seldon_core.microservice.application import _PROBES
from seldon_core.microservice.openapi import document
from seldon_core.microservice.routes import _TENSORFLOW_ACTIONS, _V2_ACTIONS, PATHS

from .serving import M, served

V2 = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1.0, 2.0]}]}
V2_ANSWER = {"model_name": "m", "outputs": [{"name": "y", "shape": [1], "datatype": "FP64", "data": [1.0]}]}
ND = {"data": {"ndarray": [[1.0, 2.0]]}}
EXAMPLES: dict[str, Any] = {
    "SeldonMessage": ND,
    "SeldonMessageList": {"seldonMessages": [ND, ND]},
    "Feedback": {"request": ND, "response": ND, "reward": 1.0, "truth": ND},
    "V2Request": V2,
    "V2ResponseList": [V2_ANSWER, V2_ANSWER],
    "V2Feedback": {"request": V2, "response": V2_ANSWER, "reward": 1.0, "truth": V2_ANSWER},
    "TensorflowRequest": {"instances": [[1.0, 2.0]]},
    "TensorflowResponseList": [{"predictions": [[1.0]]}, {"predictions": [[2.0]]}],
    "TensorflowFeedback": {
        "request": {"instances": [[1.0]]}, "response": {"predictions": [[1.0]]}, "reward": 1.0,
        "truth": {"predictions": [[1.0]]},
    },
}  # fmt: skip


class Everything(M):
    def transform_input(self, X: Any, names: Any) -> Any:  # noqa: N803
        return X

    def transform_output(self, X: Any, names: Any) -> Any:  # noqa: N803
        return X

    def route(self, X: Any, names: Any) -> int:  # noqa: N803
        return 0

    def aggregate(self, features_list: Any, names_list: Any) -> Any:
        return features_list[0]

    def send_feedback(self, features: Any, names: Any, reward: Any, truth: Any) -> Any:
        return [reward]


def operations() -> Iterator[Any]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                yield pytest.param(path, method, operation, id=f"{method.upper()} {path}")


def schema_of(content: Any) -> Any:
    """A schema of the document that stands on its own."""
    return {**content["schema"], "components": document()["components"]}


def test_every_route_is_in_it() -> None:
    served_here = {(path, method) for path, route in PATHS.items() for method in route.methods}
    served_here |= {(path, "GET") for path in _PROBES} | {("/v2", "GET")}
    for base in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        for action, (methods, *_) in _V2_ACTIONS.items():
            served_here |= {(f"{base}/{action}" if action else base, method) for method in methods}
    for end in ("", "/versions/{version}", "/labels/{label}"):
        base = "/v1/models/{model}" + end
        for action, (methods, *_) in _TENSORFLOW_ACTIONS.items():
            join = "/" if action == "metadata" else ":"
            served_here |= {(f"{base}{join}{action}" if action else base, method) for method in methods}
    documented = {
        (path, method.upper()) for path, methods in document()["paths"].items() for method in methods
        if method != "parameters"
    }  # fmt: skip
    assert documented == served_here


@pytest.mark.parametrize(("path", "method", "operation"), [*operations()])
async def test_what_it_promises_is_kept(path: str, method: str, operation: Any) -> None:
    url = path.replace("{model}", "m").replace("{version}", "1").replace("{label}", "stable")
    example = None
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        example = EXAMPLES[content["schema"]["$ref"].rpartition("/")[2]]
        jsonschema.validate(example, schema_of(content))
    elif "parameters" in operation:
        post = document()["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        url += "?json=" + json.dumps(EXAMPLES[post["$ref"].rpartition("/")[2]])
    async with served(Everything(), unit="m") as service:
        response = await service.client.request(method, url, json=example)
        assert response.status_code == 200, response.text
        [(kind, content)] = operation["responses"]["200"]["content"].items()
        assert response.headers["content-type"].partition(";")[0] == kind
        if kind == "application/json":
            jsonschema.validate(response.json(), schema_of(content))
        if method == "post":
            wrong = await service.client.post(url, content=b"{", headers={"content-type": "application/json"})
            assert wrong.status_code == 400
            described = operation["responses"]["default"]["content"]["application/json"]
            jsonschema.validate(wrong.json(), schema_of(described))
            assert ("error" in wrong.json()) == (described["schema"]["$ref"].endswith("/Error"))


def test_every_reference_leads_somewhere() -> None:
    schemas = document()["components"]["schemas"]

    def references(value: Any) -> Iterator[str]:
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if key == "$ref":
                yield item
            elif isinstance(item, dict | list):
                yield from references(item)

    found = {reference.removeprefix("#/components/schemas/") for reference in references(document())}
    assert found == set(schemas), "all of them, and none for nothing"
