"""A line of JSON for each request, for those who ask for it.

It holds no query, no headers but the id of the prediction, and no bodies: they may hold secrets.
"""

import asyncio
import os
from datetime import UTC, datetime
from time import perf_counter

import msgspec

from seldon_core.engine.headers import FAILED_NODE, PUID
from seldon_core.transport.http_server import Handler, Headers, Reply, Request

FLUSH_SECONDS = 0.2
MAX_LINES = 1000
MAX_PATH = 500


class AccessLog:
    """Collects lines, and writes them now and then."""

    def __init__(self, descriptor: int) -> None:
        """Make it.

        Args:
            descriptor: the file to write to.
        """
        self._descriptor = descriptor
        self._lines: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def logged(self, handler: Handler) -> Handler:
        """A handler whose requests are logged."""

        def handle(request: Request, reply: Reply) -> None:
            began = perf_counter()

            def over(status: int, headers: Headers, length: int) -> None:
                self._add(line(request, status, headers, length, perf_counter() - began))

            reply.observe(over)
            handler(request, reply)

        return handle

    def _add(self, text: bytes) -> None:
        self._lines.append(text)
        if len(self._lines) >= MAX_LINES:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what has been collected."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        rest = memoryview(b"".join(self._lines))
        self._lines.clear()
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]


def line(request: Request, status: int, headers: Headers, length: int, seconds: float) -> bytes:
    """What is said of a request, as one line.

    Args:
        request: the request.
        status: of the answer.
        headers: of the answer.
        length: of its body in bytes.
        seconds: from the end of the request to the end of the answer.
    """
    shown = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "method": request.method,
        "path": request.path[:MAX_PATH],
        "status": status,
        "seconds": round(seconds, 6),
        "request_bytes": len(request.body) if request.upload is None else request.upload.length,
        "response_bytes": length,
    }
    for name, key in ((PUID, "puid"), (FAILED_NODE, "failed_node")):
        value = next((value for header, value in headers if header == name), None)
        if value is not None:
            shown[key] = value.decode("latin-1")
    return msgspec.json.encode(shown) + b"\n"
