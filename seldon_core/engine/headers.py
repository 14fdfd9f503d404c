"""Which headers travel from the caller to the components, and from a component to the caller."""

from collections.abc import Iterable
from dataclasses import dataclass

from seldon_core.protocols.v2 import HEADER_LENGTH

Header = tuple[bytes, bytes]

PUID = b"seldon-puid"
FAILED_NODE = b"seldon-failed-node"
# Milliseconds for which the caller waits; a proxy that enforces them says so with this header.
EXPECTED_TIMEOUT = b"x-envoy-expected-rq-timeout-ms"

# They describe the body and go wherever it goes.
OF_BODY = frozenset({b"content-type", b"content-encoding", b"content-language", b"content-disposition", HEADER_LENGTH})
# They belong to one connection.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# The engine sets them itself on each request to a component.
OWN = frozenset({b"content-length", b"expect", b"host", PUID, EXPECTED_TIMEOUT})
NOT_FORWARDED = OF_BODY | HOP_BY_HOP | OWN
# What of a component's answer the caller gets to see.
RELAYED = OF_BODY | {b"cache-control", b"retry-after", b"seldon-routing", b"vary", b"warning", b"www-authenticate"}


@dataclass(slots=True)
class Split:
    """The headers of a request, by what becomes of them.

    Attributes:
        of_body: those that describe the body.
        described: the same as lines.
        forwarded: the others that every component is sent, as lines.
        puid: the id of the prediction, empty when the caller gave none.
        limit: the seconds for which the caller waits, None when it does not say.
        accepted: in which encodings the caller takes the answer; empty where it is for the components to know.
    """

    of_body: list[Header]
    described: bytes
    forwarded: bytes
    puid: bytes
    limit: float | None
    accepted: bytes = b""


def split_request(headers: Iterable[Header], *, decodable: bool) -> Split:
    """Take the headers of a request apart.

    Args:
        headers: as the caller sent them, the names in lower case.
        decodable: whether the engine must be able to look into the answers, so that no component may be
            offered to compress them.
    """
    of_body = []
    forwarded = []
    described = puid = accepted = b""
    limit = None
    for header in headers:
        name = header[0]
        if name not in NOT_FORWARDED:
            if decodable and name == b"accept-encoding":
                accepted = b"%b,%b" % (accepted, header[1]) if accepted else header[1]
            else:
                forwarded.append(b"%b: %b\r\n" % header)
        elif name in OF_BODY:
            of_body.append(header)
            described += b"%b: %b\r\n" % header
        elif name == PUID:
            puid = header[1]
        elif name == EXPECTED_TIMEOUT:
            limit = _seconds(header[1])
        elif name == b"connection" and header[1].lower() not in (b"keep-alive", b"close"):
            return split_request(_without(headers, header[1].lower()), decodable=decodable)
    return Split(of_body, described, b"".join(forwarded), puid, limit, accepted)


def header_lines(headers: Iterable[Header]) -> bytes:
    """Headers as they go over the wire."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def _seconds(milliseconds: bytes) -> float | None:
    """The time that a header gives; None when it is no time."""
    if milliseconds.isdigit() and 0 < (number := int(milliseconds[:12])) < 1 << 31:
        return number / 1000
    return None


def _without(headers: Iterable[Header], named: bytes) -> list[Header]:
    """`headers` without `connection` and those that it names as belonging to the connection."""
    dropped = {name.strip() for name in named.split(b",")} | {b"connection"}
    return [header for header in headers if header[0] not in dropped]


def relayed(headers: Iterable[Header]) -> list[Header]:
    """The headers of a component's answer that the caller gets to see."""
    return [header for header in headers if header[0] in RELAYED]
