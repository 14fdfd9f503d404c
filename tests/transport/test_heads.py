"""Which heads are remembered, and for how long."""

import pytest

from seldon_core.transport.heads import MAX_HEADS, KnownResponse, remember
from seldon_core.transport.http_client import Pool
from tests.http_peers import answering, http_answer
from tests.transport.test_http_client import ask


def known(*headers: tuple[bytes, bytes]) -> KnownResponse:
    return KnownResponse(200, headers, 0)


@pytest.mark.parametrize(
    ("head", "headers", "kept"),
    [
        pytest.param(b"h", ((b"a", b"b"),), True, id="plain"),
        pytest.param(b"h" * 4096, (), True, id="largest"),
        pytest.param(b"h" * 4097, (), False, id="too large"),
        pytest.param(b"h", ((b"transfer-encoding", b"chunked"),), False, id="chunked"),
        pytest.param(b"h", ((b"a", b"b"), (b"upgrade", b"h2c")), False, id="upgrade"),
        pytest.param(b"h", ((b"expect", b"100-continue"),), False, id="expect"),
    ],
)
def test_what_is_remembered(head: bytes, headers: tuple[tuple[bytes, bytes], ...], kept: bool) -> None:
    heads: dict[bytes, KnownResponse] = {}
    remember(heads, head, known(*headers))
    assert (head in heads) == kept


def test_they_never_become_many() -> None:
    heads: dict[bytes, KnownResponse] = {}
    for number in range(10 * MAX_HEADS):
        remember(heads, b"%d" % number, known())
        assert len(heads) <= MAX_HEADS
    assert b"%d" % (10 * MAX_HEADS - 1) in heads


async def test_answers_with_the_same_head_share_what_was_made_of_it() -> None:
    async with answering(http_answer(b"x")).running() as peer:
        pool = Pool("127.0.0.1", peer.port)
        first, second = await ask(pool), await ask(pool)
        assert first.known is second.known is not None
        assert first.headers is second.headers
        pool.close()


async def test_an_answer_is_not_remembered_with_what_came_before_it() -> None:
    async with answering(b"HTTP/1.1 103 Early Hints\r\n\r\n" + http_answer(b"x")).running() as peer:
        pool = Pool("127.0.0.1", peer.port)
        assert (await ask(pool)).known is None
        assert not pool.known
        pool.close()
