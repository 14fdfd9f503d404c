"""What every answer of the public API carries beside its own: who may read it, and of which event it is the answer."""

from collections.abc import Iterable, Iterator

from seldon_core.engine.headers import PUID, Header
from seldon_core.transport.http_server import Block, Reply, Request

SPEC_VERSION = b"ce-specversion"
# The version of CloudEvents that answers are marked with, whatever version the request has.
ANSWERED_VERSION = b"0.3"
NO_SNIFFING: Header = (b"x-content-type-options", b"nosniff")


class Face:
    """Dresses the answers of the public API.

    Cross-origin headers follow https://fetch.spec.whatwg.org, events the binary mode of CloudEvents over HTTP.
    """

    def __init__(
        self, deployment: str, namespace: str, origins: str, allowed_headers: str, puids: Iterator[bytes]
    ) -> None:
        """Make it.

        Args:
            deployment, namespace: of the SeldonDeployment; the source of events.
            origins: which other sites' scripts may read the answers.
            allowed_headers: which headers these scripts may send.
            puids: ids for requests without one.
        """
        self._always = Block(
            (b"access-control-allow-origin", origins.encode()),
            (b"access-control-allow-headers", allowed_headers.encode()),
        )
        self._event = (
            (b"ce-specversion", ANSWERED_VERSION),
            (b"ce-type", f"seldon.{deployment}.{namespace}.response".encode()),
            (b"ce-source", f"seldon.{deployment}".encode()),
        )
        self._puids = puids

    def dress(self, request: Request, reply: Reply) -> None:
        """Give the answer to a request what it carries."""
        reply.further = self._always
        if request.header(SPEC_VERSION) is None:
            return
        puid = self._identified(request)
        own = ((b"ce-id", puid), (b"ce-path", request.target.partition(b"?")[0]))
        reply.further = Block(*self._always.headers, *self._event, *own)

    def identify(self, request: Request, reply: Reply) -> None:
        """Give an id to a request whose handler gives none, and to its answer."""
        reply.further = Block(*reply.further.headers, (PUID, self._identified(request)), NO_SNIFFING)

    def preflight(self, methods: Iterable[str], reply: Reply) -> None:
        """Answer a browser that asks whether a script of another site may send a request."""
        allowed = ", ".join((*methods, "OPTIONS")).encode()
        reply.send(200, ((b"access-control-allow-methods", allowed), (b"allow", allowed)), b"")

    def _identified(self, request: Request) -> bytes:
        """The id of the prediction, which is made up for a request that comes without one."""
        puid = request.header(PUID)
        if not puid:
            puid = next(self._puids)
            request.headers = (*request.headers, (PUID, puid))
        return puid
