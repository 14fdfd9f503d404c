"""Errors that the engine itself answers, in the form of the seldon protocol."""

from collections.abc import Callable

import msgspec

from seldon_core.transport.http_server import Headers, RenderError

JSON: Headers = ((b"content-type", b"application/json"),)


def error_body(status: int, info: str) -> bytes:
    """A seldon message that says what went wrong.

    Args:
        status: the HTTP status that it goes out with.
        info: the reason, in words for the caller.
    """
    return msgspec.json.encode({"status": {"code": status, "info": info, "status": "FAILURE"}})


def render_error(status: int, reason: str) -> tuple[Headers, bytes]:
    """Headers and body of an error, as the HTTP server wants them for requests that never reach a route."""
    return JSON, error_body(status, reason)


def render_error_of(body: Callable[[int, str], bytes]) -> RenderError:
    """As `render_error`, with the bodies of another protocol."""
    return lambda status, reason: (JSON, body(status, reason))
