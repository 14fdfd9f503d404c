"""Certificates of several replicas against a real API server, with the clock in our hands."""

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hack.controlplane import ControlPlane
from seldon_core.kube.client import JSON_PATCH, MERGE_PATCH, Client
from seldon_core.kube.errors import Conflict, Forbidden, NotFound
from seldon_core.kube.resources import MUTATING_WEBHOOKS, SECRETS, VALIDATING_WEBHOOKS
from tests.integration.faults import FaultProxy
from webhook.certificates import (
    AUTHORITY_LIFE,
    LEAF_LIFE,
    OVERLAP,
    Authority,
    Keyring,
    bundle_of,
    make_authority,
    make_leaf,
    parse_bundle,
)
from webhook.metrics import Metrics
from webhook.signers import HANDOVER, Unusable
from webhook.trust import FIELD_MANAGER, Pace, Place, Trust

QUICK = Pace(check=0.05, retry=0.05, propagation=0.2)


class Clock:
    def __init__(self) -> None:
        self.time = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.time


class Cluster:
    """Two configurations, as a chart would have made them, and what became of them."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.place = Place(namespace, "webhook", "ca", f"m-{namespace}", f"v-{namespace}")
        self.clock = Clock()

    async def install(self) -> None:
        await self.client.create(self.configuration("Mutating", self.place.mutating_configuration))
        await self.client.create(self.configuration("Validating", self.place.validating_configuration))

    def configuration(self, kind: str, name: str) -> dict[str, Any]:
        service = {"namespace": self.place.namespace, "name": self.place.service, "path": "/x"}
        selector = {"matchLabels": {"kubernetes.io/metadata.name": self.place.namespace}}
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": f"{kind}WebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [
                {
                    "name": f"{number}.machinelearning.seldon.io",
                    "clientConfig": {"service": service},
                    "rules": [
                        {
                            "apiGroups": ["machinelearning.seldon.io"],
                            "apiVersions": ["*"],
                            "operations": ["CREATE"],
                            "resources": ["nothing"],
                        }
                    ],
                    "sideEffects": "None",
                    "admissionReviewVersions": ["v1"],
                    "namespaceSelector": selector,
                }
                for number in ("one", "two")
            ],
        }

    def replica(self, client: Client | None = None, pace: Pace = QUICK, *, given: bool = False) -> Trust:
        context, place = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), replace(self.place, given=given)
        return Trust(client or self.client, place, context, Metrics(), pace=pace, now=self.clock)

    async def give(self, authority: Authority) -> None:
        """Put a certificate of that authority into the Secret, as cert-manager would."""
        leaf = make_leaf(authority, self.place.names, self.clock())
        key, certificate = leaf.pem().split(b"-----BEGIN CERTIFICATE-----")
        files = {
            "tls.key": key,
            "tls.crt": b"-----BEGIN CERTIFICATE-----" + certificate,
            "ca.crt": bundle_of([authority.certificate]),
        }
        metadata = {"name": self.place.secret, "namespace": self.place.namespace}
        data = {name: base64.b64encode(value).decode() for name, value in files.items()}
        body = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "data": data}
        await self.client.apply(body, field_manager="cert-manager")

    async def configurations(self) -> list[dict[str, Any]]:
        return [
            await self.client.get(MUTATING_WEBHOOKS, self.place.mutating_configuration),
            await self.client.get(VALIDATING_WEBHOOKS, self.place.validating_configuration),
        ]

    async def bundles(self) -> list[bytes]:
        return [
            base64.b64decode(webhook["clientConfig"].get("caBundle", ""))
            for configuration in await self.configurations()
            for webhook in configuration["webhooks"]
        ]

    async def authorities(self) -> int:
        """How many authorities are trusted, everywhere the same ones."""
        (bundle,) = set(await self.bundles())
        return len(parse_bundle(bundle))

    async def secret(self) -> dict[str, Any]:
        return await self.client.get(SECRETS, self.place.secret, self.place.namespace)


@pytest.fixture
async def cluster(kubeconfig: Path, namespace: str) -> AsyncIterator[Cluster]:
    async with Client(str(kubeconfig)) as client:
        cluster = Cluster(client, namespace)
        await cluster.install()
        yield cluster


@asynccontextmanager
async def kept(*replicas: Trust) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(replica.keep()) for replica in replicas]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def foreign_bundle() -> str:
    now = datetime.now(UTC)
    return base64.b64encode(Keyring(make_authority(now)).bundle(now)).decode()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while True:
            result = condition()
            if await result if asyncio.iscoroutine(result) else result:
                return
            await asyncio.sleep(0.02)


async def test_a_first_replica_makes_everything_in_one_step(cluster: Cluster, namespace: str) -> None:
    replica = cluster.replica()
    assert replica.problem == "no certificate has been made yet"
    assert await replica.step()
    assert replica.problem is None
    assert await cluster.authorities() == 1
    assert (await cluster.secret())["type"] == "kubernetes.io/tls"
    for configuration in await cluster.configurations():
        (owner,) = configuration["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("Namespace", namespace)
        assert "blockOwnerDeletion" not in owner


async def test_only_the_bundle_and_the_owner_are_ours(cluster: Cluster) -> None:
    before = await cluster.configurations()
    await cluster.replica().step()
    for old, new in zip(before, await cluster.configurations(), strict=True):
        (entry,) = [entry for entry in new["metadata"]["managedFields"] if entry["manager"] == FIELD_MANAGER]
        fields = entry["fieldsV1"]
        assert entry["operation"] == "Apply"
        assert set(fields) == {"f:metadata", "f:webhooks"}
        assert set(fields["f:metadata"]) == {"f:ownerReferences"}
        for owned in fields["f:webhooks"].values():
            assert set(owned) - {"."} == {"f:name", "f:clientConfig"}
            assert owned["f:clientConfig"] == {"f:caBundle": {}}
        for webhook in new["webhooks"]:
            del webhook["clientConfig"]["caBundle"]
        assert new["webhooks"] == old["webhooks"]


async def test_when_all_is_well_nothing_is_written(cluster: Cluster) -> None:
    replica = cluster.replica()
    await replica.step()
    versions = [each["metadata"]["resourceVersion"] for each in await cluster.configurations()]
    cluster.client.requests.clear()
    for _ in range(3):
        assert await replica.step()
    assert set(cluster.client.requests) == {"get"}
    assert versions == [each["metadata"]["resourceVersion"] for each in await cluster.configurations()]


async def test_replicas_that_start_at_once_settle_on_one_authority(cluster: Cluster) -> None:
    replicas = [cluster.replica() for _ in range(5)]
    async with kept(*replicas):
        await until(lambda: all(replica.problem is None for replica in replicas))
        assert await cluster.authorities() == 1
        issuers = {replica._leaf.issuer for replica in replicas if replica._leaf}
        assert len(issuers) == 1


async def test_a_missing_configuration_is_awaited_not_made(cluster: Cluster) -> None:
    name = cluster.place.validating_configuration
    await cluster.client.delete(VALIDATING_WEBHOOKS, name)
    replica = cluster.replica()
    assert not await replica.step()
    assert replica.problem == f"there is no ValidatingWebhookConfiguration {name}"
    with pytest.raises(NotFound):
        await cluster.client.get(VALIDATING_WEBHOOKS, name)
    await cluster.client.create(cluster.configuration("Validating", name))
    assert await replica.step()
    assert replica.problem is None


async def test_a_configuration_that_goes_away_while_it_is_written_is_not_made_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = cluster.client.apply

    async def delete_first(obj: Any, **options: Any) -> Any:
        await cluster.client.delete(MUTATING_WEBHOOKS, cluster.place.mutating_configuration)
        return await apply(obj, **options)

    monkeypatch.setattr(cluster.client, "apply", delete_first)
    with pytest.raises(Conflict):
        await cluster.replica().step()
    with pytest.raises(NotFound):
        await cluster.client.get(MUTATING_WEBHOOKS, cluster.place.mutating_configuration)


async def test_a_configuration_without_webhooks_is_a_problem(cluster: Cluster) -> None:
    name = cluster.place.mutating_configuration
    await cluster.client.patch(MUTATING_WEBHOOKS, name, None, {"webhooks": []}, content_type=MERGE_PATCH)
    replica = cluster.replica()
    assert not await replica.step()
    assert replica.problem == f"MutatingWebhookConfiguration {name} has no webhooks"


@pytest.mark.parametrize("bundle", [None, foreign_bundle()], ids=["wiped", "somebody else's"])
async def test_a_damaged_bundle_is_repaired(cluster: Cluster, bundle: str | None) -> None:
    replica = cluster.replica()
    await replica.step()
    (good,) = set(await cluster.bundles())
    patch = [{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle}]
    name = cluster.place.mutating_configuration
    await cluster.client.patch(MUTATING_WEBHOOKS, name, None, patch, content_type=JSON_PATCH)
    assert set(await cluster.bundles()) != {good}
    assert await replica.step()
    assert set(await cluster.bundles()) == {good}


async def test_a_lost_secret_is_replaced_while_everybody_stays_trusted(cluster: Cluster) -> None:
    """A replica that knows nothing of the past makes the new authority; the others' certificates go on being valid."""
    veteran = cluster.replica()
    await veteran.step()
    first = veteran._leaf
    await cluster.client.delete(SECRETS, cluster.place.secret, cluster.place.namespace)
    newcomer = cluster.replica()
    await newcomer.step()
    assert newcomer.problem is None
    assert await cluster.authorities() == 2

    assert not await veteran.step()  # another certificate is due, but has to wait
    assert veteran.problem is None
    assert veteran._leaf is first
    await until(veteran.step)
    assert veteran._leaf is not first
    assert veteran.problem is None


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param({"tls.key": None}, id="no key"),
        pytest.param({"tls.crt": base64.b64encode(b"x").decode()}, id="garbage"),
    ],
)
async def test_a_damaged_secret_is_replaced(cluster: Cluster, damage: dict[str, Any]) -> None:
    replica = cluster.replica()
    await replica.step()
    secret = await cluster.secret()
    data = {key: value for key, value in (secret["data"] | damage).items() if value is not None}
    # The type requires both fields, so the damaged one is of another.
    await cluster.client.delete(SECRETS, cluster.place.secret, cluster.place.namespace)
    del secret["metadata"]["resourceVersion"], secret["metadata"]["uid"]
    await cluster.client.create({**secret, "type": "Opaque", "data": data})
    await replica.step()
    assert replica.problem is None
    assert await cluster.authorities() == 2
    assert set((await cluster.secret())["data"]) == {"ca.crt", "tls.crt", "tls.key"}


async def test_a_serving_certificate_is_renewed_at_two_thirds_of_its_life(cluster: Cluster) -> None:
    replica = cluster.replica()
    await replica.step()
    first = replica._leaf
    cluster.clock.time += LEAF_LIFE * 0.6
    await replica.step()
    assert replica._leaf is first
    cluster.clock.time += LEAF_LIFE * 0.1
    await until(replica.step)
    assert replica._leaf is not first
    assert await cluster.authorities() == 1


async def test_a_suspended_machine_serves_again_at_the_first_step(cluster: Cluster) -> None:
    replica = cluster.replica()
    await replica.step()
    cluster.clock.time += LEAF_LIFE * 3
    assert await replica.step()
    assert replica.problem is None


async def test_the_authority_is_renewed_at_two_thirds_with_an_overlap(cluster: Cluster) -> None:
    one, two = cluster.replica(), cluster.replica()
    await one.step()
    await two.step()
    assert two._leaf is not None
    for _ in range(3):
        cluster.clock.time += AUTHORITY_LIFE * 0.67
        await one.step()
        await two.step()
        assert await cluster.authorities() == 2
        await until(one.step)
        await until(two.step)
        assert (one.problem, two.problem) == (None, None)
        assert one._leaf is not None
        assert two._leaf.issuer == one._leaf.issuer
        cluster.clock.time += OVERLAP
        await one.step()
        assert await cluster.authorities() == 1


async def test_a_new_authority_waits_for_the_api_servers_to_notice_it(cluster: Cluster) -> None:
    replica = cluster.replica(pace=Pace(propagation=3600))
    await replica.step()
    first = replica._leaf
    assert first is not None
    cluster.clock.time += AUTHORITY_LIFE * 0.67
    fresh = cluster.replica(pace=Pace(propagation=3600))
    assert await fresh.step()  # has no certificate that could serve meanwhile
    # The first replica's certificate is long expired: until the new authority may be used, the old one signs another.
    assert not await replica.step()
    renewed = replica._leaf
    assert renewed is not first
    assert renewed.issuer == first.issuer
    assert replica.problem is None
    await cluster.client.delete(SECRETS, cluster.place.secret, cluster.place.namespace)
    assert not await replica.step()
    assert replica._leaf is renewed
    assert replica.problem is None


async def test_an_outdated_replica_never_overwrites_a_newer_bundle(cluster: Cluster) -> None:
    """Between reading the Secret and writing the configuration, another replica replaces the authority."""
    slow, quick = cluster.replica(), cluster.replica()
    find = slow._signers.find

    async def overtaken(*seen: Any) -> Any:
        found = await find(*seen)
        await cluster.client.delete(SECRETS, cluster.place.secret, cluster.place.namespace)
        await quick.step()
        return found

    slow._signers.find = overtaken  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        await slow.step()
    slow._signers.find = find  # type: ignore[method-assign]
    assert quick.problem is None
    assert await quick.step()
    await slow.step()
    assert slow.problem is None


async def test_not_being_able_to_ask_is_no_distrust(
    cluster: Cluster, control_plane: ControlPlane, tmp_path: Path
) -> None:
    async with FaultProxy(control_plane, tmp_path) as proxy, Client(str(proxy.kubeconfig)) as shaky:
        replica, starting = cluster.replica(shaky), cluster.replica(shaky)
        async with kept(replica):
            await until(lambda: replica.problem is None)
            await proxy.down()
            seen = len(proxy.seen)
            async with kept(starting):
                await until(lambda: "Cannot connect" in str(starting.problem))
                assert replica.problem is None
                await proxy.listen(proxy.port)
                await until(lambda: starting.problem is None)
            assert len(proxy.seen) > seen


async def test_permission_to_read_the_namespace_is_not_essential(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = cluster.client.get

    async def forbidden(resource: Any, *rest: Any) -> Any:
        if resource.plural == "namespaces":
            raise Forbidden(403, "Forbidden", "no")
        return await get(resource, *rest)

    monkeypatch.setattr(cluster.client, "get", forbidden)
    replica = cluster.replica()
    assert await replica.step()
    assert replica.problem is None


async def test_a_given_certificate_is_awaited_served_and_its_authority_published(cluster: Cluster) -> None:
    replica = cluster.replica(given=True)
    with pytest.raises(Unusable, match=r"there is no Secret .*; create it with tls\.crt, tls\.key and ca\.crt"):
        await replica.step()
    authority = make_authority(cluster.clock())
    await cluster.give(authority)
    assert await replica.step()
    assert replica.problem is None
    assert set(await cluster.bundles()) == {bundle_of([authority.certificate])}
    before = await cluster.secret()
    cluster.client.requests.clear()
    assert await replica.step()
    assert set(cluster.client.requests) == {"get"}
    assert await cluster.secret() == before


async def test_a_given_certificate_of_another_authority_is_taken_once_both_are_trusted(cluster: Cluster) -> None:
    one, two = cluster.replica(given=True), cluster.replica(given=True)
    first, second = make_authority(cluster.clock()), make_authority(cluster.clock())
    await cluster.give(first)
    await one.step()
    await two.step()
    served = one._leaf
    await cluster.give(second)
    assert not await one.step()  # published, and not served before API servers have noticed
    assert one._leaf is served
    assert (one.problem, two.problem) == (None, None)
    assert await cluster.authorities() == 2
    await until(one.step)
    assert one._leaf is not served
    assert await two.step() is False  # trusted all the while
    assert two.problem is None
    await until(two.step)
    # A replica that was there before remembers since when the first is not in the Secret any more.
    one._signers._monotonic = lambda: time.monotonic() + HANDOVER  # type: ignore[attr-defined]
    await one.step()
    assert set(await cluster.bundles()) == {bundle_of([second.certificate])}
    assert (one.problem, two.problem) == (None, None)


async def test_a_given_secret_that_goes_away_or_breaks_leaves_what_is_served(cluster: Cluster) -> None:
    replica = cluster.replica(given=True)
    await cluster.give(make_authority(cluster.clock()))
    await replica.step()
    served = replica._leaf
    await cluster.client.delete(SECRETS, cluster.place.secret, cluster.place.namespace)
    with pytest.raises(Unusable):
        await replica.step()
    assert replica.problem is None
    assert replica._leaf is served
    await cluster.give(make_authority(cluster.clock()))
    await until(replica.step)
    assert replica._leaf is not served


async def test_changes_are_noticed_at_once(cluster: Cluster) -> None:
    """With a check every hour, only the watch can have seen that the bundle was wiped."""
    replica = cluster.replica(pace=Pace(check=3600, retry=3600))
    async with kept(replica):
        await until(lambda: replica.problem is None)
        (good,) = set(await cluster.bundles())
        for _ in range(3):
            wipe = [{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]
            name = cluster.place.mutating_configuration
            await cluster.client.patch(MUTATING_WEBHOOKS, name, None, wipe, content_type=JSON_PATCH)

            async def healed() -> bool:
                return set(await cluster.bundles()) == {good}

            await until(healed)
