"""Keeps this replica trusted by the API server: one Secret for all, its authority in both configurations.

All replicas do the same, again and again, and settle on one state: whoever is slower finds the Secret or the
configuration changed (optimistic concurrency) and begins again. A configuration is read before the Secret and
written only if it has not changed since, so an outdated list of authorities never overwrites a newer one.
"""

import asyncio
import base64
import contextlib
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from seldon_core.kube.backoff import Backoff
from seldon_core.kube.cache import Reflector
from seldon_core.kube.client import Client, Object
from seldon_core.kube.errors import Conflict, Forbidden, KubeError, NotFound
from seldon_core.kube.resources import MUTATING_WEBHOOKS, NAMESPACES, SECRETS, VALIDATING_WEBHOOKS, Resource
from webhook.certificates import Certificate, Leaf, why_distrusted
from webhook.metrics import Metrics
from webhook.signers import FIELD_MANAGER, GivenSigners, OwnSigners, Signer, Signers, Unusable
from webhook.tls import load, server_context

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where this webhook is installed, and what it is called there.

    Attributes:
        namespace: of the webhook and its Secret.
        service: the Service that API servers call.
        secret: the Secret of the certificates.
        mutating_configuration: the name of the MutatingWebhookConfiguration.
        validating_configuration: the name of the ValidatingWebhookConfiguration.
        given: whether somebody else keeps the Secret, with a serving certificate; else it holds an authority of ours.
    """

    namespace: str
    service: str
    secret: str
    mutating_configuration: str
    validating_configuration: str
    given: bool = False

    @property
    def names(self) -> list[str]:
        """The DNS names of the Service, the one that API servers connect to first."""
        name = f"{self.service}.{self.namespace}"
        return [f"{name}.svc", f"{name}.svc.cluster.local", name, self.service]


@dataclass(frozen=True)
class Pace:
    """How often things are done, in seconds.

    Attributes:
        check: between two checks while all is well and nothing changes. Every check reads the wall clock: a timer for
            the day of renewal would stand still while the machine is suspended.
        retry: between two checks while something is not, at most.
        least: between two checks, however often something changes.
        propagation: how long API servers may take to notice a changed configuration; only then is a new
            authority used, where the old one still does.
    """

    check: float = 10.0
    retry: float = 2.0
    least: float = 0.1
    propagation: float = 5.0


class Trust:
    """Makes, renews and publishes the certificates of one replica.

    Args:
        client: the API server.
        place: where the webhook is installed.
        context: the TLS context that serves; certificates are put into it while it does.
        metrics: where expiry and trust are reported.
        pace: how often things are done.
        now: the wall clock.
        monotonic: a clock that never jumps, in seconds.
    """

    def __init__(
        self,
        client: Client,
        place: Place,
        context: ssl.SSLContext,
        metrics: Metrics,
        *,
        pace: Pace = Pace(),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._place = place
        self._context = context
        self._metrics = metrics
        self._pace = pace
        self._now = now
        self._monotonic = monotonic
        self._signers: Signers = (
            GivenSigners(client, place.namespace, place.secret, monotonic)
            if place.given
            else OwnSigners(client, place.namespace, place.secret)
        )
        self._leaf: Leaf | None = None
        self._signer: Signer | None = None
        self._problem: str | None = "no certificate has been made yet"
        self._published: tuple[Certificate, float] | None = None
        self._owner: Object | None = None
        self._changed = asyncio.Event()
        context.sni_callback = self._at_handshake

    @property
    def problem(self) -> str | None:
        """Why API servers would not trust this replica, as last seen; None if they do.

        Not being able to ask changes nothing: that is no reason to stop serving those who trust us.
        """
        return self._problem

    async def keep(self) -> None:
        """Check and repair until cancelled: now and then, and as soon as something changes."""
        backoff = Backoff(0.25, self._pace.retry)
        async with self._watching():
            while True:
                self._changed.clear()
                settled = await self._attempt()
                if settled:
                    backoff.reset()
                await asyncio.sleep(self._pace.least)
                with contextlib.suppress(TimeoutError):
                    pause = self._pace.check if settled else backoff.pause()
                    await asyncio.wait_for(self._changed.wait(), pause)

    async def _attempt(self) -> bool:
        try:
            return await self.step()
        except Conflict as error:
            _log.info("another replica was quicker, looking again: %s", error)
        except (KubeError, Unusable) as error:
            _log.warning("cannot check the certificates: %s", error)
            if self._leaf is None:
                self._problem = str(error)
        return False

    @contextlib.asynccontextmanager
    async def _watching(self) -> AsyncIterator[None]:
        """Notice changes of the configurations and of the Secret, within the block."""
        watched: list[tuple[Resource, str, str | None]] = [
            *((resource, name, None) for resource, name in self._configurations()),
            (SECRETS, self._place.secret, self._place.namespace),
        ]
        tasks = []
        for resource, name, namespace in watched:
            reflector = Reflector(
                self._client,
                resource,
                namespace,
                trim=lambda _: None,
                on_change=lambda *_: self._changed.set(),
                field_selector=f"metadata.name={name}",
            )
            tasks.append(asyncio.create_task(reflector.run(), name=f"watch {name}"))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def step(self) -> bool:
        """Look at everything once and repair what is wrong.

        Returns:
            Whether nothing is left to do for now.

        Raises:
            KubeError: something could not be read or written; Conflict where another replica was quicker.
            Unusable: the certificate that was given to us cannot be used.
        """
        found = [await self._configuration(*each) for each in self._configurations()]
        configurations = [configuration for configuration in found if isinstance(configuration, dict)]
        missing = [problem for problem in found if isinstance(problem, str)]
        bundles = [bundle for each in configurations for bundle in _bundles(each)]
        signer = await self._signers.find(bundles, self._leaf, self._now())
        live = [await self._publish(configuration, signer.bundle) for configuration in configurations]
        waiting = self._renew_leaf(signer, live, complete=not missing)
        self._report(missing + self._distrust(live), signer)
        return not waiting and self._problem is None

    def _configurations(self) -> list[tuple[Resource, str]]:
        return [
            (MUTATING_WEBHOOKS, self._place.mutating_configuration),
            (VALIDATING_WEBHOOKS, self._place.validating_configuration),
        ]

    async def _configuration(self, resource: Resource, name: str) -> Object | str:
        """Return the configuration, or what to say where there is none: it is not ours to create."""
        try:
            return await self._client.get(resource, name)
        except NotFound:
            return f"there is no {resource.kind} {name}"

    async def _publish(self, configuration: Object, bundle: bytes) -> Object:
        """Put the bundle and the owner into a configuration, if they are not there; return it as stored."""
        owner = await self._namespace_reference()
        metadata = configuration["metadata"]
        owned = owner is None or owner in (metadata.get("ownerReferences") or [])
        if owned and all(live == bundle for live in _bundles(configuration)):
            return configuration
        encoded = base64.b64encode(bundle).decode()
        body = {
            "apiVersion": configuration["apiVersion"],
            "kind": configuration["kind"],
            "metadata": {
                "name": metadata["name"],
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
                "ownerReferences": [owner] if owner else [],
            },
            "webhooks": [
                {"name": webhook["name"], "clientConfig": {"caBundle": encoded}}
                for webhook in configuration.get("webhooks") or []
            ],
        }
        stored = await self._client.apply(body, field_manager=FIELD_MANAGER)
        _log.info("published the certificate authority in %s %s", configuration["kind"], metadata["name"])
        return stored

    async def _namespace_reference(self) -> Object | None:
        """Return the reference that makes our namespace the owner, so that deleting it leaves nothing behind."""
        if self._owner is None:
            try:
                namespace = await self._client.get(NAMESPACES, self._place.namespace)
            except (Forbidden, NotFound) as error:
                _log.warning("the webhook configurations get no owner: %s", error)
                return None
            uid = namespace["metadata"]["uid"]
            self._owner = {"apiVersion": "v1", "kind": "Namespace", "name": self._place.namespace, "uid": uid}
        return self._owner

    def _renew_leaf(self, signer: Signer, live: Sequence[Object], *, complete: bool) -> bool:
        """Take another serving certificate if that is due; return whether it is due but has to wait."""
        if complete and (self._published is None or self._published[0] != signer.authority):
            self._published = signer.authority, self._monotonic()
        self._refresh()
        reason = signer.why_renew(self._leaf, self._place.names, self._now())
        if reason is not None and self._leaf is not None and not self._distrust(live) and not self._noticed(signer):
            return True
        self._signer = signer
        if reason is not None:
            self._serve(signer.leaf(self._place.names, self._now()), reason)
        return False

    def _refresh(self) -> bool:
        """Take another serving certificate of the authority that is in use, if that is due; return whether it was.

        An authority after it may wait: this one is still trusted, and nothing but the clock decides.
        """
        if self._signer is None or self._leaf is None or self._leaf.issuer != self._signer.authority:
            return False
        now = self._now()
        reason = self._signer.why_renew(self._leaf, self._place.names, now)
        if reason is None or now >= self._signer.authority.not_valid_after_utc:
            return False
        self._serve(self._signer.leaf(self._place.names, now), reason)
        return True

    def _noticed(self, signer: Signer) -> bool:
        """Say whether all API servers have had the time to notice that this authority is to be trusted."""
        if self._published is None or self._published[0] != signer.authority:
            return False
        return self._monotonic() - self._published[1] >= self._pace.propagation

    def _serve(self, leaf: Leaf, reason: str) -> None:
        """Serve with a certificate from the next connection on."""
        load(self._context, leaf)
        self._leaf = leaf
        expiry = leaf.certificate.not_valid_after_utc
        _log.info("serving with a new certificate, valid until %s: %s", expiry.isoformat(), reason)

    def _at_handshake(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Look at the clock before a certificate is shown: a machine that was suspended may wake up with this call."""
        if self._leaf is None or not self._refresh():
            return
        context = server_context()  # this connection has taken its certificate from the old state already
        load(context, self._leaf)
        connection.context = context

    def _distrust(self, live: Sequence[Object]) -> list[str]:
        """Say in which configurations, and why, this replica's certificate is not trusted."""
        if self._leaf is None:
            return ["no certificate has been made yet"]
        problems = []
        for configuration in live:
            where = f"{configuration['kind']} {configuration['metadata']['name']}"
            bundles = set(_bundles(configuration))
            if not bundles:
                problems.append(f"{where} has no webhooks")
            for bundle in bundles:
                reason = why_distrusted(self._leaf, self._place.names[0], bundle, self._now())
                if reason is not None:
                    problems.append(f"caBundle of {where}: {reason}")
        return problems

    def _report(self, problems: list[str], signer: Signer) -> None:
        problem = "; ".join(problems) or None
        if problem is None and self._problem is not None:
            _log.info("the API server trusts this replica")
        elif problem is not None and problem != self._problem:
            _log.warning("the API server does not trust this replica: %s", problem)
        self._problem = problem
        self._metrics.trusted.set(problem is None)
        self._metrics.expiry.labels("authority").set(signer.authority.not_valid_after_utc.timestamp())
        if self._leaf is not None:
            self._metrics.expiry.labels("serving").set(self._leaf.certificate.not_valid_after_utc.timestamp())


def _bundles(configuration: Object) -> list[bytes]:
    """Return the caBundle of each webhook of a configuration; empty where there is none."""
    encoded = [(webhook.get("clientConfig") or {}).get("caBundle") for webhook in configuration.get("webhooks") or []]
    return [base64.b64decode(each or "") for each in encoded]
