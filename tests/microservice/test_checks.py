"""Requests that are not what `init_metadata()` describes are refused, if that is asked for."""

from pathlib import Path
from typing import Any

import pytest

from .serving import M, process, running, served

ARRAY = {"messagetype": "ndarray", "schema": {"names": ["a", "b"], "shape": [-1, 2]}}
TENSORS = [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}, {"name": "y", "datatype": "INT64", "shape": [1]}]
X = {"name": "x", "datatype": "FP32", "shape": [3, 2], "data": [1, 2, 3, 4, 5, 6]}
Y = {"name": "y", "datatype": "INT64", "shape": [1], "data": [1]}


def model(inputs: Any, **methods: Any) -> Any:
    found = type("Model", (M,), {"init_metadata": lambda self: {"inputs": inputs}, **methods})()
    if isinstance(inputs, list) and len(inputs) > 1:
        found.predict = lambda X, names: "taken"  # noqa: N803
    return found


def nd(*rows: Any, names: Any = None) -> Any:
    return {"data": {"ndarray": list(rows), **({"names": names} if names else {})}}


SELDON = "/predict"
V2 = "/v2/models/test/infer"
TENSORFLOW = "/v1/models/test:predict"


@pytest.mark.parametrize(
    ("inputs", "path", "message"),
    [
        pytest.param([ARRAY], SELDON, nd([1, 2]), id="array"),
        pytest.param([ARRAY], SELDON, nd([1, 2], [3, 4], names=["a", "b"]), id="names"),
        pytest.param([ARRAY], SELDON, {"data": {"tensor": {"shape": [1, 2], "values": [1, 2]}}}, id="other-array"),
        pytest.param([{**ARRAY, "schema": {"shape": [2]}}], SELDON, nd([1, 2]), id="shape-of-a-row"),
        pytest.param([{"messagetype": "tensor"}], SELDON, nd([1, 2, 3]), id="any-array"),
        pytest.param([{"messagetype": "strData"}], SELDON, {"strData": "x"}, id="strData"),
        pytest.param([{"messagetype": "strData"}, ARRAY], SELDON, nd([1, 2]), id="one-of-several"),
        pytest.param([{"messagetype": "mine", "schema": {}}, ARRAY], SELDON, {"strData": "x"}, id="own-kind"),
        pytest.param([ARRAY], TENSORFLOW, {"instances": [[1, 2]]}, id="tensorflow"),
        pytest.param([ARRAY], V2, {"inputs": [Y]}, id="v2-not-described"),
        pytest.param(TENSORS, SELDON, {"strData": "x"}, id="seldon-not-described"),
        pytest.param(TENSORS, V2, {"inputs": [Y, X]}, id="v2"),
        pytest.param([{"name": "x"}], V2, {"inputs": [X]}, id="v2-name-only"),
    ],
)
async def test_what_is_described_is_taken(inputs: Any, path: str, message: Any) -> None:
    async with served(model(inputs), unit="test", check_requests=True) as service:
        response = await service.client.post(path, json=message)
        assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("inputs", "path", "message", "info"),
    [
        pytest.param([ARRAY], SELDON, nd([1, 2, 3], names=["a", "c"]),
                     "data.names: ['a', 'c']: the model takes ['a', 'b']; "
                     "data: an array of shape [1, 3]: the model takes [-1, 2]", id="names-and-shape"),
        pytest.param([ARRAY], SELDON, nd([[1, 2]]), "data: an array of shape [1, 1, 2]: the model takes [-1, 2]",
                     id="dimensions"),
        pytest.param([ARRAY], SELDON, {"strData": "x"}, "strData: the model takes ndarray", id="kind"),
        pytest.param([{"messagetype": "strData"}, {"messagetype": "jsonData"}], SELDON, nd([1]),
                     "data: the model takes strData, jsonData", id="no-array"),
        pytest.param([ARRAY], TENSORFLOW, {"instances": [[1, 2, 3]]},
                     "data: an array of shape [1, 3]: the model takes [-1, 2]", id="tensorflow"),
        pytest.param(TENSORS, V2, {"inputs": [{**X, "datatype": "FP64", "shape": [2, 3]}, {**Y, "name": "z"}]},
                     "inputs[0].datatype: FP64: the model takes FP32; "
                     "inputs[0].shape: [2, 3]: the model takes [-1, 2]; "
                     "inputs[1].name: 'z': the model takes x, y; inputs: 'y' is missing, which the model takes",
                     id="v2"),
    ],
)  # fmt: skip
async def test_anything_else_is_a_400(inputs: Any, path: str, message: Any, info: str) -> None:
    async with served(model(inputs), unit="test", check_requests=True) as service:
        response = await service.client.post(path, json=message)
    answer = response.json()
    assert (response.status_code, answer["status"]["info"] if "status" in answer else answer["error"]) == (400, info)


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/predict", "predict"), ("/transform-input", "transform_input"), ("/transform-output", "transform_output"),
        ("/route", "route"), ("/predict", "predict_raw"), ("/route", "route_raw"),
    ],
)  # fmt: skip
async def test_the_class_does_not_get_to_see_it(path: str, method: str) -> None:
    def fails(*_: Any) -> Any:
        raise AssertionError("it was called")

    async with served(model([ARRAY], **{method: fails}), check_requests=True) as service:
        assert (await service.client.post(path, json=nd([1]))).status_code == 400
        assert (await service.client.post(path, json=nd([1, 2]))).status_code == 500


async def test_without_the_option_everything_is_taken() -> None:
    async with served(model([ARRAY])) as service:
        assert (await service.client.post("/predict", json=nd([1]))).status_code == 200


SOURCE = """
class MyModel:
    def init_metadata(self):
        return {"inputs": INPUTS}
    def predict(self, X, names):
        return X
"""


@pytest.mark.parametrize("inputs", ["[]", "[{}]", "1"], ids=["none", "nothing-in-it", "not-valid"])
def test_a_model_without_a_description_does_not_start(tmp_path: Path, inputs: str) -> None:
    (tmp_path / "MyModel.py").write_text(SOURCE.replace("INPUTS", inputs))
    with process(tmp_path, "MyModel", "--check-requests") as service:
        assert service.wait() == 2
    assert (tmp_path / "termination-log").read_text() == (
        "--check-requests: MyModel: the metadata has no inputs that requests could be compared with; "
        "describe them as tensors, or as one of tensor, ndarray, tftensor, jsonData, strData, binData, "
        "or leave the option out"
    )


def test_what_is_passed_on_unread_cannot_be_checked(tmp_path: Path) -> None:
    (tmp_path / "MyModel.py").write_text(SOURCE.replace("INPUTS", "[]"))
    with process(tmp_path, "MyModel", "--check-requests", PAYLOAD_PASSTHROUGH="true") as service:
        assert service.wait() == 2
    assert "leave one of the two out" in (tmp_path / "termination-log").read_text()


def test_the_variable_does_the_same(tmp_path: Path) -> None:
    from .serving import get

    source = SOURCE.replace("INPUTS", "[{'messagetype': 'strData'}]")
    with running(tmp_path, source, SELDON_CHECK_REQUESTS="true") as service:
        assert get(service.http + "/predict", {"strData": "x"})[0] == 200
        assert get(service.http + "/predict", nd([1]))[0] == 400
