"""The graph's components as the engine calls them over REST."""

from collections.abc import Sequence

from seldon_core.engine.graph import FEEDBACK, Step
from seldon_core.engine.headers import Header
from seldon_core.engine.metrics import ByCode
from seldon_core.transport.balancer import Peer
from seldon_core.transport.http_client import Exchange, Receiver, StreamReceiver
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

    def __init__(self, step: Step, pool: Peer, calls: ByCode, path: str) -> None:
        self.node = step.node
        self.calls = calls
        self._pool = pool
        self._repeatable = step.method != FEEDBACK
        host = f"[{pool.host}]" if ":" in pool.host else pool.host
        self._rest = f" HTTP/1.1\r\nhost: {host}:{pool.port}\r\n".encode()
        self._start = f"POST {path}".encode() + self._rest

    def call(
        self,
        body: bytes,
        described: bytes,
        puid: bytes,
        forwarded: bytes,
        receiver: Receiver,
        target: bytes | None = None,
        stream: StreamReceiver | None = None,
    ) -> Exchange:
        """Send a message.

        Args:
            body: the message.
            described: the headers that describe it, as lines.
            puid: id of the prediction.
            forwarded: lines of headers that the caller sent along.
            receiver: is told the outcome.
            target: the path to ask in place of the node's own.
            stream: the receiver, when it takes the answer in pieces.

        Raises:
            OverloadError: too many calls of the node are in flight.
        """
        head = b"%b%b%bseldon-puid: %b\r\ncontent-length: %d\r\n\r\n" % (
            self._start if target is None else b"POST %b%b" % (target, self._rest),
            forwarded,
            described,
            puid,
            len(body),
        )
        return self._pool.request(head, body, receiver, self._repeatable, stream)

    def relay(
        self,
        upload: Upload,
        described: bytes,
        puid: bytes,
        forwarded: bytes,
        receiver: StreamReceiver,
        target: bytes | None = None,
    ) -> Exchange:
        """Send a message whose body is on its way in; the pieces are to be written to the upload of the exchange.

        Args:
            upload: the body.
            described, puid, forwarded, receiver, target: as for `call`.

        Raises:
            OverloadError: too many calls of the node are in flight.
        """
        length = upload.length
        framing = b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length
        head = b"%b%b%bseldon-puid: %b\r\n%b\r\n\r\n" % (
            self._start if target is None else b"POST %b%b" % (target, self._rest),
            forwarded,
            described,
            puid,
            framing,
        )
        return self._pool.upload(head, receiver, upload, chunked=length is None, repeatable=self._repeatable)

    def cancel(self, exchange: Exchange) -> None:
        """Stop a call; the node sees its connection close."""
        self._pool.cancel(exchange)
