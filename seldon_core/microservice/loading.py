"""From the name of a class to an object that is ready to serve."""

import importlib
import inspect
import logging
import sys
from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from seldon_core.microservice.component import Component
from seldon_core.microservice.errors import StartupError, UsageError, cause_of, user_traceback

__all__ = ["call_now", "construct", "import_class", "load"]

log = logging.getLogger(__name__)

RunCoroutine = Callable[[Coroutine[Any, Any, Any]], Any]


def import_class(name: str, directory: Path) -> type:
    """Import the class called `name`: `Module` for the class of that name in it, or `package.module.Class`.

    Args:
        name: as given on the command line.
        directory: is added to the places where modules are looked for.

    Raises:
        UsageError: there is no such module, or no such class in it.
        StartupError: the module's own code failed.
    """
    if str(directory) not in sys.path:
        sys.path.append(str(directory))
    module_name, _, class_name = name.rpartition(".")
    module_name = module_name or class_name
    _find_module(name, module_name, directory)
    try:
        module = importlib.import_module(module_name)
    except BaseException as error:  # noqa: BLE001 - a module may raise anything while it is imported
        raise _failed(f"importing {module_name}", error, _import_remedy(error)) from None
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        classes = [item for item, value in vars(module).items() if isinstance(value, type) and _is_own(value, module)]
        hint = f"; it has {', '.join(sorted(classes))}: name one as {module_name}.{classes[0]}" if classes else ""
        raise UsageError([f"{name}: the module {module_name} has no class {class_name}{hint}"])
    return found


def _is_own(value: type, module: Any) -> bool:
    return bool(value.__module__ == module.__name__)


def _find_module(name: str, module_name: str, directory: Path) -> None:
    if name.endswith(".py") or "/" in name:
        stem = name.removesuffix(".py").strip("./").replace("/", ".")
        raise UsageError([f"{name}: is a file name; name the class: {stem or 'MyModel'}"])
    try:
        spec = find_spec(module_name)
    except ValueError:  # no name of a module at all
        spec = None
    except BaseException as error:  # noqa: BLE001 - finding a submodule imports its package
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is None or not f"{module_name}.".startswith(f"{missing}."):
            raise _failed(f"importing {module_name}", error, _import_remedy(error)) from None
        spec = None
    if spec is None:
        raise UsageError([
            f"{name}: no module named {module_name!r} in {directory} or on the Python path; "
            f"put {module_name.replace('.', '/')}.py there, or name the class as package.module.Class"
        ])  # fmt: skip


def _import_remedy(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"; install what provides {error.name.partition('.')[0]} (requirements.txt)"
    return ""


def construct(user_class: type, parameters: dict[str, Any]) -> object:
    """Make the object, with the parameters of the graph node as keyword arguments.

    Raises:
        UsageError: the constructor does not take these parameters.
        StartupError: the constructor failed.
    """
    name = user_class.__name__
    try:
        signature: inspect.Signature | None = inspect.signature(user_class)
    except (TypeError, ValueError):  # compiled code does not always tell
        signature = None
    if signature is not None:
        try:
            signature.bind(**parameters)
        except TypeError as error:
            given = ", ".join(parameters) or "none"
            raise UsageError([f"{name}{signature}: {error} (parameters given: {given})"]) from None
    try:
        return user_class(**parameters)
    except BaseException as error:  # noqa: BLE001 - a constructor may raise anything, SystemExit too
        raise _failed(f"{name}()", error) from None


def load(component: Component, run_coroutine: RunCoroutine) -> None:
    """Call the class's `load`, if it has one.

    Raises:
        StartupError: it failed.
    """
    try:
        call_now(component, "load", run_coroutine)
    except BaseException as error:  # noqa: BLE001 - load may raise anything, SystemExit too
        raise _failed(f"{component.name}.load()", error) from None


def call_now(component: Component, name: str, run_coroutine: RunCoroutine) -> Any:
    """Call a method without arguments and wait for it; None when the class does not have it."""
    method = component.get(name)
    result = method.with_arguments()() if method else None
    return run_coroutine(result) if inspect.iscoroutine(result) else result


def _failed(what: str, error: BaseException, remedy: str = "") -> StartupError:
    log.error("%s failed\n%s", what, user_traceback(error))
    return StartupError(f"{what} failed: {cause_of(error)}{remedy}")
