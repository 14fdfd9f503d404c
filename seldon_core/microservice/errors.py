"""What a component can fail with.

SeldonMicroserviceException        the caller gets its status, reason and text
+- SeldonNotImplementedError       the class does not have this method
StartupError                       the component cannot be served at all
+- UsageError                      ... because of how it was started
"""

import traceback
from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "SeldonMicroserviceException",
    "SeldonNotImplementedError",
    "StartupError",
    "UsageError",
    "cause_of",
    "user_traceback",
]

_OWN_FILES = str(Path(__file__).resolve().parent)


class SeldonMicroserviceException(Exception):  # noqa: N818 - the name that model classes import
    """Raise it in a model to choose the HTTP status and the reason of the error answer.

    A subclass may set `status_code` for all of its instances.

    Args:
        message: what went wrong, for the caller.
        status_code: HTTP status of the answer.
        payload: anything that the raiser wants to keep with the error.
        reason: a fixed word that programs can look for.
    """

    status_code = 400

    def __init__(
        self,
        message: str,
        status_code: int | None = None,
        payload: object = None,
        reason: str = "MICROSERVICE_BAD_DATA",
    ) -> None:
        super().__init__(message)
        self.message = message
        if status_code is not None:
            self.status_code = status_code
        self.payload = payload
        self.reason = reason


class SeldonNotImplementedError(SeldonMicroserviceException):
    """Says that a method is not there; the wrapper then goes on as if it were absent."""

    def __init__(
        self,
        message: str,
        status_code: int | None = None,
        payload: object = None,
        reason: str = "MICROSERVICE_NOT_IMPLEMENTED",
    ) -> None:
        super().__init__(message, status_code, payload, reason)


class StartupError(Exception):
    """The component cannot be served; the text is for the person who started it."""

    exit_code = 1


class UsageError(StartupError):
    """An argument, a variable or the class name is wrong.

    Args:
        problems: every one that was found.
    """

    exit_code = 2

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


def user_traceback(error: BaseException) -> str:
    """The traceback of an error in a user's code, without the frames of the wrapper and the import system."""
    report = traceback.TracebackException.from_exception(error)
    pending: list[traceback.TracebackException | None] = [report]
    while pending:
        part = pending.pop()
        if part is None:
            continue
        frames = [frame for frame in part.stack if not _is_machinery(frame.filename)]
        part.stack = traceback.StackSummary.from_list(frames)
        pending += [part.__cause__, part.__context__]
    return "".join(report.format())


def cause_of(error: BaseException) -> str:
    """One line that says what failed and where: `ValueError: boom (MyModel.py, line 12)`."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_machinery(frame.filename)]
    if not frames:
        return text
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"


def _is_machinery(filename: str) -> bool:
    return filename.startswith(("<frozen importlib", _OWN_FILES))
