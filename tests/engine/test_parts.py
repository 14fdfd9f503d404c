"""The small parts: ids, deadlines, headers, images."""

import re
import uuid
from itertools import islice
from time import perf_counter

import pytest

from seldon_core.engine.deadlines import Deadlines
from seldon_core.engine.headers import Split, header_lines, relayed, split_request
from seldon_core.engine.metrics import split_image
from seldon_core.engine.puid import BLOCK, puids
from tests.http_peers import until


def test_ids_are_uuids_and_never_repeat() -> None:
    ids = [puid.decode() for puid in islice(puids(), 3 * BLOCK)]
    assert len(set(ids)) == len(ids)
    for puid in ids[:50]:
        assert str(uuid.UUID(puid)) == puid
        assert uuid.UUID(puid).version == 4
        assert re.fullmatch(r"[0-9a-f-]{36}", puid)


class Item:
    def __init__(self, deadlines: Deadlines, after: float, expired: list[float]) -> None:
        self.after = after
        self.expires_at = perf_counter() + after
        self._expired = expired

    def expire(self) -> None:
        self._expired.append(self.after)


async def test_what_takes_too_long_ends_and_what_is_over_does_not() -> None:
    deadlines = Deadlines()
    expired: list[float] = []
    items = [Item(deadlines, after, expired) for after in (0.06, 0.02, 30.0, 0.04, 0.02)]
    for item in items:
        deadlines.add(item)
    deadlines.remove(items[3])
    deadlines.remove(items[3])
    await until(lambda: len(expired) == 3)
    assert sorted(expired) == [0.02, 0.02, 0.06]
    assert len(deadlines) == 1


@pytest.mark.parametrize(
    ("headers", "of_body", "lines", "puid"),
    [
        pytest.param([], [], b"", b"", id="none"),
        pytest.param([(b"x-a", b"1"), (b"x-a", b"2")], [], b"x-a: 1\r\nx-a: 2\r\n", b"", id="others go on in order"),
        pytest.param(
            [(b"content-type", b"t"), (b"content-encoding", b"gzip"), (b"content-length", b"3")],
            [(b"content-type", b"t"), (b"content-encoding", b"gzip")],
            b"",
            b"",
            id="those of the body stay with it",
        ),
        pytest.param([(b"seldon-puid", b"p")], [], b"", b"p", id="puid"),
        pytest.param(
            [(name, b"x") for name in (b"host", b"expect", b"te", b"trailer", b"upgrade", b"transfer-encoding",
                                       b"keep-alive", b"proxy-authorization", b"proxy-connection")],
            [], b"", b"", id="those of the connection stay behind",
        ),
        pytest.param([(b"connection", b"keep-alive"), (b"x-a", b"1")], [], b"x-a: 1\r\n", b"", id="connection"),
        pytest.param(
            [(b"x-a", b"1"), (b"connection", b"X-A , close,seldon-puid"), (b"x-b", b"2"), (b"seldon-puid", b"p")],
            [], b"x-b: 2\r\n", b"", id="those that connection names stay behind",
        ),
        pytest.param(
            [(b"authorization", b"secret"), (b"traceparent", b"00-1"), (b"accept-encoding", b"gzip")],
            [], b"authorization: secret\r\ntraceparent: 00-1\r\naccept-encoding: gzip\r\n", b"", id="all else goes on",
        ),
    ],
)  # fmt: skip
def test_headers_of_a_request_are_split(
    headers: list[tuple[bytes, bytes]], of_body: list[tuple[bytes, bytes]], lines: bytes, puid: bytes
) -> None:
    split = split_request(headers, decodable=False)
    assert split == Split(of_body, header_lines(of_body), lines, puid, None)


@pytest.mark.parametrize(
    ("sent", "seconds"), [(b"1500", 1.5), (b"0", None), (b"-1", None), (b"x", None), (b"", None), (b"9" * 40, None)]
)
def test_the_time_for_which_the_caller_waits_is_read(sent: bytes, seconds: float | None) -> None:
    headers = [(b"x-envoy-expected-rq-timeout-ms", sent)]
    assert split_request(headers, decodable=False) == Split([], b"", b"", b"", seconds)


def test_components_are_not_offered_to_compress_what_must_be_looked_into() -> None:
    headers = [(b"accept-encoding", b"gzip"), (b"accept", b"*/*")]
    assert split_request(headers, decodable=True).forwarded == b"accept: */*\r\n"


def test_the_caller_sees_what_concerns_it() -> None:
    headers = [(b"server", b"x"), (b"content-type", b"t"), (b"set-cookie", b"c"), (b"retry-after", b"3")]
    assert relayed(headers) == [(b"content-type", b"t"), (b"retry-after", b"3")]


@pytest.mark.parametrize(
    ("image", "name", "version"),
    [
        ("", "", ""),
        ("foo", "foo", ""),
        ("foo:0.1", "foo", "0.1"),
        ("seldonio/foo:0.1", "seldonio/foo", "0.1"),
        ("host:5000/x:1", "host:5000/x", "1"),
        ("host:5000/x", "host:5000/x", ""),
        ("x@sha256:abc", "x", "sha256:abc"),
        ("host:5000/a/x:1@sha256:abc", "host:5000/a/x", "1"),
    ],
)
def test_images_are_taken_apart(image: str, name: str, version: str) -> None:
    assert split_image(image) == (name, version)
