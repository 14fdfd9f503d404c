"""Compresses the answers that the engine itself makes, for callers who say that they take that.

What a component has answered is not touched: it saw what the caller takes, and has decided. The rules are those of
https://www.rfc-editor.org/rfc/rfc9110#name-accept-encoding.
"""

import zlib

from seldon_core.engine.headers import Header

# Below this, what is saved is less than a packet.
GZIP_FROM = 4096
# A higher level takes several times as long, and saves little of numbers in decimal.
LEVEL = 1

_GZIP_BITS = 31
VARY: Header = (b"vary", b"accept-encoding")


def takes_gzip(accepted: bytes) -> bool:
    """Whether a caller takes gzip, and likes it no less than what is not compressed.

    Args:
        accepted: the value of its `Accept-Encoding`.
    """
    weights: dict[bytes, float] = {}
    for item in accepted.lower().split(b","):
        coding, _, parameter = item.partition(b";")
        name, _, value = parameter.partition(b"=")
        try:
            weights[coding.strip()] = float(value) if name.strip() == b"q" else 1.0
        except ValueError:
            continue  # 1.2.3
    gzip = weights.get(b"gzip", weights.get(b"x-gzip", weights.get(b"*", 0.0)))
    return gzip > 0 and gzip >= weights.get(b"identity", 0.0)


def compressed(body: bytes, headers: list[Header], *, takes_gzip: bool) -> tuple[bytes, list[Header]]:
    """An answer as it goes out.

    Args:
        body: of the answer.
        headers: of the answer.
        takes_gzip: whether the caller does.

    Returns:
        Body and headers: the same ones, where the answer is small, encoded already, or neither JSON nor text.
    """
    fields = dict(headers)
    kind = fields.get(b"content-type", b"").lower()
    if len(body) < GZIP_FROM or b"content-encoding" in fields or not kind.startswith((b"application/json", b"text/")):
        return body, headers
    if not takes_gzip:
        return body, [*headers, VARY]
    encoder = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP_BITS)
    return encoder.compress(body) + encoder.flush(), [*headers, (b"content-encoding", b"gzip"), VARY]
