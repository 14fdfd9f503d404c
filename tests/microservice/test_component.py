"""How a class's methods are found and called."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from seldon_core.microservice.component import Component
from seldon_core.microservice.errors import UsageError
from seldon_core.user_model import SeldonComponent


class Positional:
    def predict(self, X: Any, names: Any) -> Any:  # noqa: N803
        return [len(names)]


class WithMeta:
    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        return [meta]


class Keywords:
    def predict(self, X: Any, features_names: Any = None, **kwargs: Any) -> Any:  # noqa: N803
        return [kwargs.get("meta")]


class Alone:
    def predict(self, X: Any) -> Any:  # noqa: N803
        return X


class AloneWithMeta:
    def predict(self, X: Any, *, meta: Any) -> Any:  # noqa: N803
        return [meta]


class Anything:
    def predict(self, *args: Any) -> Any:
        return [len(args)]


class Static:
    @staticmethod
    def predict(X: Any, names: Any, meta: Any) -> Any:  # noqa: N803
        return [meta]


class Assigned:
    def __init__(self) -> None:
        self.predict: Callable[..., Any] = partial(lambda extra, data, names: [extra], 7)


class Compiled:
    predict = max  # a builtin, which tells nothing about its arguments


@pytest.mark.parametrize(
    ("model", "result"),
    [
        (Positional, [2]),
        (WithMeta, [{"puid": 1}]),
        (Keywords, [{"puid": 1}]),
        (Alone, [5]),
        (AloneWithMeta, [{"puid": 1}]),
        (Anything, [2]),
        (Static, [{"puid": 1}]),
        (Assigned, [7]),
        (Compiled, ["a", "b"]),
    ],
)
def test_a_method_is_called_as_it_wants_to_be(model: type, result: Any) -> None:
    method = Component(model()).get("predict")
    assert method is not None
    payload: list[Any] = ["0"] if model is Compiled else [5]
    assert method.with_arguments(payload, ["a", "b"], optional={"puid": 1})() == result


def test_only_what_a_class_overrides_is_a_method_of_it() -> None:
    class Mine(SeldonComponent):
        def tags(self) -> Any:
            return {}

    component = Component(Mine())
    assert set(component.methods) == {"tags"}
    assert component.inherits


class Wrong:
    def predict(self) -> Any:
        return []

    def tags(self, request: Any) -> Any:
        return {}

    def predict_raw(self) -> Any:
        return {}


def test_methods_that_cannot_be_called_are_all_named() -> None:
    with pytest.raises(UsageError) as caught:
        Component(Wrong())
    assert caught.value.problems == [
        "Wrong.predict() -> Any: the wrapper calls predict(X, names, meta=None); make it accept that",
        "Wrong.predict_raw() -> Any: the wrapper calls predict_raw(msg); make it accept that",
        "Wrong.tags(request: Any) -> Any: the wrapper calls tags(); make it accept that",
    ]


def test_the_old_attribute_for_class_names_is_read_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    class Old:
        class_names = ("a",)

    assert Component(Old()).column_names == ["a"]
    assert "Old.class_names is an attribute" in caplog.text
