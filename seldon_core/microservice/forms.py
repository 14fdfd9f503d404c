"""The message of a request: JSON in the body, or in one of the forms that older clients send."""

import base64
import zlib
from collections.abc import Iterator
from email.message import Message
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

from seldon_core.microservice.errors import SeldonMicroserviceException
from seldon_core.protocols.errors import MessageError
from seldon_core.protocols.json_codec import loads
from seldon_core.transport.http_server import Request
from seldon_core.transport.limits import Limits

__all__ = ["read_body", "read_message", "read_undecoded"]

_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
# What zlib is told to expect.
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def read_message(request: Request) -> Any:
    """Find and decode the message of a request.

    It is taken from, in this order: multipart form parts, the form field `json`, the query parameter `json`, the body.

    Raises:
        MessageError: there is none, or it is not JSON.
        SeldonMicroserviceException: the body is in no form that is read here (status 415).
    """
    body = _decompressed(request)
    kind = _kind_of(request.header(b"content-type"))
    if kind == _MULTIPART:
        return _read_parts(body, _content_of(request.header(b"content-type")))
    if kind == _FORM and (text := _field(body)) is not None:
        return loads(text)
    if request.query and (text := _field(request.query)) is not None:
        return loads(text)
    if not body:
        raise MessageError("Can't find JSON in data: the request has no body")
    if kind == _FORM:
        raise MessageError(
            f"Can't find JSON in data: a body of type {_FORM} needs a field `json`; "
            "to send JSON itself, send Content-Type: application/json"
        )
    _check_json(kind)
    return loads(body)


def read_undecoded(request: Request) -> bytes | str:
    """The text of a form field or query parameter `json`, else the body as it came."""
    body = _decompressed(request)
    if _kind_of(request.header(b"content-type")) == _FORM and (text := _field(body)) is not None:
        return text
    text = _field(request.query) if request.query else None
    return body if text is None else text


def read_body(request: Request, *, v2: bool = False) -> bytes:
    """The body of a request that can only come as JSON, or with V2 also as JSON with bytes behind it.

    Raises:
        MessageError: there is none.
        SeldonMicroserviceException: the body is in no form that is read here (status 415).
    """
    kind = _kind_of(request.header(b"content-type"))
    if not (v2 and kind == "application/octet-stream"):
        _check_json(kind)
    body = _decompressed(request)
    if not body:
        raise MessageError("Can't find JSON in data: the request has no body")
    return body


def _kind_of(header: bytes | None) -> str:
    """The media type that a Content-Type names, in lower case and without parameters."""
    return _remembered(header) if header is None or len(header) <= _REMEMBERED_BYTES else _named_by(header)


def _named_by(header: bytes | None) -> str:
    return _content_of(header).get_content_type()


# Callers send the same ones again and again; long ones, which may all differ, take no memory.
_REMEMBERED_BYTES = 256
_remembered = lru_cache(maxsize=64)(_named_by)


def _content_of(header: bytes | None) -> Message:
    content = Message()
    content["content-type"] = (header or b"application/json").decode("latin-1")
    return content


def _check_json(kind: str) -> None:
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise _unsupported(f"Content-Type {kind}: send application/json")


def _decompressed(request: Request) -> bytes:
    """The body without its Content-Encoding, which may not make it larger than a body may be."""
    header = request.header(b"content-encoding")
    if header is None:
        return request.body
    encoding = header.decode("latin-1").strip().lower()
    if encoding in ("", "identity"):
        return request.body
    if encoding not in _WINDOW_BITS:
        raise _unsupported(f"Content-Encoding {encoding}: send gzip, deflate or nothing")
    decoder = zlib.decompressobj(_WINDOW_BITS[encoding])
    limit = Limits().body_bytes
    try:
        body = decoder.decompress(request.body, limit)
    except zlib.error as error:
        raise MessageError(f"the body is not {encoding}: {error}") from None
    if decoder.unconsumed_tail:
        raise SeldonMicroserviceException(
            f"the body is larger than {limit} bytes", 413, reason="MICROSERVICE_REQUEST_TOO_LARGE"
        )
    if not decoder.eof:
        raise MessageError(f"the body is not {encoding}: its end is missing")
    return body


def _unsupported(detail: str) -> SeldonMicroserviceException:
    return SeldonMicroserviceException(detail, 415, reason="MICROSERVICE_UNSUPPORTED_MEDIA_TYPE")


def _field(form: bytes) -> str | None:
    """The value of `json` in an urlencoded form or query."""
    try:
        values = parse_qs(form.decode("utf-8"), keep_blank_values=True, max_num_fields=1000).get("json")
    except ValueError as error:
        raise MessageError(f"Can't find JSON in data: the form cannot be read: {error}") from None
    return values[0] if values else None


def _read_parts(body: bytes, content: Message) -> dict[str, Any]:
    """Each part becomes a top-level key: files are bytes or text, other fields are JSON but for `strData`."""
    boundary = content.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        raise MessageError(f"{_MULTIPART}: the Content-Type has no boundary")
    message: dict[str, Any] = {}
    for name, is_file, data in _parts(body, boundary.encode("latin-1")):
        if is_file and name == "binData":
            message[name] = base64.b64encode(data).decode("ascii")
        elif is_file or name == "strData":
            message[name] = _text(name, data)
        else:
            try:
                message[name] = loads(data)
            except MessageError as error:
                raise MessageError(f"{name}: {error}") from None
    if not message:
        raise MessageError(f"Can't find JSON in data: the {_MULTIPART} body has no parts")
    return message


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise MessageError(f"{name}: the file is not UTF-8 text; send bytes as binData") from None


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[str, bool, bytes]]:
    """Name, whether it is a file, and content of each part."""
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        if part.startswith(b"--"):
            return
        head, separator, data = part.partition(b"\r\n\r\n")
        headers = Message()
        for line in head.split(b"\r\n"):
            name, _, value = line.decode("utf-8", "replace").partition(":")
            if name.strip().lower() == "content-disposition":
                headers["content-disposition"] = value.strip()
        field = headers.get_param("name", header="content-disposition")
        if not separator or not isinstance(field, str):
            raise MessageError(f"{_MULTIPART}: a part has no name")
        yield field, headers.get_filename() is not None, data
    raise MessageError(f"{_MULTIPART}: the closing boundary is missing")
