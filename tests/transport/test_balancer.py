"""Requests to a name are spread over the addresses that it stands for: several of this machine, behind one name."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest

from seldon_core.transport import balancer as module
from seldon_core.transport.balancer import Balancer, is_fixed, peer_of, resolve_by_system
from seldon_core.transport.http_client import OverloadError, Pool, UnreachableError
from seldon_core.transport.limits import Budget, Limits
from tests.http_peers import settled, until
from tests.transport.test_http_client import GET, Outcome, ask
from tests.transport.test_http_client_streams import Taker

ADDRESSES = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]


class Name:
    """A resolver with one name, whose addresses the test chooses."""

    def __init__(self, *addresses: str) -> None:
        self.addresses: list[str] | OSError = list(addresses)
        self.asked = 0

    async def __call__(self, host: str) -> list[str]:
        assert host == "model.ns.svc"
        self.asked += 1
        if isinstance(self.addresses, OSError):
            raise self.addresses
        return self.addresses


class Fleet:
    """Peers at several addresses, all on one port; each answers with its address."""

    def __init__(self) -> None:
        self.port = 0
        self.held: set[str] = set()
        self.release = asyncio.Event()
        self.seen: Counter[str] = Counter()
        self._servers: dict[str, asyncio.Server] = {}
        self._writers: dict[str, set[asyncio.StreamWriter]] = {}

    async def start(self, address: str) -> None:
        writers = self._writers[address] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.add(writer)
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    if b"content-length" in head:
                        await reader.readexactly(3)
                    self.seen[address] += 1
                    if address in self.held:
                        await self.release.wait()
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n" + address.encode())
            writer.close()

        server = self._servers[address] = await asyncio.start_server(serve, address, self.port)
        self.port = server.sockets[0].getsockname()[1]

    async def stop(self, address: str) -> None:
        self._servers.pop(address).close()
        for writer in self._writers.pop(address):
            writer.transport.abort()
        await settled()


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    fleet = Fleet()
    for address in ADDRESSES:
        await fleet.start(address)
    yield fleet
    for address in list(fleet._servers):
        await fleet.stop(address)


@pytest.fixture
async def balance(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Balancer]]:
    """Make balancers that look names up as often as they may, and close them with the test."""
    made: list[Balancer] = []

    def balance(port: int, resolve: Name, **settings: int) -> Balancer:
        made.append(Balancer("model.ns.svc", port, resolve=resolve, **settings))
        return made[-1]

    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.0)
    monkeypatch.setattr(module, "HURRY_SECONDS", 0.0)
    yield balance
    for balancer in made:
        balancer.close()
    await settled()


async def ready(balancer: Balancer, count: int = len(ADDRESSES)) -> None:
    balancer._refresh(0.0)
    await until(lambda: len(balancer.pools) == count and balancer.host not in balancer.pools)


async def answers(balancer: Balancer, count: int) -> Counter[str]:
    return Counter([(await ask(balancer)).body.decode() for _ in range(count)])


async def test_requests_are_spread_evenly(fleet: Fleet, balance) -> None:
    balancer = balance(fleet.port, Name(*ADDRESSES))
    await ready(balancer)
    assert await answers(balancer, 30) == dict.fromkeys(ADDRESSES, 10)


async def test_the_address_with_the_least_to_do_is_asked(fleet: Fleet, balance) -> None:
    balancer = balance(fleet.port, Name(*ADDRESSES))
    await ready(balancer)
    fleet.held.add(ADDRESSES[0])
    waiting = [asyncio.ensure_future(ask(balancer)) for _ in range(3)]
    await until(lambda: balancer.in_flight == 1)
    assert ADDRESSES[0] not in await answers(balancer, 10)
    fleet.release.set()
    await asyncio.gather(*waiting)
    assert balancer.in_flight == 0


async def test_addresses_come_and_go(fleet: Fleet, balance) -> None:
    name = Name(*ADDRESSES[:1])
    balancer = balance(fleet.port, name)
    await ready(balancer, 1)
    assert await answers(balancer, 3) == {ADDRESSES[0]: 3}
    name.addresses = ADDRESSES
    await ready(balancer)
    assert set(await answers(balancer, 9)) == set(ADDRESSES)
    gone = balancer.pools[ADDRESSES[0]]
    name.addresses = ADDRESSES[1:]
    await ready(balancer, 2)
    assert set(await answers(balancer, 9)) == set(ADDRESSES[1:])
    await until(lambda: not gone.connections)


@pytest.mark.parametrize("addresses", [OSError("no such name"), []], ids=["error", "none"])
async def test_the_addresses_are_kept_when_the_name_cannot_be_looked_up(
    fleet: Fleet, balance, addresses: list[str] | OSError
) -> None:
    name = Name(*ADDRESSES)
    balancer = balance(fleet.port, name)
    await ready(balancer)
    asked = name.asked
    name.addresses = addresses
    await answers(balancer, 3)
    await until(lambda: name.asked > asked)
    assert set(await answers(balancer, 9)) == set(ADDRESSES)


async def test_a_peer_that_is_gone_is_not_noticed_by_callers_and_set_aside(
    fleet: Fleet, balance, caplog: pytest.LogCaptureFixture
) -> None:
    balancer = balance(fleet.port, Name(*ADDRESSES))
    await ready(balancer)
    await fleet.stop(ADDRESSES[1])
    with caplog.at_level(logging.WARNING):
        assert set(await answers(balancer, 12)) == {ADDRESSES[0], ADDRESSES[2]}
    assert caplog.text.count(f"at {ADDRESSES[1]} is set aside for 1 s: cannot connect to") == 1
    pool = balancer.pools[ADDRESSES[1]]
    assert pool.failures == 1
    pool.aside_until = 0.0  # its time is over, and it is still gone
    assert set(await answers(balancer, 6)) == {ADDRESSES[0], ADDRESSES[2]}
    assert pool.failures == 2
    await fleet.start(ADDRESSES[1])
    pool.aside_until = 0.0
    assert set(await answers(balancer, 6)) == set(ADDRESSES)
    assert pool.failures == 0
    assert balancer.in_flight == 0


async def test_a_body_in_pieces_goes_to_another_address_too(fleet: Fleet, balance) -> None:
    balancer = balance(fleet.port, Name(*ADDRESSES))
    await ready(balancer)
    for address in ADDRESSES[1:]:
        await fleet.stop(address)
    for _ in range(3):
        taker = Taker()
        exchange = balancer.upload(b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\n", taker, taker, chunked=False)
        exchange.upload.write(b"abc")
        exchange.upload.end()
        await taker.over()
        assert taker.body == ADDRESSES[0].encode()


async def test_one_that_breaks_off_is_set_aside(fleet: Fleet, balance) -> None:
    balancer = balance(fleet.port, Name(*ADDRESSES[:2]))
    await ready(balancer, 2)
    fleet.held.add(ADDRESSES[0])
    waiting = [asyncio.ensure_future(ask(balancer)) for _ in range(2)]
    await until(lambda: fleet.seen[ADDRESSES[0]] == 1)
    await fleet.stop(ADDRESSES[0])
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(isinstance(outcome, Exception) for outcome in outcomes) == 1
    assert balancer.pools[ADDRESSES[0]].failures == 1
    assert set(await answers(balancer, 4)) == {ADDRESSES[1]}


async def test_all_of_them_are_gone(fleet: Fleet, balance) -> None:
    balancer = balance(fleet.port, Name(*ADDRESSES))
    await ready(balancer)
    for address in ADDRESSES:
        await fleet.stop(address)
    for _ in range(2):
        with pytest.raises(UnreachableError, match=r"cannot connect to 127\.0\.0\.\d:"):
            await ask(balancer)
    await fleet.start(ADDRESSES[0])
    balancer.pools[ADDRESSES[0]].aside_until = 0.0
    assert set(await answers(balancer, 2)) == {ADDRESSES[0]}
    assert balancer.in_flight == 0


async def test_a_request_can_be_cancelled(fleet: Fleet, balance) -> None:
    balancer = balance(fleet.port, Name(*ADDRESSES))
    await ready(balancer)
    fleet.held.update(ADDRESSES)
    outcome = Outcome()
    exchange = balancer.request(GET, b"", outcome)
    await until(lambda: fleet.seen.total() == 1)
    balancer.cancel(exchange)
    assert balancer.in_flight == 0
    await until(lambda: not any(pool.connections for pool in balancer.pools.values()))
    assert not outcome.future.done()


async def test_a_name_takes_so_many_requests_and_no_more(fleet: Fleet, balance) -> None:
    balancer = balance(fleet.port, Name(*ADDRESSES), max_in_flight=2)
    await ready(balancer)
    fleet.held.update(ADDRESSES)
    waiting = [asyncio.ensure_future(ask(balancer)) for _ in range(2)]
    await until(lambda: fleet.seen.total() == 2)
    with pytest.raises(OverloadError, match=r"2 requests to model\.ns\.svc"):
        await ask(balancer)
    fleet.release.set()
    await asyncio.gather(*waiting)


async def test_connections_to_a_name_do_not_last(fleet: Fleet, balance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a virtual address somebody else chooses the peer, once for each connection."""
    monkeypatch.setattr(module, "CONNECTION_SECONDS", 0.0)
    balancer = balance(fleet.port, Name(ADDRESSES[0]))
    await ready(balancer, 1)
    await answers(balancer, 2)
    assert not balancer.pools[ADDRESSES[0]]._idle


async def test_a_name_is_used_before_it_has_been_looked_up(balance) -> None:
    balancer = balance(1, Name())
    with pytest.raises(UnreachableError, match=r"cannot connect to model\.ns\.svc:1: "):
        await ask(balancer)


async def test_a_closed_balancer_takes_nothing(fleet: Fleet, balance) -> None:
    balancer = balance(fleet.port, Name(*ADDRESSES))
    await ready(balancer)
    balancer.close()
    with pytest.raises(OverloadError):
        await ask(balancer)


@pytest.mark.parametrize(
    ("host", "fixed"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("model.ns.svc", False), ("model", False)],
)
async def test_only_names_are_balanced(host: str, fixed: bool) -> None:
    assert is_fixed(host) == fixed
    peer = peer_of(host, 1, limits=Limits(), budget=Budget())
    assert isinstance(peer, Pool if fixed else Balancer)
    peer.close()


async def test_the_systems_resolver_is_asked() -> None:
    assert "127.0.0.1" in await resolve_by_system("localhost")
    with pytest.raises(OSError, match=r".+"):
        await resolve_by_system("no-such-host.invalid")
