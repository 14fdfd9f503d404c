"""A cluster in small with its clocks in our hands: an API server's store and trust, and replicas of the webhook.

What is real: the code that keeps the certificates, its TLS contexts, sockets, and OpenSSL on both ends. The client that
plays the API server trusts what `caBundle` says, as it sees it a few seconds late, and judges by the simulated time.
"""

import asyncio
import base64
import copy
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto

from seldon_core.kube.errors import Conflict, NotFound, Unreachable
from webhook.certificates import parse_bundle
from webhook.metrics import Metrics
from webhook.signers import Unusable
from webhook.tls import server_context
from webhook.trust import Place, Trust

PLACE = Place("seldon-system", "seldon-webhook-service", "seldon-webhook-ca", "mutating", "validating")
# How late the API server sees a changed configuration, in seconds; less than replicas allow for.
LAG = 3.0


class Store:
    """What the API server stores, with optimistic concurrency; the part of a client that the webhook uses."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._objects: dict[tuple[str, str], dict[str, Any]] = {}
        self._version = 0
        self.reachable = True

    async def get(self, resource: Any, name: str, namespace: str | None = None) -> dict[str, Any]:
        await self._take_a_moment()
        return copy.deepcopy(self._found(resource.kind, name))

    async def create(self, obj: dict[str, Any], **_: Any) -> dict[str, Any]:
        await self._take_a_moment()
        if (obj["kind"], obj["metadata"]["name"]) in self._objects:
            raise Conflict(409, "AlreadyExists", "it exists")
        return self.put(obj)

    async def replace(self, obj: dict[str, Any], **_: Any) -> dict[str, Any]:
        await self._take_a_moment()
        self._compare(obj)
        return self.put(obj)

    async def apply(self, obj: dict[str, Any], **_: Any) -> dict[str, Any]:
        await self._take_a_moment()
        stored = self._compare(obj)
        stored["metadata"]["ownerReferences"] = obj["metadata"]["ownerReferences"]
        for webhook, applied in zip(stored["webhooks"], obj["webhooks"], strict=True):
            webhook["clientConfig"].update(applied["clientConfig"])
        return self.put(stored)

    def put(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Store an object, whoever wrote it."""
        self._version += 1
        metadata = {**obj["metadata"], "resourceVersion": str(self._version), "uid": "u"}
        self._objects[obj["kind"], metadata["name"]] = copy.deepcopy({**obj, "metadata": metadata})
        self._world.stored()
        return copy.deepcopy(self._objects[obj["kind"], metadata["name"]])

    def remove(self, kind: str, name: str) -> None:
        del self._objects[kind, name]

    def bundle(self, name: str) -> bytes:
        """What a configuration trusts."""
        kind = (
            "MutatingWebhookConfiguration" if name == PLACE.mutating_configuration else "ValidatingWebhookConfiguration"
        )
        config = self._found(kind, name)["webhooks"][0]["clientConfig"]
        return base64.b64decode(config.get("caBundle", ""))

    def set_bundle(self, bundle: bytes) -> None:
        """Overwrite what both configurations trust, as somebody might."""
        for kind, name in CONFIGURATIONS:
            obj = copy.deepcopy(self._found(kind, name))
            obj["webhooks"][0]["clientConfig"]["caBundle"] = base64.b64encode(bundle).decode()
            self.put(obj)

    def secret(self) -> dict[str, Any]:
        return copy.deepcopy(self._found("Secret", PLACE.secret))

    def _found(self, kind: str, name: str) -> dict[str, Any]:
        if (kind, name) not in self._objects:
            raise NotFound(404, "NotFound", f"{kind} {name}")
        return self._objects[kind, name]

    def _compare(self, obj: dict[str, Any]) -> dict[str, Any]:
        stored = self._found(obj["kind"], obj["metadata"]["name"])
        if stored["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]:
            raise Conflict(409, "Conflict", "it was changed")
        return copy.deepcopy(stored)

    async def _take_a_moment(self) -> None:
        await asyncio.sleep(0)  # others go on meanwhile
        if not self.reachable:
            raise Unreachable("nobody answers")


CONFIGURATIONS = (
    ("MutatingWebhookConfiguration", PLACE.mutating_configuration),
    ("ValidatingWebhookConfiguration", PLACE.validating_configuration),
)


class Replica:
    """One webhook that listens, with a clock that may be wrong."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.skew = timedelta(0)
        self.suspended = False
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Start, or start again with nothing remembered."""
        await self.stop()
        context = server_context()
        self.trust = Trust(
            self.world.store,  # type: ignore[arg-type]
            PLACE,
            context,
            Metrics(),
            now=lambda: self.world.now + self.skew,
            monotonic=lambda: self.world.monotonic,
        )
        self._server = await asyncio.start_server(_answer, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def check(self) -> bool:
        """Look once, as the running webhook does; return whether nothing is left to do."""
        try:
            return await self.trust.step()
        except (Conflict, Unreachable, Unusable):
            return False


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readexactly(4))
    await writer.drain()
    writer.close()


class World:
    """The cluster.

    Attributes:
        now: the right time.
        monotonic: seconds that never jump.
        requests: how many were answered.
        failures: those that were not, with the time and the reason.
    """

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.monotonic = 0.0
        self.requests = 0
        self.failures: list[str] = []
        self._seen: list[tuple[float, tuple[bytes, bytes]]] = []
        self.store = Store(self)
        self.replicas: list[Replica] = []

    def stored(self) -> None:
        """Remember when the API server will notice what the configurations say now."""
        try:
            bundles = (
                self.store.bundle(PLACE.mutating_configuration),
                self.store.bundle(PLACE.validating_configuration),
            )
        except NotFound:
            return
        self._seen = [*self._seen[-20:], (self.monotonic + LAG, bundles)]

    def pass_time(self, time: timedelta) -> None:
        self.now += time
        self.monotonic += time.total_seconds()

    async def settle(self) -> None:
        """Let replicas look until nothing is left to do, every few seconds; requests come meanwhile."""
        for _ in range(20):
            awake = [replica for replica in self.replicas if not replica.suspended]
            settled = await asyncio.gather(*(replica.check() for replica in awake))
            self.pass_time(timedelta(seconds=2))
            await self.request()
            if all(settled):
                return
        raise AssertionError(f"not settled: {[replica.trust.problem for replica in self.replicas]}")

    async def request(self) -> None:
        """Let the API server call each replica that is there, for each of the two configurations."""
        noticed = [bundles for at, bundles in self._seen if at <= self.monotonic]
        for replica in self.replicas:
            if replica.suspended:
                continue
            for bundle in set(noticed[-1]):
                await self._call(replica, bundle)

    async def _call(self, replica: Replica, bundle: bytes) -> None:
        try:
            await asyncio.to_thread(call, replica.port, bundle, self.now)
        except (SSL.Error, ValueError, OSError) as error:
            self.failures.append(f"{self.now:%Y-%m-%d %H:%M:%S} replica {self.replicas.index(replica)}: {error!r}")
        self.requests += 1


def call(port: int, bundle: bytes, now: datetime) -> None:
    """Connect as a client that trusts `bundle` and whose clock says `now`, and get an answer.

    Raises:
        SSL.Error: the certificate is not accepted.
        ValueError: there is nothing to trust, or the certificate is for somebody else.
    """
    name = PLACE.names[0]
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_PEER)
    store = context.get_cert_store()
    assert store is not None
    for certificate in parse_bundle(bundle):
        store.add_cert(crypto.X509.from_cryptography(certificate))
    store.set_time(now.replace(tzinfo=None))
    store.set_flags(crypto.X509StoreFlags.X509_STRICT)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.settimeout(None)
        tls = SSL.Connection(context, connection)
        tls.set_tlsext_host_name(name.encode())
        tls.set_connect_state()
        tls.do_handshake()
        peer = tls.get_peer_certificate(as_cryptography=True)
        assert peer is not None
        names = peer.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if name not in names.get_values_for_type(x509.DNSName):
            raise ValueError(f"the certificate is for {names}")
        tls.sendall(b"ping")
        if tls.recv(4) != b"ping":
            raise ValueError("another answer")


@asynccontextmanager
async def world(replicas: int) -> AsyncIterator[World]:
    """A cluster in which the webhook was installed just now."""
    made = World()
    made.store.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE.namespace}})
    for kind, name in CONFIGURATIONS:
        webhooks = [{"name": "w", "clientConfig": {}}]
        made.store.put({"apiVersion": "a/v1", "kind": kind, "metadata": {"name": name}, "webhooks": webhooks})
    made.replicas = [Replica(made) for _ in range(replicas)]
    try:
        for replica in made.replicas:
            await replica.start()
        # Not ready until trusted: nobody calls before.
        while not all(await asyncio.gather(*(replica.check() for replica in made.replicas))):
            made.monotonic += 1
        made.pass_time(timedelta(seconds=LAG))
        yield made
    finally:
        for replica in made.replicas:
            await replica.stop()
