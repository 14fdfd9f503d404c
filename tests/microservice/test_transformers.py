"""Transformers that build on SeldonComponent, over real sockets: whole messages, meta, and one method alone."""

from typing import Any

import pytest

from seldon_core.user_model import SeldonComponent

from .serving import served

MESSAGE = {"data": {"names": ["a", "b"], "ndarray": [[1, 2]]}, "meta": {"puid": "p", "tags": {"t": 1}}}


class Whole(SeldonComponent):
    """Keeps what it is given, and answers with messages that the wrapper could not have made."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Any] = []

    def transform_input_raw(self, msg: dict[str, Any]) -> dict[str, Any]:
        self.got.append(("transform_input_raw", msg))
        return {"data": {"names": ["in"], "ndarray": [["x", 2**60]]}, "mine": True}

    def transform_output_raw(self, msg: dict[str, Any]) -> dict[str, Any]:
        self.got.append(("transform_output_raw", msg))
        return {"data": {"tensor": {"shape": [1], "values": [0.1]}}, "status": {"code": 400}}


@pytest.mark.parametrize(
    ("path", "method", "answer"),
    [
        pytest.param(
            "/transform-input", "transform_input_raw",
            {"data": {"names": ["in"], "ndarray": [["x", 2**60]]}, "mine": True}, id="input",
        ),
        pytest.param(
            "/transform-output", "transform_output_raw",
            {"data": {"tensor": {"shape": [1], "values": [0.1]}}, "status": {"code": 400}}, id="output",
        ),
    ],
)  # fmt: skip
async def test_whole_messages_go_in_and_out(path: str, method: str, answer: Any) -> None:
    model = Whole()
    message = {**MESSAGE, "unknown": [None, {}]}
    async with served(model) as service:
        response = await service.client.post(path, json=message)
    assert (response.status_code, response.json()) == (200, answer)
    assert model.got == [(method, message)]


class Outputs(SeldonComponent):
    """Transforms answers and does nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Any] = []

    def transform_output(self, X: Any, names: Any, meta: dict[str, Any] | None = None) -> Any:  # noqa: N803
        self.got.append((X.tolist(), list(names), meta))
        return X * 2


@pytest.mark.parametrize(
    "meta",
    [
        pytest.param({"puid": "p", "tags": {"t": 1}, "routing": {"r": 0}, "requestPath": {"n": "i:1"}}, id="meta"),
        pytest.param(None, id="no-meta"),
    ],
)
async def test_an_output_transformer_sees_the_meta(meta: Any) -> None:
    model = Outputs()
    message = {"data": MESSAGE["data"], **({"meta": meta} if meta else {})}
    async with served(model) as service:
        response = await service.client.post("/transform-output", json=message)
    doubled = {"names": ["a", "b"], "ndarray": [[2, 4]]}
    assert (response.status_code, response.json()) == (200, {"data": doubled, "meta": meta or {}})
    assert model.got == [([[1, 2]], ["a", "b"], meta)]


@pytest.mark.parametrize("service_type", ["MODEL", "OUTPUT_TRANSFORMER"])
@pytest.mark.parametrize(
    ("path", "message", "part", "expected"),
    [
        pytest.param("/transform-output", MESSAGE, "data", {"names": ["a", "b"], "ndarray": [[2, 4]]}, id="seldon"),
        pytest.param("/transform-input", MESSAGE, "data", MESSAGE["data"], id="the-other-way-changes-nothing"),
        pytest.param("/predict", MESSAGE, "data", {"names": [], "ndarray": []}, id="it-predicts-nothing"),
        pytest.param(
            "/v2/models/Outputs/infer",
            {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]},
            "outputs",
            [{"name": "output-0", "datatype": "FP32", "shape": [1, 2], "data": [2.0, 4.0]}], id="v2",
        ),
        pytest.param("/v1/models/Outputs:predict", {"instances": [[1, 2]]}, "predictions", [[2, 4]], id="tensorflow"),
    ],
)  # fmt: skip
async def test_an_output_transformer_needs_no_other_method(
    path: str, message: Any, part: str, expected: Any, service_type: str
) -> None:
    async with served(Outputs(), service_type=service_type) as service:
        response = await service.client.post(path, json=message)
    assert response.status_code == 200, response.text
    assert response.json()[part] == expected
