"""Which heads are plain, what they say, and for how long they are remembered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seldon_core.transport.heads import MAX_HEAD_BYTES, MAX_HEADS, MAX_LINES, RequestHeads, ResponseHeads
from seldon_core.transport.http_client import Pool
from seldon_core.transport.limits import UNCOUNTED_BODY, Limits
from tests.http_peers import answering, http_answer
from tests.transport.test_http_client import ask

POST = b"POST /a%20b?c=d HTTP/1.1"


def test_a_plain_request_is_taken_apart() -> None:
    head = RequestHeads(Limits()).read(POST + b"\r\nHost: x\r\nContent-Length: 5\r\nX-Empty:\t a  b \r\ncookie:c")
    assert head is not None
    line = head.line
    assert (line.method, line.target, line.path, line.query) == ("POST", b"/a%20b?c=d", "/a b", b"c=d")
    assert head.headers == ((b"host", b"x"), (b"content-length", b"5"), (b"x-empty", b"a  b"), (b"cookie", b"c"))
    assert head.length == 5


def test_a_plain_answer_is_taken_apart() -> None:
    head = ResponseHeads(Limits()).read(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nConnection: Keep-Alive")
    assert head is not None
    assert (head.status, head.length, head.fields[b"connection"]) == (404, 5, b"Keep-Alive")


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(POST.replace(b"1.1", b"1.0"), id="HTTP/1.0"),
        pytest.param(b"CONNECT /a HTTP/1.1", id="other method"),
        pytest.param(b"GET http://x/ HTTP/1.1", id="absolute form"),
        pytest.param(b"GET /a#b HTTP/1.1", id="fragment"),
        pytest.param(b"GET /a  HTTP/1.1", id="two spaces"),
        pytest.param(b"\r\n" + POST, id="line before"),
        pytest.param(POST + b"\r\nTransfer-Encoding: chunked", id="chunked"),
        pytest.param(POST + b"\r\nConnection: close", id="closing"),
        pytest.param(POST + b"\r\nConnection: keep-alive, upgrade", id="list"),
        pytest.param(POST + b"\r\nProxy-Connection: keep-alive", id="closing, for proxies"),
        pytest.param(POST + b"\r\nUpgrade: h2c", id="upgrade"),
        pytest.param(POST + b"\r\nExpect: 100-continue", id="expect"),
        pytest.param(POST + b"\r\nContent-Length: +5", id="no number"),
        pytest.param(POST + b"\r\nContent-Length: 5\r\nContent-Length: 6", id="two lengths"),
        pytest.param(POST + b"\r\nX: a\r\nx: a", id="a name twice"),
        pytest.param(POST + b"\r\nContent-Length: %d" % (UNCOUNTED_BODY + 1), id="large body"),
        pytest.param(POST + b"\r\nX: " + b"x" * MAX_HEAD_BYTES, id="large"),
        pytest.param(POST + b"".join(b"\r\nX%d: x" % number for number in range(101)), id="many headers"),
        pytest.param(POST + b"\r\nX : a", id="space before the colon"),
        pytest.param(POST + b"\r\nX: a\r\n b", id="folded"),
        pytest.param(POST + b"\r\nX: a\nY: b", id="bare line feed"),
        pytest.param(POST + b"\r\nX: a\rY: b", id="bare carriage return"),
        pytest.param(POST + b"\r\nX: \xe9", id="not ASCII"),
        pytest.param(POST + b"\r\nX:", id="empty value"),
        pytest.param(POST + b"\r\nX", id="no colon"),
        pytest.param(POST + b"\r\n: a", id="no name"),
    ],
)
def test_whatever_is_special_is_left_to_the_parser(head: bytes) -> None:
    heads = RequestHeads(Limits())
    for _ in range(2):  # nothing was learned of it
        assert heads.read(head) is None
    assert not heads.known


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"HTTP/1.1 100 Continue\r\nContent-Length: 0", id="interim"),
        pytest.param(b"HTTP/1.1 204 No Content\r\nContent-Length: 0", id="no body"),
        pytest.param(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5", id="not modified"),
        pytest.param(b"HTTP/1.1 200 OK", id="up to the end of the connection"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 5", id="HTTP/1.0"),
    ],
)
def test_so_are_answers_that_end_otherwise_than_by_their_length(head: bytes) -> None:
    assert ResponseHeads(Limits()).read(head) is None


def test_the_limits_hold() -> None:
    assert RequestHeads(Limits(head_bytes=20)).read(POST) is None
    assert RequestHeads(Limits(headers=1)).read(POST + b"\r\na: b\r\nc: d") is None
    assert RequestHeads(Limits(body_bytes=4)).read(POST + b"\r\nContent-Length: 5") is None


def test_what_is_remembered_never_becomes_much() -> None:
    heads = RequestHeads(Limits())
    for number in range(2 * MAX_LINES):
        for _ in range(2):
            last = heads.read(b"GET /%d HTTP/1.1\r\nX-Request-Id: %d" % (number, number))
        assert len(heads.known) <= MAX_HEADS
        assert len(heads._lines) <= MAX_LINES
        assert len(heads._starts) <= MAX_HEADS
    assert list(heads.known.values())[-1] is last


@given(st.lists(st.sampled_from([b"Host: x", b"X-Request-Id: 1", b"Accept: */*", b"content-length: 0"]), unique=True))
def test_lines_that_were_seen_before_say_what_they_said(lines: list[bytes]) -> None:
    heads, text = RequestHeads(Limits()), b"\r\n".join([POST, *lines])
    for line in reversed(lines):
        heads.read(POST + b"\r\n" + line)
    one, other = heads.read(text), RequestHeads(Limits()).read(text)
    assert one is not None
    assert other is not None
    assert (one.headers, one.length) == (other.headers, other.length)


def test_heads_are_remembered_when_all_of_their_lines_have_come_before() -> None:
    heads = RequestHeads(Limits())
    for number in range(100):
        heads.read(POST + b"\r\nHost: x\r\nX-Request-Id: %d" % number)
    assert not heads.known
    again = heads.read(POST + b"\r\nX-Request-Id: 7\r\nHost: x")
    assert list(heads.known.values()) == [again]


async def test_answers_with_the_same_head_share_what_was_made_of_it() -> None:
    async with answering(http_answer(b"x")).running() as peer:
        pool = Pool("127.0.0.1", peer.port)
        await ask(pool)
        first, second = await ask(pool), await ask(pool)
        assert first.head is second.head is not None
        assert first.headers is second.headers
        pool.close()


async def test_an_answer_is_not_remembered_with_what_came_before_it() -> None:
    async with answering(b"HTTP/1.1 103 Early Hints\r\n\r\n" + http_answer(b"x")).running() as peer:
        pool = Pool("127.0.0.1", peer.port)
        assert (await ask(pool)).head is None
        assert not pool.heads.known
        pool.close()
