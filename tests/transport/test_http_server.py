"""The HTTP server over real sockets: what it answers, in which order, and what it refuses."""

import asyncio
import json
import logging

import httpx
import pytest

from seldon_core.transport.heads import RequestHead, RequestLine
from seldon_core.transport.http_server import HTTPServer, Reply, Request
from seldon_core.transport.limits import Budget, Limits
from tests.http_peers import until


def describe(request: Request, reply: Reply) -> None:
    """Answer with what the handler was given."""
    given = {
        "method": request.method,
        "path": request.path,
        "query": request.query.decode(),
        "headers": {name.decode(): value.decode("latin-1") for name, value in request.headers},
        "body": request.body.decode("latin-1"),
    }
    reply.send(200, ((b"content-type", b"application/json"),), json.dumps(given).encode())


class Later:
    """A handler that keeps every request until the test answers it."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Request, Reply]] = []

    def __call__(self, request: Request, reply: Reply) -> None:
        self.waiting.append((request, reply))

    def answer(self, body: bytes = b"") -> Reply:
        request, reply = self.waiting.pop(0)
        reply.send(200, (), body or request.path.encode())
        return reply


@pytest.mark.parametrize(
    ("sent", "given"),
    [
        pytest.param(
            b"GET /a/b?x=1&y HTTP/1.1\r\nHost: h\r\nX-Thing:  some value \r\n\r\n",
            {
                "method": "GET",
                "path": "/a/b",
                "query": "x=1&y",
                "headers": {"host": "h", "x-thing": "some value"},
                "body": "",
            },
            id="parts of a request",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc",
            {"method": "POST", "headers": {"content-length": "3"}, "body": "abc"},
            id="body with a length",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nTrail: er\r\n\r\n",
            {"headers": {"transfer-encoding": "chunked"}, "body": "abc"},
            id="chunks, extension and trailer",
        ),
        pytest.param(b"GET /a%20b%2Fc HTTP/1.1\r\n\r\n", {"path": "/a b/c"}, id="percent encoding"),
        pytest.param(b"GET http://h:1/a?b HTTP/1.1\r\n\r\n", {"path": "/a", "query": "b"}, id="absolute form"),
        pytest.param(b"GET http://h HTTP/1.1\r\n\r\n", {"path": "/"}, id="absolute form without a path"),
        pytest.param(b"OPTIONS * HTTP/1.1\r\n\r\n", {"path": "*"}, id="asterisk form"),
        pytest.param(b"\r\n\r\nGET /a HTTP/1.1\r\n\r\n", {"path": "/a"}, id="empty lines ahead"),
        pytest.param(b"GET /a HTTP/1.1\r\nX: 1\r\nx: 2\r\n\r\n", {"headers": {"x": "2"}}, id="repeated header"),
    ],
)
async def test_a_request_is_understood(serve, connect, sent: bytes, given: dict) -> None:
    async with serve(describe) as (_, port):
        response = await (await connect(port)).ask(sent)
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    described = json.loads(response.body)
    assert described == described | given


def test_a_header_is_found_by_its_lower_case_name() -> None:
    request = Request(RequestHead(RequestLine("GET", b"/"), ((b"x", b"1"), (b"x", b"2"))))
    assert (request.header(b"x"), request.header(b"y")) == (b"1", None)


@pytest.mark.parametrize(
    ("head", "kept", "told"),
    [
        pytest.param("GET / HTTP/1.1", True, "keep-alive", id="1.1"),
        pytest.param("GET / HTTP/1.1\r\nConnection: close", False, "close", id="1.1 close"),
        pytest.param("GET / HTTP/1.0", False, "close", id="1.0"),
        pytest.param("GET / HTTP/1.0\r\nConnection: keep-alive", True, "keep-alive", id="1.0 keep-alive"),
    ],
)
async def test_the_connection_is_kept_or_closed_as_asked(serve, connect, head: str, kept: bool, told: str) -> None:
    async with serve(describe) as (_, port):
        client = await connect(port)
        first = await client.ask(f"{head}\r\n\r\n".encode())
        assert first.headers["connection"] == told
        if kept:
            assert first.headers["keep-alive"] == "timeout=75"
            second = await client.ask(f"{head}\r\n\r\n".encode())
            assert "keep-alive" not in second.headers  # said once, valid for the connection
            assert second.headers.get("connection") == ("keep-alive" if "1.0" in head else None)
        else:
            assert await client.rest() == b""


async def test_head_is_answered_without_the_body(serve, connect) -> None:
    async with serve(lambda _, reply: reply.send(200, (), b"four")) as (_, port):
        client = await connect(port)
        await client.send(b"HEAD / HTTP/1.1\r\n\r\n")
        response = await client.response(head_only=True)
        assert response.headers["content-length"] == "4"
        assert (await client.ask(b"GET / HTTP/1.1\r\n\r\n")).body == b"four"


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_that_have_no_body_are_sent_without_one(serve, connect, status: int) -> None:
    async with serve(lambda _, reply: reply.send(status, (), b"surplus")) as (_, port):
        client = await connect(port)
        for _ in range(2):
            response = await client.ask(b"GET / HTTP/1.1\r\n\r\n")
            assert (response.status, response.body) == (status, b"")
            assert "content-length" not in response.headers


async def test_a_status_without_a_phrase_is_sent(serve, connect) -> None:
    async with serve(lambda _, reply: reply.send(299, (), b"odd")) as (_, port):
        assert (await (await connect(port)).ask(b"GET / HTTP/1.1\r\n\r\n")).status == 299


@pytest.mark.parametrize("size", [65_536, 65_537, 5_000_000])
async def test_bodies_of_any_size_go_both_ways(serve, connect, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    async with serve(lambda request, reply: reply.send(200, (), request.body)) as (server, port):
        client = await connect(port)
        sending = asyncio.ensure_future(client.send(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % size + body))
        assert (await client.response()).body == body
        await sending
        await until(lambda: server.budget.used == 0)


# Pipelining.


async def test_requests_sent_ahead_are_handled_one_at_a_time_and_answered_in_order(serve, connect) -> None:
    later = Later()
    async with serve(later) as (_, port):
        client = await connect(port)
        await client.send(b"".join(b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(20)))
        for number in range(20):
            await until(lambda: bool(later.waiting))
            assert [request.path for request, _ in later.waiting] == [f"/{number}"]
            later.answer()
            assert (await client.response()).body == b"/%d" % number


async def test_reading_pauses_while_the_caller_is_ahead(serve, connect) -> None:
    later = Later()
    async with serve(later) as (server, port):
        client = await connect(port)
        await client.send(b"GET /1 HTTP/1.1\r\n\r\n")
        await until(lambda: bool(later.waiting))
        (connection,) = server.connections
        assert connection._transport.is_reading()
        await client.send(b"GET /2 HTTP/1.1\r\n\r\n")
        await until(lambda: not connection._transport.is_reading())
        later.answer()
        await until(lambda: bool(later.waiting))
        later.answer()
        await until(connection._transport.is_reading)
        assert [(await client.response()).body for _ in range(2)] == [b"/1", b"/2"]


async def test_a_bad_request_behind_a_good_one_is_refused_after_its_answer(serve, connect) -> None:
    later = Later()
    async with serve(later) as (_, port):
        client = await connect(port)
        await client.send(b"GET /good HTTP/1.1\r\n\r\nNONSENSE\r\n\r\n")
        await until(lambda: bool(later.waiting))
        later.answer()
        assert (await client.response()).body == b"/good"
        assert (await client.response()).status == 400
        assert await client.rest() == b""


async def test_what_follows_a_request_to_close_is_dropped(serve, connect) -> None:
    async with serve(describe) as (_, port):
        client = await connect(port)
        response = await client.ask(b"GET /1 HTTP/1.1\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
        assert json.loads(response.body)["path"] == "/1"
        assert await client.rest() == b""


# Expect and Upgrade.


async def test_a_caller_that_waits_for_a_go_ahead_gets_it(serve, connect) -> None:
    async with serve(describe) as (_, port):
        client = await connect(port)
        await client.send(b"POST / HTTP/1.1\r\nExpect: 100-Continue\r\ncontent-length: 2\r\n\r\n")
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert json.loads((await client.ask(b"hi")).body)["body"] == "hi"


async def test_the_go_ahead_waits_for_the_answer_before_it(serve, connect) -> None:
    later = Later()
    async with serve(later) as (_, port):
        client = await connect(port)
        await client.send(
            b"GET /1 HTTP/1.1\r\n\r\nPOST /2 HTTP/1.1\r\nExpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
        )
        await until(lambda: bool(later.waiting))
        later.answer()
        assert (await client.response()).body == b"/1"
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"hi")
        await until(lambda: bool(later.waiting))
        later.answer()
        assert (await client.response()).body == b"/2"


@pytest.mark.parametrize(
    "head",
    [
        "POST / HTTP/1.0\r\nExpect: 100-continue\r\ncontent-length: 2",
        "POST / HTTP/1.1\r\ncontent-length: 2",
        "POST / HTTP/1.1\r\nExpect: something-else\r\ncontent-length: 2",
    ],
)
async def test_nobody_else_gets_a_go_ahead(serve, connect, head: str) -> None:
    async with serve(describe) as (server, port):
        client = await connect(port)
        await client.send(f"{head}\r\n\r\n".encode())
        await until(lambda: any(connection._request for connection in server.connections))
        assert (await client.ask(b"hi")).status == 200


@pytest.mark.parametrize(
    ("first", "body"),
    [
        pytest.param(
            b"GET /1 HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
            "",
            id="h2c",
        ),
        pytest.param(
            b"POST /1 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
            "abc",
            id="h2c with a body",
        ),
        pytest.param(
            b"POST /1 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n0\r\n\r\n",
            "abc",
            id="h2c with chunks",
        ),
        pytest.param(b"GET /1 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "", id="websocket"),
    ],
)
async def test_an_upgrade_is_ignored(serve, connect, first: bytes, body: str) -> None:
    async with serve(describe) as (_, port):
        client = await connect(port)
        await client.send(first * 3 + b"GET /last HTTP/1.1\r\n\r\n")
        for _ in range(3):
            response = json.loads((await client.response()).body)
            assert (response["path"], response["body"]) == ("/1", body)
        assert json.loads((await client.response()).body)["path"] == "/last"


async def test_what_is_wrong_behind_an_upgrade_is_refused_as_ever(serve, connect) -> None:
    async with serve(describe) as (_, port):
        client = await connect(port)
        await client.send(b"GET /1 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nGET /2\r\n\r\n")
        assert json.loads((await client.response()).body)["path"] == "/1"
        assert (await client.response()).status == 505


async def test_a_tunnel_is_not_opened(serve, connect) -> None:
    async with serve(lambda _, reply: reply.send(405, (), b"")) as (_, port):
        client = await connect(port)
        response = await client.ask(b"CONNECT a:80 HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n")
        assert (response.status, response.headers["connection"]) == (405, "close")
        assert await client.rest() == b""


# Refusals.

BAD_REQUESTS = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00",
    "unknown method": b"BREW / HTTP/1.1\r\n\r\n",
    "length and chunks": b"POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    "negative length": b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    "length beyond all numbers": b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n",
    "not chunked in the end": b"POST / HTTP/1.1\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "bad chunk size": b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
    "bare CR in a header": b"GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nA: b\n\n",
    "folded header": b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
    "blank before the colon": b"GET / HTTP/1.1\r\nA : b\r\n\r\n",
    "null in a header": b"GET / HTTP/1.1\r\nA: b\x00\r\n\r\n",
    "blank in the target": b"GET /a b HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("sent", BAD_REQUESTS.values(), ids=BAD_REQUESTS)
async def test_what_is_not_http_is_refused_and_the_connection_closed(serve, connect, sent: bytes) -> None:
    handled: list[Request] = []
    async with serve(lambda request, reply: handled.append(request)) as (_, port):
        client = await connect(port)
        response = await client.ask(sent)
        assert (response.status, response.headers["connection"]) == (400, "close")
        assert response.body.startswith(b"not a valid HTTP/1.1 request: ")
        assert await client.rest() == b""
    assert not handled


@pytest.mark.parametrize(("line", "version"), [("GET / HTTP/2.0", "2.0"), ("GET / HTTP/0.9", "0.9"), ("GET /", "0.9")])
async def test_other_versions_are_refused(serve, connect, line: str, version: str) -> None:
    async with serve(describe) as (_, port):
        response = await (await connect(port)).ask(f"{line}\r\n\r\n".encode())
        assert (response.status, response.body) == (
            505,
            f"HTTP/{version} is not served here, HTTP/1.1 is\n".encode(),
        )


HEAD_LIMIT = Limits().head_bytes


def head_of(size: int) -> bytes:
    """A request whose target and headers, with two bytes of framing each, come to `size` bytes."""
    return b"GET / HTTP/1.1\r\nx: " + b"v" * (size - len(b"/") - len(b"x: \r\n")) + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(head_of(HEAD_LIMIT), 200, id="largest head"),
        pytest.param(head_of(HEAD_LIMIT + 1), 431, id="head one byte too large"),
        pytest.param(b"GET / HTTP/1.1\r\nx: " + b"v" * 20_000_000, 431, id="header without an end"),
        pytest.param(b"GET /" + b"v" * 20_000_000, 431, id="target without an end"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100 + b"\r\n", 200, id="most headers"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n", 431, id="one header too many"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 1_000_000, 431, id="headers without an end"),
        pytest.param(
            b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 1_000_000,
            431,
            id="trailers without an end",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\n\r\n" + head_of(HEAD_LIMIT + 1), 200, id="first of two with a large head behind"
        ),
    ],
)
async def test_heads_have_limits(serve, connect, sent: bytes, status: int) -> None:
    async with serve(lambda _, reply: reply.send(200, (), b"ok")) as (_, port):
        client = await connect(port)
        sending = asyncio.ensure_future(client.send(sent))
        response = await client.response()
        assert response.status == status
        if sent.count(b"HTTP/1.1") == 2:
            assert (await client.response()).status == 431
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_a_head_that_trickles_in_has_the_same_limit(serve, connect) -> None:
    async with serve(describe) as (_, port):
        client = await connect(port)
        await client.send(b"GET / HTTP/1.1\r\n")
        answer = asyncio.ensure_future(client.response())
        async with asyncio.timeout(60):
            while not answer.done():
                await client.send(b"a: " + b"v" * 997 + b"\r\n")
                await asyncio.sleep(0)
        assert (await answer).status == 431


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"content-length: 100\r\n\r\n" + b"v" * 100, 200, id="largest"),
        pytest.param(b"content-length: 101\r\n\r\n" + b"v" * 101, 413, id="one byte too many"),
        pytest.param(b"content-length: 101\r\n\r\n", 413, id="declared"),
        pytest.param(b"content-length: 101\r\nexpect: 100-continue\r\n\r\n", 413, id="asked for first"),
        pytest.param(b"transfer-encoding: chunked\r\n\r\n64\r\n" + b"v" * 100 + b"\r\n0\r\n\r\n", 200, id="chunks"),
        pytest.param(b"transfer-encoding: chunked\r\n\r\n" + b"8\r\nvvvvvvvv\r\n" * 13, 413, id="too many chunks"),
    ],
)
async def test_bodies_have_a_limit(serve, connect, sent: bytes, status: int) -> None:
    async with serve(describe, limits=Limits(body_bytes=100)) as (server, port):
        client = await connect(port)
        assert (await client.ask(b"POST / HTTP/1.1\r\n" + sent)).status == status
        assert server.budget.used == 0


async def test_the_refusal_of_a_large_body_is_read_by_a_caller_that_goes_on_sending(serve, connect) -> None:
    async with serve(describe, limits=Limits(body_bytes=100)) as (_, port):
        client = await connect(port)
        sending = asyncio.ensure_future(
            client.send(b"POST / HTTP/1.1\r\ncontent-length: 3000000\r\n\r\n" + bytes(3_000_000))
        )
        await sending
        response = await client.response()
        assert (response.status, response.body) == (413, b"the body is larger than 100 bytes\n")
        assert await client.rest() == b""


async def test_errors_come_in_the_form_that_the_server_was_given(serve, connect) -> None:
    def render_error(status: int, reason: str):
        return ((b"content-type", b"application/json"),), json.dumps([status, reason]).encode()

    async with serve(describe, render_error=render_error) as (_, port):
        response = await (await connect(port)).ask(b"NONSENSE\r\n\r\n")
    assert response.headers["content-type"] == "application/json"
    assert json.loads(response.body)[0] == 400


async def test_large_bodies_share_a_budget(serve, connect) -> None:
    later = Later()
    size = 60_000
    sent = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % size + bytes(size)
    async with serve(later, budget=Budget(100_000)) as (server, port):
        first, second = await connect(port), await connect(port)
        await first.send(sent)
        await until(lambda: len(later.waiting) == 1)
        assert server.budget.used == size
        refused = await second.ask(sent)
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        later.answer()
        assert (await first.response()).status == 200
        assert server.budget.used == 0
        third = await connect(port)
        await third.send(sent)
        await until(lambda: len(later.waiting) == 1)
        third.close()
        await until(lambda: later.waiting[0][1].gone)
        assert server.budget.used == 0


async def test_one_body_larger_than_the_budget_is_let_in(serve, connect) -> None:
    async with serve(describe, budget=Budget(10)) as (_, port):
        body = b"v" * 50_000
        assert (
            await (await connect(port)).ask(b"POST / HTTP/1.1\r\ncontent-length: 50000\r\n\r\n" + body)
        ).status == 200


# Handlers.


async def test_a_handler_that_fails_is_answered_for(serve, connect, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Request, __: Reply) -> None:
        raise ZeroDivisionError

    with caplog.at_level(logging.ERROR):
        async with serve(fail) as (_, port):
            client = await connect(port)
            for _ in range(2):
                response = await client.ask(b"GET /x HTTP/1.1\r\n\r\n")
                assert (response.status, response.body) == (500, b"internal error\n")
    assert "the handler of GET /x failed" in caplog.text


@pytest.mark.parametrize("header", [(b"a", b"b\r\nc: d"), (b"a\n", b"b"), (b"a", b"b\rc")])
async def test_a_header_cannot_smuggle_in_another(serve, connect, header: tuple[bytes, bytes]) -> None:
    errors: list[str] = []

    def split(_: Request, reply: Reply) -> None:
        with pytest.raises(ValueError, match="line break") as caught:
            reply.send(200, (header,), b"")
        errors.append(str(caught.value))
        reply.send(200, (), b"clean")

    async with serve(split) as (_, port):
        assert (await (await connect(port)).ask(b"GET / HTTP/1.1\r\n\r\n")).body == b"clean"
    assert errors


async def test_an_answer_is_sent_once(serve, connect) -> None:
    later = Later()
    async with serve(later) as (_, port):
        client = await connect(port)
        await client.send(b"GET / HTTP/1.1\r\n\r\n")
        await until(lambda: bool(later.waiting))
        reply = later.answer()
        with pytest.raises(RuntimeError, match="answered before"):
            reply.send(200, (), b"")


@pytest.mark.parametrize("how", ["abort", "half-close"])
async def test_a_handler_is_told_that_its_caller_went_away(serve, connect, how: str) -> None:
    later = Later()
    async with serve(later) as (server, port):
        client = await connect(port)
        await client.send(b"GET / HTTP/1.1\r\n\r\n")
        await until(lambda: bool(later.waiting))
        _, reply = later.waiting[0]
        gone = asyncio.Event()
        reply.disconnected = gone.set
        if how == "abort":
            client.close()
        else:
            client.writer.write_eof()
        await asyncio.wait_for(gone.wait(), 20)
        assert reply.gone
        reply.send(200, (), b"into the void")
        assert not server.connections


class Broken:
    """A transport that has broken without having said so yet."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.close = transport.close

    def write(self, _: bytes) -> None:
        raise RuntimeError("the handler is closed")

    writelines = write


@pytest.mark.parametrize("size", [1, 100_000])
async def test_an_answer_to_a_connection_that_breaks_just_now_is_dropped(serve, connect, size: int) -> None:
    later = Later()
    async with serve(later) as (server, port):
        client = await connect(port)
        await client.send(b"GET / HTTP/1.1\r\n\r\n")
        await until(lambda: bool(later.waiting))
        (connection,) = server.connections
        connection._transport = Broken(connection._transport)
        later.answer(bytes(size))
        client.close()
        await until(lambda: not server.connections)
        assert server.budget.used == 0


# Time.


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"", None, id="nothing"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 200, id="nothing more"),
        pytest.param(b"GE", 408, id="part of a method"),
        pytest.param(b"GET / HTTP/1.1\r\nx: ", 408, id="part of a head"),
        pytest.param(b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nab", 408, id="part of a body"),
    ],
)
async def test_waiting_for_a_caller_ends(serve, connect, sent: bytes, status: int | None) -> None:
    limits = Limits(idle_seconds=0.1, head_seconds=0.1, body_seconds=0.1, linger_seconds=0.1)
    async with serve(describe, limits=limits) as (server, port):
        client = await connect(port)
        await client.send(sent)
        if status is not None:
            assert (await client.response()).status == status
        assert await client.rest() == b""
        await until(lambda: not server.connections)


@pytest.mark.parametrize("piece", [b"G", b"GET /again"], ids=["method", "target"])
async def test_the_time_of_a_head_begins_with_its_first_byte(serve, connect, piece: bytes) -> None:
    limits = Limits(idle_seconds=60, head_seconds=20)
    async with serve(describe, limits=limits) as (server, port):
        client = await connect(port)
        await client.send(b"GET / HTTP/1.1\r\n\r\n")
        assert (await client.response()).status == 200
        (connection,) = server.connections
        connection.tick(30)
        await client.send(piece)
        await until(lambda: not connection._fresh)
        connection.tick(1)
        await client.send(b"GET /again HTTP/1.1\r\n\r\n".removeprefix(piece))
        assert (await client.response()).status == 200


async def test_waiting_for_a_handler_does_not_end(serve, connect) -> None:
    later = Later()
    limits = Limits(idle_seconds=0.01, head_seconds=0.01, body_seconds=0.01)
    async with serve(later, limits=limits) as (server, port):
        client = await connect(port)
        await client.send(b"GET /slow HTTP/1.1\r\n\r\n")
        await until(lambda: bool(later.waiting))
        (connection,) = server.connections
        await until(lambda: connection._waited > 0.1)
        later.answer()
        assert (await client.response()).body == b"/slow"


async def test_a_trickling_head_does_not_reset_the_clock(serve, connect) -> None:
    async with serve(describe, limits=Limits(head_seconds=0.2)) as (_, port):
        client = await connect(port)
        await client.send(b"GET / HTTP/1.1\r\n")
        answer = asyncio.ensure_future(client.response())
        async with asyncio.timeout(60):
            while not answer.done():
                await client.send(b"a: b\r\n")
                await asyncio.wait([answer], timeout=0.02)
        assert (await answer).status == 408


async def test_a_caller_that_does_not_read_is_cut_off(serve, connect) -> None:
    async with serve(lambda _, reply: reply.send(200, (), bytes(50_000_000)), limits=Limits(body_seconds=0.2)) as (
        server,
        port,
    ):
        client = await connect(port)
        client.writer.transport.pause_reading()
        await client.send(b"GET / HTTP/1.1\r\n\r\n")
        await until(lambda: server.budget.used == 50_000_000)
        await until(lambda: not server.connections)
        assert server.budget.used == 0


async def test_the_next_request_waits_until_the_caller_has_taken_its_answer(serve, connect) -> None:
    handled: list[str] = []

    def large(request: Request, reply: Reply) -> None:
        handled.append(request.path)
        reply.send(200, (), bytes(20_000_000))

    async with serve(large) as (server, port):
        client = await connect(port)
        client.writer.transport.pause_reading()
        await client.send(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
        await until(lambda: server.budget.used > 0)
        assert handled == ["/1"]
        client.writer.transport.resume_reading()
        for _ in range(2):
            assert len((await client.response()).body) == 20_000_000
        assert handled == ["/1", "/2"]
        await until(lambda: server.budget.used == 0)


# The end.


async def test_draining_finishes_what_is_in_flight(serve, connect) -> None:
    later = Later()
    async with serve(later, limits=Limits(drain_idle_seconds=0.05)) as (server, port):
        busy, idle = await connect(port), await connect(port)
        await busy.send(b"GET /1 HTTP/1.1\r\n\r\n")
        await idle.send(b"GET /2 HTTP/1.1\r\n\r\n")
        await until(lambda: len(later.waiting) == 2)
        later.waiting.sort(key=lambda item: item[0].path)
        _, reply = later.waiting.pop()
        reply.send(200, (), b"")
        assert (await idle.response()).status == 200
        draining = asyncio.ensure_future(server.drain(20))
        assert await idle.rest() == b""
        with pytest.raises(OSError):  # noqa: PT011 - refused or reset, depending on the moment
            await (await connect(port)).ask(b"GET / HTTP/1.1\r\n\r\n")
        later.answer()
        response = await busy.response()
        assert (response.body, response.headers["connection"]) == (b"/1", "close")
        assert await draining == 0


async def test_draining_answers_requests_sent_ahead(serve, connect) -> None:
    later = Later()
    async with serve(later) as (server, port):
        client = await connect(port)
        await client.send(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
        await until(lambda: bool(later.waiting))
        draining = asyncio.ensure_future(server.drain(20))
        await until(lambda: server.draining)
        for path in (b"/1", b"/2"):
            await until(lambda: bool(later.waiting))
            later.answer()
            assert (await client.response()).body == path
        assert await draining == 0


async def test_draining_ends_what_takes_too_long(serve, connect) -> None:
    later = Later()
    async with serve(later) as (server, port):
        client = await connect(port)
        await client.send(b"GET / HTTP/1.1\r\n\r\n")
        await until(lambda: bool(later.waiting))
        assert await server.drain(0.05) == 1
        assert await client.rest() == b""


async def test_a_retiring_server_serves_and_asks_its_callers_to_move_on(serve, connect) -> None:
    async with serve(describe) as (server, port):
        client = await connect(port)
        assert (await client.ask(b"GET / HTTP/1.1\r\n\r\n")).headers["connection"] == "keep-alive"
        server.retiring = True
        for asked in (client, await connect(port)):
            response = await asked.ask(b"GET / HTTP/1.1\r\n\r\n")
            assert (response.status, response.headers["connection"]) == (200, "close")
            assert await asked.rest() == b""


async def test_a_server_listens_on_every_address() -> None:
    server = HTTPServer(describe)
    port = await server.start(None, 0)
    async with httpx.AsyncClient() as client:
        for host in ("127.0.0.1", "localhost"):
            assert (await client.get(f"http://{host}:{port}/")).json()["path"] == "/"
    await server.drain(0)


async def test_a_port_that_is_taken_is_an_error(serve) -> None:
    async with serve(describe) as (_, port):
        with pytest.raises(OSError, match="in use"):
            await HTTPServer(describe).start("127.0.0.1", port)
