"""Answers of the engine itself are compressed for callers who take that; those of components are their own."""

import gzip
import json

import httpx
import pytest

from seldon_core.engine.compression import GZIP_FROM, compressed, takes_gzip
from tests.engine.graphs import PREDICTIONS, ask, components, get, n, place, post, says
from tests.http_peers import http_answer

LONG = {"strData": "0.5," * GZIP_FROM}
SHORT = {"strData": "0.5"}
CHAIN = n("a", "MODEL", n("b"))
JSON = (b"content-type", b"application/json; charset=utf-8")


def test_a_long_answer_of_a_graph_is_compressed_for_who_takes_it() -> None:
    body = b"[" + b"0.5," * GZIP_FROM + b"0.5]"
    packed, headers = compressed(body, [JSON], takes_gzip=takes_gzip(b"gzip, deflate, br"))
    assert gzip.decompress(packed) == body
    assert headers == [JSON, (b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]
    assert len(packed) < len(body) / 10


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        (b"", False),
        (b"gzip", True),
        (b"br, GZip ; Q=0.5", True),
        (b"x-gzip", True),
        (b"*", True),
        (b"gzip;q=0", False),
        (b"gzip;q=0.000, *", False),
        (b"*;q=0", False),
        (b"identity", False),
        (b"identity;q=0.5, gzip;q=0.5", True),
        (b"identity, gzip;q=0.5", False),
        (b"gzipped", False),
        (b"gzip;q=1.2.3", False),
        (b"deflate, br", False),
        (b",,;=", False),
        (b"gzip" + b" " * 60_000 + b"b", False),
        (b"gzip;q=0.5;x=1", False),
    ],
)
def test_who_takes_gzip(accepted: bytes, taken: bool) -> None:
    assert takes_gzip(accepted) == taken


@pytest.mark.parametrize(
    ("size", "headers"),
    [
        pytest.param(GZIP_FROM - 1, [JSON], id="small"),
        pytest.param(GZIP_FROM, [JSON, (b"content-encoding", b"br")], id="encoded"),
        pytest.param(GZIP_FROM, [(b"content-type", b"application/octet-stream")], id="binary"),
        pytest.param(GZIP_FROM, [], id="of no type"),
    ],
)
def test_what_is_never_compressed(size: int, headers: list[tuple[bytes, bytes]]) -> None:
    assert compressed(bytes(size), headers, takes_gzip=True) == (bytes(size), headers)


def test_caches_are_told_that_others_get_it_compressed() -> None:
    body = bytes(GZIP_FROM)
    assert compressed(body, [JSON], takes_gzip=False) == (body, [JSON, (b"vary", b"accept-encoding")])


@pytest.mark.parametrize(
    ("answer", "accepted", "encoding", "vary"),
    [
        pytest.param(LONG, "accept-encoding: gzip", "gzip", "accept-encoding", id="long"),
        pytest.param(LONG, "accept-encoding: gzip;q=0", None, "accept-encoding", id="not taken"),
        pytest.param(LONG, "x: y", None, "accept-encoding", id="not asked"),
        pytest.param(SHORT, "accept-encoding: gzip", None, None, id="short"),
    ],
)
async def test_answers_of_graphs(run_engine, answer, accepted, encoding, vary) -> None:
    async with (
        components(a=says(SHORT), b=says(answer)) as peers,
        run_engine(place(n("a", "MODEL", n("b")), peers)) as e,
    ):
        response = await ask(e, post(PREDICTIONS, SHORT, accepted))
        assert (response.headers.get("content-encoding"), response.headers.get("vary")) == (encoding, vary)
        body = gzip.decompress(response.body) if encoding else response.body
        assert json.loads(body)["strData"] == answer["strData"]
        assert not any(b"accept-encoding" in head.lower() for peer in peers.values() for head in peer.heads)


async def test_an_answer_too_long_for_the_event_loop_is_compressed_too(run_engine) -> None:
    long = {"strData": "0.5," * 500_000}
    async with components(a=says(SHORT), b=says(long)) as peers, run_engine(place(CHAIN, peers)) as e:
        response = await ask(e, post(PREDICTIONS, SHORT, "accept-encoding: gzip"))
        assert json.loads(gzip.decompress(response.body))["strData"] == long["strData"]


async def test_the_answer_of_a_single_component_is_its_own(run_engine) -> None:
    packed = gzip.compress(json.dumps(LONG).encode())
    kind = "content-type: application/json"
    for body, further in (
        (json.dumps(LONG).encode(), ()),
        (packed, ("content-encoding: gzip", "vary: Accept-Encoding")),
    ):

        def behave(_: str, __: bytes, body: bytes = body, further: tuple[str, ...] = further) -> bytes:
            return http_answer(body, "200 OK", kind, *further)

        async with components(a=behave) as peers, run_engine(place(n("a"), peers)) as engine:
            response = await ask(engine, post(PREDICTIONS, SHORT, "accept-encoding: gzip"))
            assert response.body == body
            expected = ("gzip", "Accept-Encoding") if further else (None, None)
            assert (response.headers.get("content-encoding"), response.headers.get("vary")) == expected


async def test_a_failure_of_a_node_is_passed_on_as_it_is(run_engine) -> None:
    def fails(_: str, __: bytes) -> bytes:
        return http_answer(json.dumps(LONG).encode(), "500 Oops", "content-type: application/json")

    async with components(a=says(SHORT), b=fails) as peers, run_engine(place(CHAIN, peers)) as engine:
        response = await ask(engine, post(PREDICTIONS, SHORT, "accept-encoding: gzip"))
        assert (response.status, response.body) == (500, json.dumps(LONG).encode())
        assert "content-encoding" not in response.headers


async def test_clients_see_nothing_of_it(run_engine) -> None:
    async with components(a=says(SHORT), b=says(LONG)) as peers, run_engine(place(CHAIN, peers)) as e:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{e.http_port}") as client:
            response = await client.post(PREDICTIONS, json=SHORT)
        assert response.headers["content-encoding"] == "gzip"
        assert response.json()["strData"] == LONG["strData"]


async def test_documents_are_compressed(run_engine) -> None:
    async with components(a=says(SHORT)) as peers, run_engine(place(n("a"), peers)) as engine:
        for path in ("/api/v1.0/doc/", "/api/v1.0/doc/seldon.json"):
            plain = await ask(engine, get(path))
            packed = await ask(engine, get(path).replace(b"\r\n\r\n", b"\r\nAccept-Encoding: gzip\r\n\r\n"))
            assert plain.headers["vary"] == packed.headers["vary"] == "accept-encoding"
            assert gzip.decompress(packed.body) == plain.body
