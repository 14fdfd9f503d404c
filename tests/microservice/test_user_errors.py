"""An error of a class is never swallowed, and nothing of a class is called twice for one request."""

from typing import Any

import httpx
import pytest

from .serving import Served, served

ND = {"data": {"names": ["a", "b"], "ndarray": [[1, 2]]}}
# Where each method is asked for, and with which message; None is for GET.
PATHS: dict[str, tuple[str, Any]] = {
    "predict": ("/predict", ND),
    "transform_input": ("/transform-input", ND),
    "transform_output": ("/transform-output", ND),
    "route": ("/route", ND),
    "aggregate": ("/aggregate", [ND]),
    "send_feedback": ("/send-feedback", {"request": ND, "reward": 1}),
    "health_status": ("/health/status", None),
}
ERRORS = (TypeError, AttributeError, NotImplementedError, KeyError)
every_method = pytest.mark.parametrize("method", [name + form for name in PATHS for form in ("", "_raw")])
every_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)


class Everything:
    """Has every method; keeps the names of those that are called, and raises in one of them."""

    def __init__(self, raising: str, error: type[Exception]) -> None:
        self.calls: list[str] = []
        self._raising = raising
        self._error = error

    def _called(self, name: str, result: Any) -> Any:
        self.calls.append(name)
        if name == self._raising:
            raise self._error(f"in {name}")
        return result

    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        return self._called("predict", X)

    def transform_input(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        return self._called("transform_input", X)

    def transform_output(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        return self._called("transform_output", X)

    def route(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        return self._called("route", 1)

    def aggregate(self, features_list: Any, names_list: Any) -> Any:
        return self._called("aggregate", features_list[0])

    def send_feedback(self, features: Any, names: Any, reward: Any, truth: Any, routing: Any = None) -> Any:
        return self._called("send_feedback", features)

    def health_status(self) -> Any:
        return self._called("health_status", [[1, 2]])

    def tags(self) -> Any:
        return self._called("tags", {})

    def metrics(self) -> Any:
        return self._called("metrics", [])

    def class_names(self) -> Any:
        return self._called("class_names", ["c", "d"])


class NamesFeatures(Everything):
    def feature_names(self) -> Any:
        return self._called("feature_names", ["f", "g"])


class TakesWhole(Everything):
    """Has every method for whole messages besides."""

    def predict_raw(self, msg: Any) -> Any:
        return self._called("predict_raw", {})

    def transform_input_raw(self, msg: Any) -> Any:
        return self._called("transform_input_raw", {})

    def transform_output_raw(self, msg: Any) -> Any:
        return self._called("transform_output_raw", {})

    def route_raw(self, msg: Any) -> Any:
        return self._called("route_raw", {})

    def aggregate_raw(self, msgs: Any) -> Any:
        return self._called("aggregate_raw", {})

    def send_feedback_raw(self, feedback: Any) -> Any:
        return self._called("send_feedback_raw", {})

    def health_status_raw(self) -> Any:
        return self._called("health_status_raw", {})


async def ask(service: Served, method: str) -> httpx.Response:
    path, message = PATHS[method]
    if message is None:
        return await service.client.get(path)
    return await service.client.post(path, json=message)


def failed(response: httpx.Response, raising: str, error: type[Exception]) -> bool:
    """Whether this is the answer to the error of that method."""
    status = {"code": -1, "info": str(error(f"in {raising}")), "reason": "MICROSERVICE_INTERNAL_ERROR", "status": 1}
    return (response.status_code, response.json()) == (500, {"status": status})


@every_method
@every_error
async def test_an_error_in_a_method_is_a_500_after_one_call(method: str, error: type[Exception]) -> None:
    model = (TakesWhole if method.endswith("_raw") else Everything)(method, error)
    async with served(model) as service:
        response = await ask(service, method.removesuffix("_raw"))
        assert failed(response, method, error), response.text
        assert model.calls == [method], "neither this one again nor another in its place"
        await ask(service, method.removesuffix("_raw"))
        assert model.calls == [method, method], "the next request is one call again"


@every_method
async def test_an_error_in_a_coroutine_is_a_500_after_one_call(method: str) -> None:
    model = Everything("", TypeError)

    async def fail(*_: Any) -> Any:
        model.calls.append(method)
        raise TypeError(f"in {method}")

    setattr(model, method, fail)
    async with served(model) as service:
        response = await ask(service, method.removesuffix("_raw"))
    assert failed(response, method, TypeError), response.text
    assert model.calls == [method]


@pytest.mark.parametrize(
    ("hook", "before"),
    [
        pytest.param("tags", [], id="tags"),
        pytest.param("metrics", ["tags"], id="metrics"),
        pytest.param("class_names", ["tags", "metrics"], id="class_names"),
    ],
)
@pytest.mark.parametrize("method", PATHS)
@every_error
async def test_an_error_in_a_hook_is_a_500_after_one_call(
    method: str, hook: str, before: list[str], error: type[Exception]
) -> None:
    model = Everything(hook, error)
    async with served(model) as service:
        response = await ask(service, method)
    assert failed(response, hook, error), response.text
    assert model.calls == [method, *before, hook]


@every_error
async def test_an_error_in_feature_names_does_not_make_it_ask_for_class_names(error: type[Exception]) -> None:
    model = NamesFeatures("feature_names", error)
    async with served(model) as service:
        response = await ask(service, "transform_input")
    assert failed(response, "feature_names", error), response.text
    assert model.calls == ["transform_input", "tags", "metrics", "feature_names"]


@pytest.mark.parametrize("method", PATHS)
async def test_without_an_error_each_is_called_once_too(method: str) -> None:
    model = Everything("", TypeError)
    async with served(model) as service:
        assert (await ask(service, method)).status_code == 200
    assert model.calls == [method, "tags", "metrics", "class_names"]
