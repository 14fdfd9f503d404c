"""HTTP/1.1 towards a peer that has a name: requests are spread over all addresses that the name stands for.

A request goes to the address with the fewest requests in flight. An address that fails is set aside for a time that
doubles with each failure; a request that could not be sent at all goes on to the next address.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable

from seldon_core.transport.exchange import Exchange, ExchangeError, OverloadError, Receiver, Sender, StreamReceiver
from seldon_core.transport.http_client import CONNECT_SECONDS, Pool
from seldon_core.transport.limits import Budget, Limits

REFRESH_SECONDS = 5.0
# After a failure the name is looked up again at once, but not more often than this.
HURRY_SECONDS = 1.0
ASIDE_SECONDS = 1.0
LONGEST_ASIDE_SECONDS = 30.0
# A name may also stand for a virtual address, behind which somebody else chooses a peer for each connection.
CONNECTION_SECONDS = 30.0

# A name -> all of its addresses.
Resolve = Callable[[str], Awaitable[Iterable[str]]]

log = logging.getLogger(__name__)


async def resolve_by_system(host: str) -> list[str]:
    """Ask the system's resolver.

    Raises:
        OSError: it knows no address.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def is_fixed(host: str) -> bool:
    """Whether a host is always one and the same peer: an address, or this machine."""
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def peer_of(host: str, port: int, *, limits: Limits, budget: Budget) -> "Peer":
    """The connections to a peer, whatever its host is.

    Args:
        host, port: the peer.
        limits: sizes of an answer.
        budget: bytes of bodies in memory.
    """
    if is_fixed(host):
        return Pool(host, port, limits=limits, budget=budget)
    return Balancer(host, port, limits=limits, budget=budget)


class Balancer:
    """The connections to all addresses of one name; to be used like the `Pool` of one address.

    Attributes:
        host, port: the peer.
        budget: bytes of bodies in memory.
        pools: address -> the connections to it; the name itself, until it has been looked up.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        limits: Limits | None = None,
        budget: Budget | None = None,
        max_in_flight: int = 1024,
        connect_seconds: float = CONNECT_SECONDS,
        resolve: Resolve = resolve_by_system,
    ) -> None:
        self.host = host
        self.port = port
        self.limits = limits or Limits()
        self.budget = budget or Budget()
        self._max_in_flight = max_in_flight
        self._connect_seconds = connect_seconds
        self._resolve = resolve
        self._loop = asyncio.get_running_loop()
        self._turn = 0
        self._looked_up_at = float("-inf")
        self._lookup: asyncio.Task[None] | None = None
        self.pools: dict[str, Pool] = {host: self._pool(host)}

    @property
    def in_flight(self) -> int:
        """Number of exchanges that are not settled."""
        return sum(pool.in_flight for pool in self.pools.values())

    def request(
        self,
        head: bytes,
        body: bytes,
        receiver: Receiver,
        repeatable: bool = True,
        stream: StreamReceiver | None = None,
    ) -> Exchange:
        """Send a request to one of the addresses; see `Pool.request`."""
        return self._choose().request(head, body, receiver, repeatable, stream)

    def upload(
        self, head: bytes, receiver: StreamReceiver, sender: Sender, *, chunked: bool, repeatable: bool = True
    ) -> Exchange:
        """Send a request whose body follows in pieces to one of the addresses; see `Pool.upload`."""
        return self._choose().upload(head, receiver, sender, chunked=chunked, repeatable=repeatable)

    def cancel(self, exchange: Exchange) -> None:
        """End an exchange at once; see `Pool.cancel`."""
        assert exchange.pool is not None
        exchange.pool.cancel(exchange)

    def close(self) -> None:
        """Close the idle connections; those in use close with the end of their exchange."""
        self._max_in_flight = 0
        if self._lookup is not None:
            self._lookup.cancel()
        for pool in self.pools.values():
            pool.close()

    # Pools call these.

    def failed(self, pool: Pool, error: ExchangeError) -> None:
        """A peer could not be reached, or has not answered as it should."""
        if isinstance(error, OverloadError) or pool.aside_until > self._loop.time():
            return  # this is about us; or it was under way when another request failed
        seconds = min(LONGEST_ASIDE_SECONDS, ASIDE_SECONDS * 2 ** min(pool.failures, 10))
        pool.failures += 1
        pool.aside_until = self._loop.time() + seconds
        log.warning("%s:%d at %s is set aside for %g s: %s", self.host, self.port, pool.host, seconds, error)
        self._refresh(HURRY_SECONDS)

    def take_over(self, pool: Pool, exchange: Exchange) -> bool:
        """Send an exchange that could not be sent to `pool` to another address; False when there is none left."""
        exchange.tried = (*exchange.tried, pool)
        others = [other for other in self.pools.values() if other not in exchange.tried]
        if not others or not self._max_in_flight:
            return False
        self._best(others).adopt(exchange)
        return True

    # Choosing.

    def _choose(self) -> Pool:
        if (in_flight := self.in_flight) >= self._max_in_flight:
            raise OverloadError(f"{in_flight} requests to {self.host}:{self.port} are in flight")
        self._refresh(REFRESH_SECONDS)
        return self._best(list(self.pools.values()))

    def _best(self, pools: list[Pool]) -> Pool:
        """The one with the least to do, in turn where several have; one set aside only where all are."""
        if len(pools) == 1:
            return pools[0]
        now = self._loop.time()
        usable = [pool for pool in pools if pool.aside_until <= now]
        if not usable:
            return min(pools, key=lambda pool: pool.aside_until)
        least = min(pool.in_flight for pool in usable)
        free = [pool for pool in usable if pool.in_flight == least]
        self._turn += 1
        return free[self._turn % len(free)]

    # Looking up.

    def _refresh(self, seconds: float) -> None:
        """Look the name up in the background, if that was not done within `seconds`."""
        now = self._loop.time()
        if self._lookup is None and self._max_in_flight and now - self._looked_up_at >= seconds:
            self._looked_up_at = now
            self._lookup = self._loop.create_task(self._look_up())

    async def _look_up(self) -> None:
        try:
            addresses = list(dict.fromkeys(await self._resolve(self.host)))
        except (OSError, ValueError) as error:  # a ValueError for a name that no resolver can be asked for
            log.warning("cannot look up %s: %s", self.host, error)
            return
        finally:
            self._lookup = None
        if not addresses or set(addresses) == set(self.pools):
            return
        before, self.pools = (
            self.pools,
            {address: self.pools.get(address) or self._pool(address) for address in addresses},
        )
        for address, pool in before.items():
            if address not in self.pools:
                pool.close()

    def _pool(self, address: str) -> Pool:
        return Pool(
            address,
            self.port,
            limits=self.limits,
            budget=self.budget,
            max_in_flight=self._max_in_flight,
            connect_seconds=self._connect_seconds,
            connection_seconds=CONNECTION_SECONDS,
            balancer=self,
        )


Peer = Pool | Balancer
