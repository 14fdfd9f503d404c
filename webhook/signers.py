"""Where certificates come from: an authority of our own in a Secret, or a Secret that somebody else keeps.

Either way it ends in a `Signer`: what to serve, and which authorities API servers are to trust for it.
"""

import base64
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from seldon_core.kube.client import Client, Object
from seldon_core.kube.errors import NotFound
from seldon_core.kube.resources import SECRETS
from webhook.certificates import (
    Certificate,
    Keyring,
    Leaf,
    bundle_of,
    make_leaf,
    parse_bundle,
    parse_leaf,
    renew_authority,
    why_renew_authority,
    why_renew_leaf,
)

FIELD_MANAGER = "seldon-webhook"
# An authority that is no longer in a Secret of somebody else stays trusted until all replicas have long noticed.
HANDOVER = 600.0

_log = logging.getLogger(__name__)


class Unusable(ValueError):  # noqa: N818 - says what is there, not that we failed
    """The Secret that somebody else keeps cannot be served with; the message says why and what to do."""


class Signer(Protocol):
    """What certificates come from, as it was last read."""

    @property
    def bundle(self) -> bytes:
        """The authorities to trust, in PEM."""

    @property
    def authority(self) -> Certificate:
        """The one that certificates made now come from."""

    def why_renew(self, leaf: Leaf | None, names: Sequence[str], now: datetime) -> str | None:
        """Say why a replica needs another certificate than `leaf`, or return None."""

    def leaf(self, names: Sequence[str], now: datetime) -> Leaf:
        """Return the certificate to serve with from now on."""


@dataclass(frozen=True)
class OwnSigner:
    """An authority of ours, which signs a certificate for each replica."""

    keyring: Keyring
    bundle: bytes

    @property
    def authority(self) -> Certificate:
        """The authority that signs now."""
        return self.keyring.authority.certificate

    def why_renew(self, leaf: Leaf | None, names: Sequence[str], now: datetime) -> str | None:
        """Say why a replica needs another certificate."""
        return why_renew_leaf(leaf, self.authority, names, now)

    def leaf(self, names: Sequence[str], now: datetime) -> Leaf:
        """Make a certificate with a new key."""
        return make_leaf(self.keyring.authority, names, now)


@dataclass(frozen=True)
class GivenSigner:
    """A certificate that was given to us, the same for all replicas."""

    given: Leaf
    bundle: bytes

    @property
    def authority(self) -> Certificate:
        """The authority that signs now."""
        return self.given.issuer

    def why_renew(self, leaf: Leaf | None, names: Sequence[str], now: datetime) -> str | None:
        """Say that the Secret holds another certificate."""
        if leaf is None:
            return "there is none yet"
        return None if leaf.certificate == self.given.certificate else "there is another one in the Secret"

    def leaf(self, names: Sequence[str], now: datetime) -> Leaf:
        """Return the one that was given."""
        return self.given


class Signers(Protocol):
    """Finds the signer, again and again."""

    async def find(self, live: Sequence[bytes], serving: Leaf | None, now: datetime) -> Signer:
        """Return the signer.

        Args:
            live: the authorities that API servers trust now, one bundle for each webhook.
            serving: the certificate that this replica serves, if any.
            now: the time.

        Raises:
            KubeError: the Secret could not be read or written; Conflict where another replica was quicker.
            Unusable: there is none that can be served with.
        """


class OwnSigners:
    """Keeps an authority in a Secret that all replicas share: makes it, renews it, replaces one that is damaged.

    Args:
        client: the API server.
        namespace: the Secret's namespace.
        name: its name.
    """

    def __init__(self, client: Client, namespace: str, name: str) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name

    async def find(self, live: Sequence[bytes], serving: Leaf | None, now: datetime) -> Signer:
        """Return the authority of all replicas; make one where there is none that can be used."""
        secret: Object | None = None
        keyring: Keyring | None = None
        try:
            secret = await self._client.get(SECRETS, self._name, self._namespace)
            keyring = Keyring.from_data(_data(secret))
            reason = why_renew_authority(keyring.authority.certificate, now)
            if reason is None:
                return OwnSigner(keyring, keyring.bundle(now))
        except NotFound:
            reason = "there is none"
        except ValueError as error:
            reason = str(error)
        _log.info("making a certificate authority in Secret %s/%s: %s", self._namespace, self._name, reason)
        known = [] if keyring is None else [keyring.authority.certificate, *keyring.previous]
        in_use = [] if serving is None else [serving.issuer]
        fresh = renew_authority([*known, *in_use, *_parsed(live)], now)
        await self._store(secret, fresh)
        return OwnSigner(fresh, fresh.bundle(now))

    async def _store(self, secret: Object | None, keyring: Keyring) -> None:
        data = {key: base64.b64encode(value).decode() for key, value in keyring.to_data().items()}
        if secret is not None:
            await self._client.replace({**secret, "data": data}, field_manager=FIELD_MANAGER)
            return
        labels = {"app.kubernetes.io/managed-by": FIELD_MANAGER, "app.kubernetes.io/part-of": "seldon-core"}
        metadata = {"name": self._name, "namespace": self._namespace, "labels": labels}
        body = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "data": data}
        await self._client.create(body, field_manager=FIELD_MANAGER)


class GivenSigners:
    """Reads a Secret that cert-manager or an administrator keeps, and never writes it.

    When it changes, the authority before stays trusted for a while: other replicas may still serve what it signed.

    Args:
        client: the API server.
        namespace: the Secret's namespace.
        name: its name.
        monotonic: a clock that never jumps, in seconds.
    """

    def __init__(
        self, client: Client, namespace: str, name: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._monotonic = monotonic
        self._since: tuple[frozenset[Certificate], float] | None = None

    async def find(self, live: Sequence[bytes], serving: Leaf | None, now: datetime) -> Signer:
        """Return what the Secret holds."""
        where = f"Secret {self._namespace}/{self._name}"
        try:
            secret = await self._client.get(SECRETS, self._name, self._namespace)
            given, trusted = parse_leaf(_data(secret))
        except NotFound as error:
            raise Unusable(f"there is no {where}; create it with tls.crt, tls.key and ca.crt") from error
        except ValueError as error:
            raise Unusable(f"{where}: {error}") from error
        known = frozenset(trusted)
        if self._since is None or self._since[0] != known:
            self._since = known, self._monotonic()
        if self._monotonic() - self._since[1] < HANDOVER:
            for other in _parsed(live):
                if other not in trusted and other.not_valid_after_utc > now:
                    trusted.append(other)
        return GivenSigner(given, bundle_of(trusted))


def _data(secret: Object) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}


def _parsed(bundles: Sequence[bytes]) -> list[Certificate]:
    """Return the certificates of those bundles that can be read."""
    certificates: list[Certificate] = []
    for bundle in bundles:
        try:
            certificates += parse_bundle(bundle)
        except ValueError:
            continue
    return certificates
