"""What can go wrong between here and the API server.

::

    KubeError
    ├── ConfigurationError      the kubeconfig or the service account cannot be used
    ├── Unreachable             no complete answer: refused, reset, timed out, not TLS, not JSON
    └── ApiError                the API server answered, and its answer is an error
        ├── Unauthorized        401
        ├── Forbidden           403
        ├── NotFound            404
        ├── Conflict            409
        │   └── AlreadyExists   409, reason AlreadyExists
        ├── Gone                410: the resourceVersion or the continue token is too old
        ├── Invalid             422
        ├── TooManyRequests     429
        └── ServerError         5xx
"""

# ruff: noqa: N818 - named as the API server names its reasons

import math
from collections.abc import Mapping
from typing import Any

import msgspec

# A Status object's message is meant to be read (a webhook's refusal lists all its findings); an arbitrary
# body, such as a proxy's HTML page, is not.
_MESSAGE_LIMIT = 4096
_BODY_LIMIT = 256


class KubeError(Exception):
    """Base of everything that this package raises on purpose."""


class ConfigurationError(KubeError):
    """The kubeconfig or the service account cannot be used; the message says which and why."""


class Unreachable(KubeError):
    """No complete answer came back; whether the server acted on the request is unknown."""


class ApiError(KubeError):
    """The API server answered with an error.

    Attributes:
        status: the HTTP status code.
        reason: the machine-readable reason, such as ``NotFound``; empty if the server gave none.
        message: the server's explanation, cut to a readable length.
        details: the `details` of the Status object (name, kind, causes); empty if there is none.
        retry_after: seconds after which the server asks to be tried again, or None.
    """

    def __init__(
        self,
        status: int,
        reason: str = "",
        message: str = "",
        details: dict[str, Any] | None = None,
        *,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message or reason or f"HTTP status {status}")
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details or {}
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.message or self.reason or 'no explanation given'} (HTTP {self.status})"


class Unauthorized(ApiError):
    """401: the credentials are missing, wrong or expired."""


class Forbidden(ApiError):
    """403: the credentials do not allow this."""


class NotFound(ApiError):
    """404: there is no such object, or no such kind of object."""


class Conflict(ApiError):
    """409: the object changed since it was read, has another uid, or a field has another owner."""


class AlreadyExists(Conflict):
    """409 on create: an object of this name exists."""


class Gone(ApiError):
    """410: the resourceVersion or the continue token is too old; list again."""


class Invalid(ApiError):
    """422: the object breaks a rule; `details["causes"]` says which."""


class TooManyRequests(ApiError):
    """429: the server is overloaded and did not process the request."""


class ServerError(ApiError):
    """5xx: the server, or something it depends on, failed."""


_CLASSES: dict[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}


def cut(text: str, limit: int) -> str:
    """Return `text` in at most `limit` characters, with an ellipsis where something was left out."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def error_from_status(status: Mapping[str, Any], *, code: int = 500, retry_after: float | None = None) -> ApiError:
    """Turn a decoded ``Status`` object into the error it stands for.

    Args:
        status: the object, from the body of an answer or from an ERROR event of a watch.
        code: the HTTP status to assume where the object names none.
        retry_after: seconds from a Retry-After header.

    Returns:
        The most specific error for it; it is returned, not raised.
    """
    number = status.get("code")
    number = number if isinstance(number, int) and number >= 400 else code
    reason = str(status.get("reason") or "")
    details = status.get("details")
    details = details if isinstance(details, dict) else {}
    if retry_after is None and isinstance(details.get("retryAfterSeconds"), int | float):
        retry_after = float(details["retryAfterSeconds"])
    kind = _CLASSES.get(number) or (ServerError if number >= 500 else ApiError)
    if kind is Conflict and reason == "AlreadyExists":
        kind = AlreadyExists
    message = cut(str(status.get("message") or ""), _MESSAGE_LIMIT)
    return kind(number, reason, message, details, retry_after=retry_after)


def error_from_body(code: int, body: bytes, *, retry_after: float | None = None) -> ApiError:
    """Turn an HTTP answer of status 400 or above into the error it stands for.

    Args:
        code: the HTTP status.
        body: the body as it came; a Status object, or anything at all when a proxy answered.
        retry_after: seconds from a Retry-After header.
    """
    try:
        decoded = msgspec.json.decode(body)
    except msgspec.DecodeError:
        decoded = None
    if isinstance(decoded, dict) and decoded.get("kind") == "Status":
        return error_from_status(decoded, code=code, retry_after=retry_after)
    text = cut(" ".join(body.decode("utf-8", "replace").split()), _BODY_LIMIT)
    return error_from_status({"message": text}, code=code, retry_after=retry_after)


def parse_retry_after(value: str | None) -> float | None:
    """Read a Retry-After header; the API server only ever sends seconds, so a date counts as absent."""
    try:
        seconds = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf else None
