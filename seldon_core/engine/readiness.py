"""Whether the engine can serve: every component of its graph must be reachable."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from seldon_core.engine.graph import Step
from seldon_core.transport.http_client import ExchangeError, Pool, Response

CHECK_SECONDS = 2.0
# Probes come from several sides; the components need not be asked for each of them.
REMEMBER_SECONDS = 0.5
HEALTH_PATH = "/health/status"
LOADED_PATH = "/ready"

Check = Callable[[str, int], Awaitable[str | None]]

log = logging.getLogger(__name__)


class Readiness:
    """Asks the components, all at once, and remembers their answer for a moment.

    Attributes:
        draining: set it when the engine is about to stop: it is not ready from then on.
    """

    def __init__(self, steps: Iterable[Step], check: Check) -> None:
        """Make it.

        Args:
            steps: the steps of the graph; every address among them is checked.
            check: says what is wrong with the component at a host and a port, None when nothing is.
        """
        self.draining = False
        self._addresses = {(step.host, step.port): step.node for step in steps}
        self._check = check
        self._problems: list[str] | None = None  # before the first check
        self._valid_until = 0.0
        self._checking: asyncio.Task[None] | None = None

    async def ready(self) -> bool:
        """Whether requests can be served now."""
        loop = asyncio.get_running_loop()
        if not self.draining and loop.time() >= self._valid_until:
            if self._checking is None:
                self._checking = loop.create_task(self._ask_all())
            await asyncio.shield(self._checking)
        return not self.draining and not self._problems

    async def _ask_all(self) -> None:
        try:
            answers = await asyncio.gather(*(self._ask(*address) for address in self._addresses))
        finally:
            self._checking = None
        problems = [answer for answer in answers if answer is not None]
        if problems != self._problems:
            # Only changes are worth a line: probes ask every second.
            log.info("not ready: %s", "; ".join(problems)) if problems else log.info("ready")
        self._problems = problems
        self._valid_until = asyncio.get_running_loop().time() + REMEMBER_SECONDS

    async def _ask(self, host: str, port: int) -> str | None:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                problem = await self._check(host, port)
        except TimeoutError:
            problem = f"no answer within {CHECK_SECONDS:g} s"
        return f"node {self._addresses[host, port]!r} at {host}:{port}: {problem}" if problem else None


class AcceptsRequests:
    """Check that something listens and does not say that it is still loading its model.

    A wrapped class answers 503 at `/ready` until it has loaded. Whatever else is answered, and a component that is too
    busy to answer, counts as loaded; it is asked once, and again after it has been gone.
    """

    def __init__(self) -> None:
        self._loaded: set[tuple[str, int]] = set()

    async def __call__(self, host: str, port: int) -> str | None:
        """Return what is wrong with the component, None when nothing is."""
        try:
            reader, writer = await asyncio.open_connection(host, port)
        except OSError as error:
            self._loaded.discard((host, port))
            return str(error)
        try:
            if (host, port) not in self._loaded and await _answers_unavailable(reader, writer, host, port):
                return f"loading: {LOADED_PATH} answers 503"
        finally:
            writer.close()
        self._loaded.add((host, port))
        return None


async def _answers_unavailable(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int
) -> bool:
    try:
        writer.write(f"GET {LOADED_PATH} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n".encode())
        async with asyncio.timeout(CHECK_SECONDS / 2):
            status_line = await reader.readline()
    except (OSError, TimeoutError, ValueError):
        return False
    return status_line.split(b" ")[1:2] == [b"503"]


async def reports_health(host: str, port: int) -> str | None:
    """Check that the component itself says that it is well."""
    pool = Pool(host, port)
    outcome = _Outcome()
    head = f"GET {HEALTH_PATH} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n".encode()
    exchange = pool.request(head, b"", outcome)
    try:
        response = await outcome.future
    except ExchangeError as error:
        return str(error)
    finally:
        pool.cancel(exchange)
        pool.close()
    return None if response.status == 200 else f"{HEALTH_PATH} answers {response.status}"


class _Outcome:
    """The outcome of an exchange as something to wait for."""

    def __init__(self) -> None:
        self.future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

    def answered(self, response: Response) -> None:
        self.future.set_result(response)

    def failed(self, error: ExchangeError) -> None:
        self.future.set_exception(error)
