"""A user's object seen through the class contract: which methods it has and how they want to be called."""

import inspect
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from seldon_core.microservice.contract import SeldonComponent
from seldon_core.microservice.errors import UsageError

__all__ = ["Call", "Component", "Method"]

log = logging.getLogger(__name__)

# What the wrapper serves, and how it calls each: with arguments of these names. Only the first four may take `meta`.
_DATA = ("X", "names")
SERVED = {
    "predict": _DATA,
    "transform_input": _DATA,
    "transform_output": _DATA,
    "route": _DATA,
    "aggregate": ("features_list", "names_list"),
    "send_feedback": ("features", "names", "reward", "truth"),
}
_OPTIONAL = {**dict.fromkeys(("predict", "transform_input", "transform_output", "route"), "meta"),
             "send_feedback": "routing"}  # fmt: skip
# Methods for whole messages: today's, and those that older classes have in their place.
_WHOLE = {f"{name}_{kind}": ("msg",) for name in SERVED for kind in ("raw", "rest")}
_PLAIN = ("load", "tags", "metrics", "health_status", "health_status_raw", "init_metadata", "class_names",
          "feature_names", "custom_service")  # fmt: skip
_SIGNATURES: dict[str, tuple[str, ...]] = {**SERVED, **_WHOLE, **dict.fromkeys(_PLAIN, ())}


class Call(msgspec.Struct, frozen=True):
    """One call of a user's method that is about to be made.

    Attributes:
        function, arguments, keywords: the call.
        batch: calls with equal keys may be made as one, their first arguments joined; None: this one stands alone.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] | None = None
    batch: Any = None

    def __call__(self) -> Any:
        if self.keywords is None:
            return self.function(*self.arguments)
        return self.function(*self.arguments, **self.keywords)


class Method(msgspec.Struct, frozen=True):
    """A method of the user's object. Its signature is inspected once, so a call is made once.

    Attributes:
        function: the method.
        arity: how many positional arguments it is given at most.
        optional: name of the keyword that it takes besides, None for none.
    """

    function: Callable[..., Any]
    arity: int = 0
    optional: str | None = None

    def with_arguments(self, *arguments: Any, optional: Any = None, batch: Any = None) -> Call:
        """The call with these arguments, as far as there is a place for them."""
        keywords = {self.optional: optional} if self.optional else None
        return Call(self.function, arguments[: self.arity], keywords, batch)


class Component:
    """The methods of a user's object, found once.

    Attributes:
        name: the name of the class.
        methods: those that the class has; what it merely inherits from SeldonComponent counts as absent.
        column_names: the fixed `class_names` attribute, which older classes have in place of the method.
        inherits: whether the class builds on SeldonComponent.

    Raises:
        UsageError: a method cannot be called in the way of the contract.
    """

    def __init__(self, user_object: object) -> None:
        self.name = type(user_object).__name__
        self.inherits = isinstance(user_object, SeldonComponent)
        self.methods: dict[str, Method] = {}
        problems: list[str] = []
        for name, arguments in _SIGNATURES.items():
            function = getattr(user_object, name, None)
            if callable(function) and not _is_inherited(function, name):
                self._add(name, function, arguments, problems)
        fixed = getattr(user_object, "class_names", None)
        self.column_names = list(fixed) if fixed is not None and not callable(fixed) else None
        if self.column_names is not None:
            log.warning("%s.class_names is an attribute; a method of that name is the current form", self.name)
        if problems:
            raise UsageError(problems)

    def get(self, name: str) -> Method | None:
        """The method called `name`, None when the class does not have it."""
        return self.methods.get(name)

    def serves(self) -> list[str]:
        """The methods that requests can reach."""
        return [name for name in self.methods if name in SERVED or name in _WHOLE]

    def _add(self, name: str, function: Callable[..., Any], arguments: tuple[str, ...], problems: list[str]) -> None:
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):  # compiled code does not always tell
            self.methods[name] = Method(function, len(arguments))
            return
        keyword = _OPTIONAL.get(name)
        if keyword is not None and not _accepts_keyword(signature, keyword):
            keyword = None
        optional = {keyword: None} if keyword else {}
        # predict(self, X) is fine too: names are left out where there is no place for them.
        counts = (2, 1) if len(arguments) == 2 else (len(arguments),)
        for count in counts:
            if _accepts(signature, count, optional):
                self.methods[name] = Method(function, count, keyword)
                return
        shown = [*arguments, *([f"{_OPTIONAL[name]}=None"] if name in _OPTIONAL else [])]
        expected = f"({', '.join(shown)})"
        problems.append(f"{self.name}.{name}{signature}: the wrapper calls {name}{expected}; make it accept that")


def _is_inherited(function: Callable[..., Any], name: str) -> bool:
    return getattr(function, "__func__", None) is vars(SeldonComponent).get(name, function)


def _accepts(signature: inspect.Signature, count: int, keywords: dict[str, Any]) -> bool:
    try:
        signature.bind(*range(count), **keywords)
    except TypeError:
        return False
    return True


def _accepts_keyword(signature: inspect.Signature, name: str) -> bool:
    for parameter in signature.parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            return True
        if parameter.name == name and parameter.kind is not inspect.Parameter.POSITIONAL_ONLY:
            return parameter.kind is not inspect.Parameter.VAR_POSITIONAL
    return False
