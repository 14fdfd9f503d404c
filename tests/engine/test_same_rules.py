"""A graph of one component is relayed, larger ones are interpreted; whoever asks cannot tell which by the rules.

What faulty components come to is compared in `test_faults`, where each fault is met by graphs of all shapes, too.
"""

import json
from typing import Any

import pytest

from tests.engine.graphs import PREDICTIONS, ask, components, info, n, paths, place, post, says, silent
from tests.engine.test_rest import CALLED, SERVED, codes, samples
from tests.http_peers import http_answer, until

X = {"strData": "x"}
GOOD = {"strData": "good"}
TIMEOUT = {"annotations": {"seldon.io/rest-timeout": "150"}}
# In each of them `m` is asked last, with what it answers going to the caller.
SHAPES = {
    "one node": n("m"),
    "chain": n("a", "MODEL", n("m")),
    "behind a transformer": n("a", "TRANSFORMER", n("m")),
    "built-in router": n("r", None, n("m"), n("a"), implementation="SIMPLE_ROUTER"),
}
shapes = pytest.mark.parametrize("graph", SHAPES.values(), ids=SHAPES)


def answers(status: str, body: bytes, *headers: str) -> Any:
    return lambda _, __: http_answer(body, status, *headers)


def asked_before(graph: dict[str, Any]) -> int:
    """How many components are asked before `m`."""
    return int(graph["name"] == "a")


@shapes
@pytest.mark.parametrize("given", ["", "my id"], ids=["made up", "given"])
@pytest.mark.parametrize("status", ["200 OK", "201 Created", "404 Not Found"])
async def test_ids(run_engine, graph: dict[str, Any], given: str, status: str) -> None:
    good = answers(status, json.dumps(GOOD).encode(), "content-type: application/json", "seldon-puid: another")
    async with components(a=says(GOOD), m=good) as peers, run_engine(place(graph, peers)) as engine:
        further = [f"Seldon-Puid: {given}"] if given else []
        response = await ask(engine, post(PREDICTIONS, X, *further))
        puid = response.headers["seldon-puid"]
        assert puid == given or (not given and len(puid) == 36)
        for name in ("a", "m")[1 - asked_before(graph) :]:
            assert [line for line in peers[name].heads[0].lower().split(b"\r\n") if b"puid" in line] == [
                b"seldon-puid: %b" % puid.encode()
            ]


@shapes
@pytest.mark.parametrize(
    ("status", "headers", "relayed"),
    [
        ("200 OK", ["cache-control: no-store"], {"cache-control": "no-store"}),
        ("202 Accepted", ["warning: 199 - x"], {"warning": "199 - x"}),
        ("302 Found", ["location: http://127.0.0.1:1/"], {"location": None}),
        ("400 Bad Request", ["x-secret: s", "server: me"], {"x-secret": None, "server": None}),
        ("401 Unauthorized", ["www-authenticate: Basic"], {"www-authenticate": "Basic"}),
        ("429 Too Many", ["retry-after: 7"], {"retry-after": "7"}),
        ("503 Unavailable", ["connection: close"], {"connection": "keep-alive", "retry-after": None}),
    ],
)
async def test_a_nodes_status_and_headers(
    run_engine, graph: dict[str, Any], status: str, headers: list[str], relayed: dict[str, str | None]
) -> None:
    behave = answers(status, json.dumps(GOOD).encode(), "content-type: application/json", *headers)
    async with components(a=says(GOOD), m=behave) as peers, run_engine(place(graph, peers)) as engine:
        response = await ask(engine, post(PREDICTIONS, X))
        code = status[:3]
        assert str(response.status) == code
        assert json.loads(response.body)["strData"] == "good"
        assert {name: response.headers.get(name) for name in relayed} == relayed
        assert response.headers.get("seldon-failed-node") == (None if code[0] == "2" else "m")
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["access-control-allow-origin"] == "*"
        assert await codes(engine) == {code: 1}
        called = {labels[6]: labels[5] for labels in await samples(engine, CALLED)}
        assert called == {"m": code, **({"a": "200"} if asked_before(graph) else {})}


@shapes
async def test_a_nodes_failure_comes_back_byte_for_byte(run_engine, graph: dict[str, Any]) -> None:
    body = b'{ "z":1.10, "a" : "\xff<&>" }\n'
    behave = answers("418 Teapot", body, "content-type: text/x; charset=y", "content-encoding: z")
    async with components(a=says(GOOD), m=behave) as peers, run_engine(place(graph, peers)) as engine:
        response = await ask(engine, post(PREDICTIONS, X))
        assert (response.status, response.body) == (418, body)
        kind = response.headers["content-type"], response.headers["content-encoding"]
        assert kind == ("text/x; charset=y", "z")


@shapes
async def test_the_callers_headers(run_engine, graph: dict[str, Any]) -> None:
    async with components(a=says(GOOD), m=says(GOOD)) as peers, run_engine(place(graph, peers)) as engine:
        sent = ["X-Trace: 1", "authorization: secret", "connection: X-Own, keep-alive", "x-own: 2", "TE: trailers"]
        assert (await ask(engine, post(PREDICTIONS, X, *sent))).status == 200
        lines = peers["m"].heads[0].lower().split(b"\r\n")
        assert {b"x-trace: 1", b"authorization: secret", b"content-type: application/json"} <= set(lines)
        assert not any(line.startswith((b"x-own", b"te:", b"connection")) for line in lines)
        assert [line for line in lines if line.startswith(b"host")] == [b"host: 127.0.0.1:%d" % peers["m"].port]


@shapes
async def test_events(run_engine, graph: dict[str, Any]) -> None:
    async with components(a=says(GOOD), m=says(GOOD)) as peers, run_engine(place(graph, peers)) as engine:
        response = await ask(engine, post(PREDICTIONS, X, "ce-specversion: 1.0", "seldon-puid: p"))
        assert response.headers["ce-id"] == response.headers["seldon-puid"] == "p"
        assert (response.headers["ce-path"], response.headers["ce-source"]) == (PREDICTIONS, "seldon.my-model")


@shapes
@pytest.mark.parametrize("further", [[], ["ce-specversion: 1.0"]], ids=["plain", "event"])
async def test_requests_with_the_same_head_have_ids_of_their_own(
    run_engine, connect, graph: dict[str, Any], further: list[str]
) -> None:
    async with components(a=says(GOOD), m=says(GOOD)) as peers, run_engine(place(graph, peers)) as engine:
        client = await connect(engine.http_port)
        answers = [await client.ask(post(PREDICTIONS, X, *further)) for _ in range(5)]
        ids = [answer.headers["seldon-puid"] for answer in answers]
        assert len(set(ids)) == 5
        assert [answer.headers.get("ce-id") for answer in answers] == (ids if further else [None] * 5)
        seen = [line for head in peers["m"].heads for line in head.decode().split("\r\n") if "seldon-puid" in line]
        assert seen == [f"seldon-puid: {puid}" for puid in ids]


@shapes
@pytest.mark.parametrize("way", ["annotation", "header"])
async def test_deadlines(run_engine, graph: dict[str, Any], way: str) -> None:
    settings = TIMEOUT if way == "annotation" else {}
    further = [] if way == "annotation" else ["X-Envoy-Expected-Rq-Timeout-Ms: 150"]
    async with components(a=says(GOOD), m=silent) as peers, run_engine(place(graph, peers), **settings) as engine:
        response = await ask(engine, post(PREDICTIONS, X, *further))
        assert response.status == 500
        assert info(response).startswith("node 'm': no answer within 0.15 s (Client.Timeout exceeded")
        assert response.headers["seldon-failed-node"] == "m"
        await until(lambda: not peers["m"].open)
        head = peers["m"].heads[0].lower()
        left = [int(line[32:]) for line in head.split(b"\r\n") if line.startswith(b"x-envoy-expected-rq-timeout-ms:")]
        assert len(left) == len(further)
        assert all(0 < each <= 150 for each in left)
        assert await codes(engine) == {"500": 1}


@shapes
async def test_too_much_in_flight(run_engine, graph: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    async with components(a=says(GOOD), m=says(GOOD)) as peers, run_engine(place(graph, peers)) as engine:
        monkeypatch.setattr(engine._pools["127.0.0.1", peers["m"].port], "_max_in_flight", 0)
        response = await ask(engine, post(PREDICTIONS, X))
        assert (response.status, response.headers["retry-after"]) == (503, "1")
        assert response.headers["seldon-failed-node"] == "m"
        assert info(response).startswith("node 'm': 0 requests to ")
        assert await codes(engine) == {"503": 1}
        assert not peers["m"].heads


@shapes
async def test_too_many_bytes_in_memory(run_engine, graph: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    large = says({"strData": "x" * 50_000})
    async with components(a=says(GOOD), m=large) as peers, run_engine(place(graph, peers)) as engine:
        monkeypatch.setattr(engine._budget, "capacity", 30_000)
        engine._budget.used = 1
        response = await ask(engine, post(PREDICTIONS, X))
        assert (response.status, response.headers["retry-after"]) == (503, "1")
        assert info(response) == "node 'm': too many bytes of requests and answers are in memory"
        await until(lambda: engine._budget.used == 1)


@shapes
async def test_bodies_beyond_the_limit(run_engine, graph: dict[str, Any]) -> None:
    limit = {"annotations": {"seldon.io/rest-max-body-size": "2000"}}
    large = says({"strData": "x" * 2000})
    async with components(a=says(GOOD), m=large) as peers, run_engine(place(graph, peers), **limit) as engine:
        refused = await ask(engine, post(PREDICTIONS, {"strData": "x" * 2000}))
        assert (refused.status, info(refused)) == (413, "the body is larger than 2000 bytes")
        assert not any(peer.heads for peer in peers.values())
        response = await ask(engine, post(PREDICTIONS, X))
        assert (response.status, info(response)) == (500, "node 'm': the answer is larger than 2000 bytes")
        assert response.headers["seldon-failed-node"] == "m"


@shapes
async def test_a_caller_that_goes_away(run_engine, connect, graph: dict[str, Any]) -> None:
    async with components(a=says(GOOD), m=silent) as peers, run_engine(place(graph, peers)) as engine:
        client = await connect(engine.http_port)
        await client.send(post(PREDICTIONS, X))
        await until(lambda: bool(peers["m"].heads))
        client.close()
        await until(lambda: not peers["m"].open)
        assert await codes(engine) == {"499": 1}
        called = {labels[6]: labels[5] for labels in await samples(engine, CALLED)}
        assert called["m"] == "499"


@shapes
async def test_a_request_on_a_connection_that_has_died_is_sent_once_more(run_engine, graph: dict[str, Any]) -> None:
    seen: list[str] = []

    def once_each(path: str, _: bytes) -> bytes:
        seen.append(path)
        if len(seen) == 2:
            raise ConnectionResetError  # in the test's peer: the connection ends without an answer
        return http_answer(json.dumps(GOOD).encode(), "200 OK", "content-type: application/json")

    async with components(a=says(GOOD), m=once_each) as peers, run_engine(place(graph, peers)) as engine:
        for _ in range(2):
            assert (await ask(engine, post(PREDICTIONS, X))).status == 200
        assert paths(peers["m"]) == ["/predict"] * 3
        assert await codes(engine) == {"200": 2}
        assert sum((await samples(engine, SERVED)).values()) == 2
        called = {labels[6]: count for labels, count in (await samples(engine, CALLED)).items()}
        assert called["m"] == 2


@shapes
@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", PREDICTIONS, 405), ("OPTIONS", PREDICTIONS, 200), ("POST", "/no", 404)]
)
async def test_what_the_graph_is_not_asked(
    run_engine, graph: dict[str, Any], method: str, path: str, status: int
) -> None:
    async with components(a=says(GOOD), m=says(GOOD)) as peers, run_engine(place(graph, peers)) as engine:
        sent = f"{method} {path} HTTP/1.1\r\nhost: e\r\ncontent-length: 0\r\n\r\n".encode()
        assert (await ask(engine, sent)).status == status
        assert await codes(engine) == {}
        assert not any(peer.heads for peer in peers.values())
