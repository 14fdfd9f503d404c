"""The graph's components as the engine calls them over REST."""

from seldon_core.engine.graph import Step
from seldon_core.engine.headers import OF_BODY, Header
from seldon_core.engine.metrics import ByCode
from seldon_core.transport.http_client import Exchange, Pool, Receiver


class Message:
    """What goes from node to node: a body, and the headers that describe it.

    Attributes:
        body: never looked into on the way.
        headers: such as `content-type`; of an answer also the others that the caller gets to see.
        status: of an answer, its HTTP status.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, body: bytes, headers: list[Header], status: int = 200) -> None:
        self.body = body
        self.headers = headers
        self.status = status


class Endpoint:
    """Where one step of the graph is taken.

    Attributes:
        node: name of the node.
        calls: counts them.
    """

    __slots__ = ("_pool", "_start", "calls", "node")

    def __init__(self, step: Step, pool: Pool, calls: ByCode) -> None:
        self.node = step.node
        self.calls = calls
        self._pool = pool
        host = f"[{pool.host}]" if ":" in pool.host else pool.host
        self._start = f"POST /{step.method} HTTP/1.1\r\nhost: {host}:{pool.port}\r\n".encode()

    def call(self, message: Message, puid: bytes, forwarded: bytes, receiver: Receiver) -> Exchange:
        """Send a message.

        Args:
            message: the message.
            puid: id of the prediction.
            forwarded: lines of headers that the caller sent along.
            receiver: is told the outcome.

        Raises:
            OverloadError: too many calls of the node are in flight.
        """
        described = b"".join([b"%b: %b\r\n" % header for header in message.headers if header[0] in OF_BODY])
        length = len(message.body)
        head = b"%b%b%bseldon-puid: %b\r\ncontent-length: %d\r\n\r\n" % (
            self._start, forwarded, described, puid, length,
        )  # fmt: skip
        return self._pool.request(head, message.body, receiver)

    def cancel(self, exchange: Exchange) -> None:
        """Stop a call; the node sees its connection close."""
        self._pool.cancel(exchange)
