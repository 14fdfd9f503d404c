"""A user's object seen through the class contract: which methods it has and how they want to be called."""

import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from seldon_core.microservice.contract import SeldonComponent
from seldon_core.microservice.errors import UsageError

__all__ = ["DATA_METHODS", "MESSAGE_METHODS", "Call", "Component", "Method"]

log = logging.getLogger(__name__)

# Called as f(X, names, meta=meta); every other method of the contract takes one message or nothing.
DATA_METHODS = ("predict", "transform_input", "transform_output")
MESSAGE_METHODS = ("predict_raw", "transform_input_raw", "transform_output_raw")
PLAIN_METHODS = ("load", "tags", "metrics", "health_status", "health_status_raw", "init_metadata")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a user's method that is about to be made."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] | None = None

    def __call__(self) -> Any:
        return self.function(*self.arguments, **(self.keywords or {}))


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the user's object. Its signature is inspected once, so a call is made once."""

    function: Callable[..., Any]
    takes_names: bool = False
    takes_meta: bool = False

    def on_data(self, payload: Any, names: list[Any], meta: dict[str, Any] | None) -> Call:
        """The call of a method that works on data."""
        arguments = (payload, names) if self.takes_names else (payload,)
        return Call(self.function, arguments, {"meta": meta} if self.takes_meta else None)

    def with_arguments(self, *arguments: Any) -> Call:
        """The call of any other method."""
        return Call(self.function, arguments)


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
        for name in (*DATA_METHODS, *MESSAGE_METHODS, *PLAIN_METHODS, "class_names", "feature_names"):
            function = getattr(user_object, name, None)
            if callable(function) and not _is_inherited(function, name):
                arity = 2 if name in DATA_METHODS else 1 if name in MESSAGE_METHODS else 0
                self._add(name, function, arity, problems)
        fixed = getattr(user_object, "class_names", None)
        self.column_names = list(fixed) if fixed is not None and not callable(fixed) else None
        if self.column_names is not None:
            log.warning("%s.class_names is an attribute; a method of that name is the current form", self.name)
        if problems:
            raise UsageError(problems)

    def get(self, name: str) -> Method | None:
        """The method called `name`, None when the class does not have it."""
        return self.methods.get(name)

    def _add(self, name: str, function: Callable[..., Any], arity: int, problems: list[str]) -> None:
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):  # compiled code does not always tell
            self.methods[name] = Method(function, takes_names=arity == 2)
            return
        takes_meta = arity == 2 and _accepts_keyword(signature, "meta")
        optional = {"meta": None} if takes_meta else {}
        # predict(self, X) is fine too: names are left out where there is no place for them.
        for count in (2, 1) if arity == 2 else (arity,):
            if _accepts(signature, count, optional):
                self.methods[name] = Method(function, takes_names=count == 2, takes_meta=takes_meta)
                return
        expected = {0: "()", 1: "(msg)", 2: "(X, names, meta=None)"}[arity]
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
