"""Components that take their time, and how long a caller waits for an answer."""

import asyncio
import http.client
import statistics
import threading
from time import perf_counter
from types import TracebackType
from typing import Self

from bench.engine.load import REQUEST_BODY
from bench.engine.programs import ANSWER

_ANSWER = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(ANSWER)}\r\n\r\n{ANSWER}".encode()


class Slow:
    """Answers each request after a while, on a thread of its own.

    Attributes:
        port: that it listens on.
        seconds: that an answer takes.
    """

    def __init__(self, seconds: float) -> None:
        self.port = 0
        self.seconds = seconds
        self._listens = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        """Start it, and wait until it listens."""
        self._thread.start()
        self._listens.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._listens.set()
        await self._stop.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
                await asyncio.sleep(self.seconds)
                writer.write(_ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def median_seconds(port: int, path: str, requests: int) -> float:
    """How long an answer takes in the middle case, for one caller that asks again and again.

    Raises:
        RuntimeError: an answer was an error.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port)
    times = []
    for _ in range(requests + 1):
        began = perf_counter()
        connection.request("POST", path, REQUEST_BODY, {"content-type": "application/json"})
        response = connection.getresponse()
        response.read()
        times.append(perf_counter() - began)
        if response.status != 200:
            raise RuntimeError(f"port {port} answered {response.status}")
    connection.close()
    return statistics.median(times[1:])  # the first one opens connections
