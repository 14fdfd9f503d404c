"""The metadata of a model: defaults, overrides and rules."""

import json
from pathlib import Path
from typing import Any

import pytest

from seldon_core.microservice.metadata import MetadataError, describe
from seldon_core.utils import json_to_seldon_model_metadata, seldon_message_to_json

from .serving import M, get, running, served

EMPTY = {"name": "", "versions": [""], "platform": "", "inputs": [], "outputs": [], "custom": {}}


@pytest.mark.parametrize(
    ("declared", "override", "image", "expected"),
    [
        pytest.param(None, "", "", {}, id="nothing"),
        pytest.param(None, "", "a/b:0.1", {"name": "a/b", "versions": ["0.1"]}, id="image"),
        pytest.param({"name": "n"}, "", "a/b:0.1", {"name": "n", "versions": ["0.1"]}, id="class"),
        pytest.param({"name": "n"}, "name: env\nplatform: sklearn", "", {"name": "env", "platform": "sklearn"},
                     id="env"),
        pytest.param(None, "{", "", {}, id="broken-env-is-ignored"),
        pytest.param(None, "- 1", "", {}, id="list-in-env-is-ignored"),
    ],
)  # fmt: skip
def test_what_is_not_said_has_a_default(declared: Any, override: str, image: str, expected: Any) -> None:
    assert describe(declared, override, image) == EMPTY | expected


@pytest.mark.parametrize(
    "item",
    [
        pytest.param({}, id="empty"),
        pytest.param({"messagetype": "tensor"}, id="type-only"),
        pytest.param({"messagetype": "ndarray", "schema": {"names": ["a"], "shape": [1, 4]}}, id="array"),
        pytest.param({"messagetype": "jsonData", "schema": {"type": "object"}}, id="jsonData-with-schema"),
        pytest.param({"messagetype": "strData"}, id="strData"),
        pytest.param({"messagetype": "binData"}, id="binData"),
        pytest.param({"messagetype": "mine", "schema": {"anything": 1}}, id="own-type"),
        pytest.param({"messagetype": "jsonData", "schema": {"type": "array", "minItems": 1}}, id="jsonData-array"),
        pytest.param({"name": "x", "datatype": "FP32", "shape": [-1, 4]}, id="v2"),
    ],
)
def test_valid_tensors(item: Any) -> None:
    assert describe({"inputs": [item], "outputs": [item]}, "", "")["inputs"] == [item]


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        pytest.param([], "init_metadata() returned [], must return a dict", id="no-dict"),
        pytest.param({"name": 1}, "name: 1: must be a text", id="name"),
        pytest.param({"versions": "v1"}, "versions: 'v1': must be a list of texts", id="versions"),
        pytest.param({"custom": {"a": 1}}, "custom: {'a': 1}: must map texts to texts", id="custom"),
        pytest.param({"inputs": {}}, "inputs: {}: must be a list", id="inputs"),
        pytest.param({"inputs": ["x"]}, "inputs[0]: 'x': must be a mapping", id="input"),
        pytest.param(
            {"colour": 1},
            "colour: is not a key of metadata; use one of custom, inputs, name, outputs, platform, versions",
            id="unknown-key",
        ),
        pytest.param(
            {"inputs": [{"messagetype": "strData", "schema": {}}]},
            "inputs[0].schema: is not a key here; use one of messagetype",
            id="schema-of-text",
        ),
        pytest.param(
            {"outputs": [{"messagetype": "tensor", "schema": {"shape": ["x"]}}]},
            "outputs[0].schema: {'shape': ['x']}: is not a valid schema",
            id="shape",
        ),
        pytest.param(
            {"inputs": [{"name": "x", "datatype": "FLOAT"}]},
            "inputs[0].datatype: 'FLOAT': is not a valid datatype",
            id="datatype",
        ),
        pytest.param(
            {"inputs": [{"name": "x", "datatype": "FP32", "shape": ["1", "4"]}]},
            "inputs[0].shape: ['1', '4']: is not a valid shape",
            id="shape-of-texts",
        ),
    ],
)
def test_invalid_metadata_is_refused_with_every_problem(declared: Any, problem: str) -> None:
    with pytest.raises(MetadataError) as caught:
        describe(declared, "", "")
    assert problem in str(caught.value)


def test_all_problems_come_at_once() -> None:
    with pytest.raises(MetadataError) as caught:
        describe({"name": 1, "platform": 2, "versions": 3}, "", "")
    assert len(str(caught.value).split("; ")) == 3


# Every field that there is, and every kind of input and output.
FULL = {
    "name": "my-model",
    "versions": ["my-model-v1", "2"],
    "platform": "sklearn",
    "inputs": [
        {"messagetype": "tensor", "schema": {"names": ["a", "b"], "shape": [2, 3]}},
        {"messagetype": "ndarray", "schema": {"names": ["a"], "shape": [-1]}},
        {"messagetype": "tftensor", "schema": {"names": [], "shape": []}},
        {"messagetype": "jsonData", "schema": {"type": "object", "properties": {"a": {"type": "number"}}}},
        {"messagetype": "strData"},
        {"messagetype": "binData"},
        {"messagetype": "customData", "schema": {"custom": {"nested": [1, 0.5, None, True]}}},
        {"name": "x", "datatype": "BYTES", "shape": [1, -1]},
    ],
    "outputs": [{"messagetype": "strData"}, {"name": "y", "datatype": "FP32", "shape": [3]}],
    "custom": {"author": "seldon-dev", "extra": "information"},
}


def test_every_field_is_shown_as_the_class_has_it(tmp_path: Path) -> None:
    source = f"class MyModel:\n    def init_metadata(self):\n        return {FULL!r}\n"
    with running(tmp_path, source, PREDICTIVE_UNIT_IMAGE="image:0.1") as service:
        for path in ("/metadata", "/api/v1.0/metadata"):
            status, body = get(service.http + path)
            assert (status, json.loads(body)) == (200, FULL)


V2 = {"name": "x", "datatype": "FP32", "shape": [1, 4]}
ARRAY = {"messagetype": "jsonData", "schema": {"type": "array", "items": {"type": "number"}, "minItems": 1}}
TENSOR = {"messagetype": "tensor", "schema": {"names": ["a"], "shape": [-1, 1]}}


class Described(M):
    def init_metadata(self) -> dict[str, Any]:
        return {"name": "m", "inputs": [V2, ARRAY], "outputs": [TENSOR]}


async def test_numbers_are_shown_as_the_class_gives_them() -> None:
    async with served(Described()) as service:
        response = await service.client.get("/metadata")
    assert response.status_code == 200
    expected = {**EMPTY, **Described().init_metadata()}
    assert response.text == json.dumps(expected, separators=(",", ":"), sort_keys=True) + "\n"


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        pytest.param(V2, '{"datatype": "FP32", "name": "x", "shape": ["1", "4"]}', id="sizes-are-texts"),
        pytest.param(
            ARRAY,
            '{"messagetype": "jsonData", "schema": {"items": {"type": "number"}, "minItems": 1.0, "type": "array"}}',
            id="numbers-of-a-json-schema-are-floats",
        ),
        pytest.param(
            TENSOR,
            '{"messagetype": "tensor", "schema": {"names": ["a"], "shape": [-1.0, 1.0]}}',
            id="numbers-of-a-tensor-schema-are-floats",
        ),
    ],
)
def test_through_protobuf_numbers_have_the_forms_of_its_json(item: Any, shown: str) -> None:
    """Which has 64-bit integers as text, and in a schema nothing but floats."""
    described = describe({"name": "m", "inputs": [item], "outputs": [item]}, "", "")
    message = seldon_message_to_json(json_to_seldon_model_metadata(described))
    assert [json.dumps(message[side], sort_keys=True) for side in ("inputs", "outputs")] == [f"[{shown}]"] * 2
