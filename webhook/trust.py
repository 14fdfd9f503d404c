"""Keeps this replica trusted by the API server: one authority in a Secret, its certificate in both configurations.

All replicas do the same, again and again, and settle on one state: whoever is slower finds the Secret or the
configuration changed (optimistic concurrency) and begins again. A configuration is read before the Secret and
written only if it has not changed since, so an outdated list of authorities never overwrites a newer one.
"""

import asyncio
import base64
import logging
import os
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from seldon_core.kube.backoff import Backoff
from seldon_core.kube.client import Client, Object
from seldon_core.kube.errors import Conflict, Forbidden, KubeError, NotFound
from seldon_core.kube.resources import MUTATING_WEBHOOKS, NAMESPACES, SECRETS, VALIDATING_WEBHOOKS
from webhook.certificates import (
    Authority,
    Certificate,
    Keyring,
    Leaf,
    make_leaf,
    parse_bundle,
    renew_authority,
    why_distrusted,
    why_renew,
    why_renew_leaf,
)
from webhook.metrics import Metrics

FIELD_MANAGER = "seldon-webhook"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where this webhook is installed, and what it is called there."""

    namespace: str
    service: str
    secret: str
    mutating_configuration: str
    validating_configuration: str

    @property
    def names(self) -> list[str]:
        """The DNS names of the Service, the one that API servers connect to first."""
        name = f"{self.service}.{self.namespace}"
        return [f"{name}.svc", f"{name}.svc.cluster.local", name, self.service]


@dataclass(frozen=True)
class Pace:
    """How often things are done, in seconds.

    Attributes:
        check: between two checks while all is well. Every check reads the wall clock: a timer for the day of
            renewal would stand still while the machine is suspended.
        retry: between two checks while something is not, at most.
        propagation: how long API servers may take to notice a changed configuration; only then is a new
            authority used, where the old one still does.
    """

    check: float = 5.0
    retry: float = 2.0
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
    ) -> None:
        self._client = client
        self._place = place
        self._context = context
        self._metrics = metrics
        self._pace = pace
        self._now = now
        self._leaf: Leaf | None = None
        self._problem: str | None = "no certificate has been made yet"
        self._published: tuple[Certificate, float] | None = None
        self._owner: Object | None = None

    @property
    def problem(self) -> str | None:
        """Why API servers would not trust this replica, as last seen; None if they do.

        Not being able to ask changes nothing: that is no reason to stop serving those who trust us.
        """
        return self._problem

    async def keep(self) -> None:
        """Check and repair until cancelled."""
        backoff = Backoff(0.25, self._pace.retry)
        while True:
            try:
                settled = await self.step()
            except Conflict as error:
                _log.info("another replica was quicker, looking again: %s", error)
                settled = False
            except KubeError as error:
                _log.warning("cannot check the certificates: %s", error)
                if self._leaf is None:
                    self._problem = str(error)
                settled = False
            if settled:
                backoff.reset()
            await asyncio.sleep(self._pace.check if settled else backoff.pause())

    async def step(self) -> bool:
        """Look at everything once and repair what is wrong.

        Returns:
            Whether nothing is left to do for now.

        Raises:
            KubeError: something could not be read or written; Conflict where another replica was quicker.
        """
        found = [await self._configuration(*each) for each in self._configurations()]
        configurations = [configuration for configuration in found if isinstance(configuration, dict)]
        missing = [problem for problem in found if isinstance(problem, str)]
        keyring = await self._keyring([bundle for each in configurations for bundle in _bundles(each)])
        wanted = keyring.bundle(self._now())
        live = [await self._publish(configuration, wanted) for configuration in configurations]
        waiting = self._renew_leaf(keyring.authority, live, complete=not missing)
        self._report(missing + self._distrust(live), keyring.authority)
        return not waiting and self._problem is None

    def _configurations(self) -> list[tuple[Any, str]]:
        return [
            (MUTATING_WEBHOOKS, self._place.mutating_configuration),
            (VALIDATING_WEBHOOKS, self._place.validating_configuration),
        ]

    async def _configuration(self, resource: Any, name: str) -> Object | str:
        """Return the configuration, or what to say where there is none: it is not ours to create."""
        try:
            return await self._client.get(resource, name)
        except NotFound:
            return f"there is no {resource.kind} {name}"

    async def _keyring(self, live: Sequence[bytes]) -> Keyring:
        """Return the authority of all replicas; make one where there is none that can be used."""
        place, now = self._place, self._now()
        secret: Object | None = None
        keyring: Keyring | None = None
        try:
            secret = await self._client.get(SECRETS, place.secret, place.namespace)
            data = {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}
            keyring = Keyring.from_data(data)
            reason = why_renew(keyring.authority.certificate, now)
            if reason is None:
                return keyring
        except NotFound:
            reason = "there is none"
        except ValueError as error:
            reason = str(error)
        _log.info("making a certificate authority in Secret %s/%s: %s", place.namespace, place.secret, reason)
        known = [] if keyring is None else [keyring.authority.certificate, *keyring.previous]
        fresh = renew_authority([*known, *self._in_use(live)], now)
        await self._store(secret, fresh)
        return fresh

    def _in_use(self, live: Sequence[bytes]) -> list[Certificate]:
        """Return the authorities that certificates being served may come from, as far as can be seen from here."""
        certificates = [] if self._leaf is None else [self._leaf.issuer]
        for bundle in live:
            try:
                certificates += parse_bundle(bundle)
            except ValueError:
                continue
        return certificates

    async def _store(self, secret: Object | None, keyring: Keyring) -> None:
        data = {key: base64.b64encode(value).decode() for key, value in keyring.to_data().items()}
        if secret is not None:
            await self._client.replace({**secret, "data": data}, field_manager=FIELD_MANAGER)
            return
        metadata = {
            "name": self._place.secret,
            "namespace": self._place.namespace,
            "labels": {"app.kubernetes.io/managed-by": FIELD_MANAGER, "app.kubernetes.io/part-of": "seldon-core"},
        }
        body = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "data": data}
        await self._client.create(body, field_manager=FIELD_MANAGER)

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

    def _renew_leaf(self, authority: Authority, live: Sequence[Object], *, complete: bool) -> bool:
        """Make another serving certificate if that is due; return whether it is due but has to wait."""
        if complete and (self._published is None or self._published[0] != authority.certificate):
            self._published = authority.certificate, time.monotonic()
        now = self._now()
        reason = why_renew_leaf(self._leaf, authority.certificate, self._place.names, now)
        if reason is None:
            return False
        if self._leaf is not None and not self._distrust(live) and not self._noticed(authority):
            return True
        leaf = make_leaf(authority, self._place.names, now)
        load(self._context, leaf)
        self._leaf = leaf
        expiry = leaf.certificate.not_valid_after_utc
        _log.info("serving with a new certificate, valid until %s: %s", expiry.isoformat(), reason)
        return False

    def _noticed(self, authority: Authority) -> bool:
        """Say whether all API servers have had the time to notice that this authority is to be trusted."""
        if self._published is None or self._published[0] != authority.certificate:
            return False
        return time.monotonic() - self._published[1] >= self._pace.propagation

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

    def _report(self, problems: list[str], authority: Authority) -> None:
        problem = "; ".join(problems) or None
        if problem is None and self._problem is not None:
            _log.info("the API server trusts this replica")
        elif problem is not None and problem != self._problem:
            _log.warning("the API server does not trust this replica: %s", problem)
        self._problem = problem
        self._metrics.trusted.set(problem is None)
        self._metrics.expiry.labels("authority").set(authority.certificate.not_valid_after_utc.timestamp())
        if self._leaf is not None:
            self._metrics.expiry.labels("serving").set(self._leaf.certificate.not_valid_after_utc.timestamp())


def load(context: ssl.SSLContext, leaf: Leaf) -> None:
    """Make `context` use another certificate for the connections to come.

    An SSLContext loads keys from files only, so this one is a file in memory that nobody else can open.
    """
    with os.fdopen(os.memfd_create("certificate", os.MFD_CLOEXEC), "wb") as file:
        file.write(leaf.pem())
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")


def _bundles(configuration: Object) -> list[bytes]:
    """Return the caBundle of each webhook of a configuration; empty where there is none."""
    encoded = [(webhook.get("clientConfig") or {}).get("caBundle") for webhook in configuration.get("webhooks") or []]
    return [base64.b64decode(each or "") for each in encoded]
