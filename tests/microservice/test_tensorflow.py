"""TensorFlow Serving's predict API to ordinary classes."""

from typing import Any

import numpy as np
import pytest

from .serving import M, served


class Sees:
    def __init__(self, result: Any = None) -> None:
        self.result = result
        self.seen: list[Any] = []

    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        self.seen.append((X, names, meta))
        return X if self.result is None else self.result


async def predict(model: object, message: Any) -> Any:
    async with served(model, unit="m") as service:
        response = await service.client.post("/v1/models/m:predict", json=message)
    return response.status_code, response.json()


@pytest.mark.parametrize(
    ("message", "answer", "seen"),
    [
        pytest.param({"instances": [[1, 2], [3, 4]]}, {"predictions": [[1, 2], [3, 4]]}, np.array([[1, 2], [3, 4]]),
                     id="rows"),
        pytest.param({"inputs": [[1.5]]}, {"outputs": [[1.5]]}, np.array([[1.5]]), id="columns"),
        pytest.param({"instances": ["a", "b"]}, {"predictions": ["a", "b"]}, np.array(["a", "b"]), id="texts"),
        pytest.param({"instances": [{"b64": "AP8="}]}, {"predictions": [{"b64": "AP8="}]}, np.array([b"\x00\xff"]),
                     id="bytes"),
        pytest.param({"instances": [{"a": 1, "b": [2]}, {"b": [4], "a": 3}]},
                     {"predictions": [{"a": 1, "b": [2]}, {"a": 3, "b": [4]}]}, None, id="named-rows"),
        pytest.param({"inputs": {"a": [1, 3], "b": [[2], [4]]}}, {"outputs": {"a": [1, 3], "b": [[2], [4]]}}, None,
                     id="named-columns"),
    ],
)  # fmt: skip
async def test_what_comes_is_what_goes(message: Any, answer: Any, seen: Any) -> None:
    model = Sees()
    assert await predict(model, message) == (200, answer)
    payload, names, _ = model.seen[0]
    if seen is None:
        assert names == ["a", "b"]
        assert payload["a"].tolist() == [1, 3]
    else:
        np.testing.assert_array_equal(payload, seen)


async def test_the_signature_is_a_tag() -> None:
    model = Sees()
    await predict(model, {"signature_name": "s", "instances": [1]})
    assert model.seen[0][2] == {"tags": {"signature_name": "s"}}


@pytest.mark.parametrize(
    ("result", "predictions"),
    [("hi", ["hi"]), (b"\x00", [{"b64": "AA=="}]), ({"a": np.array([1]), "b": "x"}, [{"a": [1], "b": "x"}]),
     ({"a": np.array([1, 2])}, [{"a": 1}, {"a": 2}]), (np.array([np.nan]), [None])],
)  # fmt: skip
async def test_results(result: Any, predictions: Any) -> None:
    assert await predict(Sees(result), {"instances": [1]}) == (200, {"predictions": predictions})


@pytest.mark.parametrize(
    ("path", "message", "status", "text"),
    [
        ("/v1/models/m:predict", {}, 400, 'a predict request has either "instances"'),
        (
            "/v1/models/m:predict",
            {"instances": [{"a": 1}, {"c": 1}]},
            400,
            "instances[1]: has c; the rows before have a",
        ),
        ("/v1/models/n:predict", {}, 404, "n: there is no such model here; it is called m"),
        ("/v1/models/m:classify", {}, 404, "/v1/models/m:classify: there is no such path"),
    ],
)
async def test_errors_have_the_form_of_the_protocol(path: str, message: Any, status: int, text: str) -> None:
    async with served(M(), unit="m") as service:
        response = await service.client.post(path, json=message)
    assert response.status_code == status
    assert response.json()["error"].startswith(text)


async def test_status_and_metadata() -> None:
    async with served(M(), unit="m") as service:
        for path in ("/v1/models/m", "/v1/models/m/versions/1"):
            [version] = (await service.client.get(path)).json()["model_version_status"]
            assert (version["state"], version["status"]["error_code"]) == ("AVAILABLE", "OK")
        found = (await service.client.get("/v1/models/m/metadata")).json()
        assert (found["model_spec"]["name"], found["metadata"]["name"]) == ("m", "test")
        assert (await service.client.post("/v1/models/:predict", json={"instances": [1]})).status_code == 200


async def test_routers_combiners_and_feedback() -> None:
    class All:
        def route(self, X: Any, names: Any) -> Any:  # noqa: N803
            return 1

        def aggregate(self, features_list: Any, names_list: Any) -> Any:
            return sum(features_list)

        def send_feedback(self, features: Any, names: Any, reward: Any, truth: Any, routing: Any = None) -> Any:
            return [features.sum(), reward, truth.sum(), routing]

    answer = {"predictions": [[1, 2]]}
    feedback = {"request": {"instances": [3]}, "response": answer, "routing": {"m": 1}, "reward": 2, "truth": answer}
    async with served(All(), unit="m") as service:
        for action, message, predictions in (
            ("route", {"instances": [1]}, [[1]]),
            ("aggregate", [answer, answer], [[2, 4]]),
            ("feedback", feedback, [3, 2, 3, 1]),
        ):
            response = await service.client.post(f"/v1/models/m:{action}", json=message)
            assert (response.status_code, response.json()) == (200, {"predictions": predictions})
