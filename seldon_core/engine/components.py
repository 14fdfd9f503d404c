"""The graph's components as the engine calls them over REST."""

from collections.abc import Sequence

from seldon_core.engine.graph import FEEDBACK, Step
from seldon_core.engine.headers import OF_BODY, Header
from seldon_core.engine.metrics import ByCode
from seldon_core.transport.http_client import Exchange, Pool, Receiver, StreamReceiver
from seldon_core.transport.http_server import Upload


class Message:
    """What goes from node to node: a body, and the headers that describe it.

    Attributes:
        body: looked into only where the graph asks for it.
        headers: such as `content-type`; of an answer also the others that the caller gets to see.
        status: of an answer, its HTTP status.
        sources: the bodies of the answers that it was made from, where it is not itself one of them.
    """

    __slots__ = ("body", "headers", "sources", "status")

    def __init__(
        self, body: bytes, headers: list[Header], status: int = 200, sources: Sequence[bytes] | None = None
    ) -> None:
        self.body = body
        self.headers = headers
        self.status = status
        self.sources = sources

    def header(self, name: bytes) -> bytes | None:
        """Value of the first header called `name` (given in lower case), None when there is none."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


class Endpoint:
    """Where one step of the graph is taken.

    Attributes:
        node: name of the node.
        calls: counts them.
    """

    __slots__ = ("_pool", "_repeatable", "_rest", "_start", "calls", "node")

    def __init__(self, step: Step, pool: Pool, calls: ByCode, path: str) -> None:
        self.node = step.node
        self.calls = calls
        self._pool = pool
        self._repeatable = step.method != FEEDBACK
        host = f"[{pool.host}]" if ":" in pool.host else pool.host
        self._rest = f" HTTP/1.1\r\nhost: {host}:{pool.port}\r\n".encode()
        self._start = f"POST {path}".encode() + self._rest

    def call(
        self,
        message: Message,
        puid: bytes,
        forwarded: bytes,
        receiver: Receiver,
        target: bytes | None = None,
        stream: StreamReceiver | None = None,
    ) -> Exchange:
        """Send a message.

        Args:
            message: the message.
            puid: id of the prediction.
            forwarded: lines of headers that the caller sent along.
            receiver: is told the outcome.
            target: the path to ask in place of the node's own.
            stream: the receiver, when it takes the answer in pieces.

        Raises:
            OverloadError: too many calls of the node are in flight.
        """
        head = b"%bcontent-length: %d\r\n\r\n" % (self._head(message, puid, forwarded, target), len(message.body))
        return self._pool.request(head, message.body, receiver, repeatable=self._repeatable, stream=stream)

    def relay(
        self,
        message: Message,
        upload: Upload,
        puid: bytes,
        forwarded: bytes,
        receiver: StreamReceiver,
        target: bytes | None = None,
    ) -> Exchange:
        """Send a message whose body is on its way in; the pieces are to be written to the upload of the exchange.

        Args:
            message: the headers that describe the body.
            upload: the body.
            puid, forwarded, receiver, target: as for `call`.

        Raises:
            OverloadError: too many calls of the node are in flight.
        """
        length = upload.length
        framing = b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length
        head = b"%b%b\r\n\r\n" % (self._head(message, puid, forwarded, target), framing)
        return self._pool.upload(head, receiver, upload, chunked=length is None, repeatable=self._repeatable)

    def _head(self, message: Message, puid: bytes, forwarded: bytes, target: bytes | None) -> bytes:
        """The request line and the headers, without the framing and the empty line."""
        described = b"".join([b"%b: %b\r\n" % header for header in message.headers if header[0] in OF_BODY])
        start = self._start if target is None else b"POST %b%b" % (target, self._rest)
        return b"%b%b%bseldon-puid: %b\r\n" % (start, forwarded, described, puid)

    def cancel(self, exchange: Exchange) -> None:
        """Stop a call; the node sees its connection close."""
        self._pool.cancel(exchange)
