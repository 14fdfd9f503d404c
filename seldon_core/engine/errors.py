"""Errors that the engine itself answers, in the form of the seldon protocol."""

import msgspec

from seldon_core.transport.http_server import Headers

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
