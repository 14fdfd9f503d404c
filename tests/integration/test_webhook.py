"""The webhook as processes that a real API server calls, over TLS and through its Service."""

import asyncio
import base64
import json
import os
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from seldon_core.kube.client import JSON_PATCH, MERGE_PATCH, Client
from seldon_core.kube.errors import Invalid, KubeError, NotFound, ServerError
from seldon_core.kube.resources import MUTATING_WEBHOOKS, SECRETS, SELDONDEPLOYMENTS, VALIDATING_WEBHOOKS

pytestmark = [pytest.mark.xdist_group("crd"), pytest.mark.usefixtures("crd")]

ROOT = Path(__file__).parents[2]
SERVICE, SECRET = "seldon-webhook-service", "seldon-webhook-ca"


def example() -> dict[str, Any]:
    obj: dict[str, Any] = yaml.safe_load((ROOT / "examples" / "seldon-model.yaml").read_text())
    return obj


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while True:
            result = condition()
            if await result if asyncio.iscoroutine(result) else result:
                return
            await asyncio.sleep(0.05)


class Replica:
    """A running webhook."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path, port: int, metrics_port: int) -> None:
        self.process = process
        self.log = log
        self.port = port
        self._metrics = f"http://127.0.0.1:{metrics_port}"

    async def get(self, path: str) -> tuple[int, str]:
        """GET from the metrics port; status 0 while nobody listens."""
        try:
            async with aiohttp.ClientSession() as session, session.get(self._metrics + path) as response:
                return response.status, await response.text()
        except aiohttp.ClientConnectionError:
            return 0, ""

    async def ready(self) -> bool:
        assert self.process.returncode is None, self.log.read_text()
        return (await self.get("/readyz"))[0] == 200

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def logged(self, beginning: str) -> int:
        """How many lines of the log begin like that."""
        return sum(line["message"].startswith(beginning) for line in self.lines())

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 30)


class Installation:
    """What a chart installs around the webhook, in a namespace of its own whose objects alone it sees."""

    def __init__(self, client: Client, namespace: str, kubeconfig: Path, directory: Path) -> None:
        self.client = client
        self.namespace = namespace
        self.name = f"seldon-{namespace}"
        self._kubeconfig = kubeconfig
        self._directory = directory

    async def install(self) -> None:
        # Without nodes no Service has endpoints; the API server resolves one that is but a name by itself.
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": SERVICE, "namespace": self.namespace},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        }
        await self.client.apply(service, field_manager="chart")
        for kind, path in (("Mutating", "/mutate"), ("Validating", "/validate")):
            await self.client.create(self.configuration(kind, path))

    async def uninstall(self) -> None:
        for resource in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS):
            await self.client.delete(resource, self.name)

    def configuration(self, kind: str, path: str) -> dict[str, Any]:
        webhook = {
            "name": f"{kind.lower()}.machinelearning.seldon.io",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"service": {"name": SERVICE, "namespace": self.namespace, "path": path, "port": 1}},
            "rules": [
                {
                    "apiGroups": ["machinelearning.seldon.io"],
                    "apiVersions": ["v1", "v1alpha2", "v1alpha3"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": ["seldondeployments"],
                }
            ],
            "matchConditions": [{"name": "not-being-deleted", "expression": "!has(object.metadata.deletionTimestamp)"}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
            "failurePolicy": "Fail",
            "sideEffects": "None",
        }
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": f"{kind}WebhookConfiguration",
            "metadata": {"name": self.name},
            "webhooks": [webhook],
        }

    async def lead_to(self, replica: Replica) -> None:
        """Let the API server call that replica; returns once it does."""
        patch = [{"op": "replace", "path": "/webhooks/0/clientConfig/service/port", "value": replica.port}]
        for resource in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS):
            await self.client.patch(resource, self.name, None, patch, content_type=JSON_PATCH)
        await until(self.works)

    async def works(self) -> bool:
        try:
            created = await self.client.create(self.model(), dry_run=True)
        except ServerError:
            return False
        return created["spec"].get("protocol") == "seldon"

    def model(self) -> dict[str, Any]:
        obj = example()
        obj["metadata"]["namespace"] = self.namespace
        return obj

    async def bundle(self) -> str:
        """The certificates that both configurations trust, in PEM."""
        found = [await self.client.get(each, self.name) for each in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS)]
        bundles = {webhook["clientConfig"].get("caBundle", "") for each in found for webhook in each["webhooks"]}
        assert len(bundles) == 1
        return base64.b64decode(bundles.pop()).decode()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(self._kubeconfig),
            "POD_NAMESPACE": self.namespace,
            "SELDON_WEBHOOK_MUTATING_CONFIGURATION": self.name,
            "SELDON_WEBHOOK_VALIDATING_CONFIGURATION": self.name,
        }

    @asynccontextmanager
    async def replica(self, *arguments: str) -> AsyncIterator[Replica]:
        """Run a webhook; it need not be ready yet."""
        with socket.create_server(("", 0)) as one, socket.create_server(("", 0)) as two:
            port, metrics_port = one.getsockname()[1], two.getsockname()[1]
        log = self._directory / f"webhook-{port}.log"
        with log.open("w") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "webhook", f"--port={port}", f"--metrics-port={metrics_port}", *arguments,
                cwd=ROOT, env=self.environment, stdout=output, stderr=output,
            )  # fmt: skip
        try:
            yield Replica(process, log, port, metrics_port)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def check(self, *arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "webhook", "check", *arguments,
            cwd=ROOT, env=self.environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return process.returncode, output.decode()


@pytest.fixture
async def installation(kubeconfig: Path, namespace: str, tmp_path: Path) -> AsyncIterator[Installation]:
    async with Client(str(kubeconfig)) as client:
        installation = Installation(client, namespace, kubeconfig, tmp_path)
        await installation.install()
        yield installation
        await installation.uninstall()


@pytest.fixture
async def webhook(installation: Installation) -> AsyncIterator[Replica]:
    """A replica that the API server calls."""
    async with installation.replica() as replica:
        await until(replica.ready)
        await installation.lead_to(replica)
        yield replica


async def stored(installation: Installation) -> list[str]:
    items, _ = await installation.client.list(SELDONDEPLOYMENTS, installation.namespace)
    return [item["metadata"]["name"] for item in items]


async def test_the_example_is_stored_with_its_defaults_and_otherwise_as_written(
    installation: Installation, webhook: Replica
) -> None:
    written = installation.model()
    await installation.client.create(written)
    found = await installation.client.get(SELDONDEPLOYMENTS, "seldon-model", installation.namespace)
    expected = example()["spec"] | {"protocol": "seldon", "transport": "rest", "serverType": "rpc"}
    expected["predictors"][0]["labels"] = {"version": "example"}
    assert found["spec"] == expected

    again = await installation.client.apply(written, field_manager="user")
    assert again["spec"] == expected


async def test_what_is_invalid_is_refused_with_path_rule_and_remedy_and_not_stored(
    installation: Installation, webhook: Replica
) -> None:
    broken = installation.model()
    broken["spec"]["transport"] = "pigeon"
    broken["spec"]["predictors"][0]["graph"]["name"] = "nobody"
    with pytest.raises(Invalid) as refused:
        await installation.client.create(broken)
    message = refused.value.message
    assert 'admission webhook "mutating.machinelearning.seldon.io" denied the request: 2 errors:\n' in message
    assert '- spec.predictors[0].graph.name: "nobody": ' in message
    assert '- spec.transport: "pigeon": ' in message
    causes = {cause["field"]: cause["message"] for cause in refused.value.details["causes"]}
    assert set(causes) == {"spec.predictors[0].graph.name", "spec.transport"}
    for line in message.splitlines()[1:]:
        rule, _, remedy = line.partition("; ")
        assert rule
        assert remedy
    assert await stored(installation) == []
    (line,) = [line for line in webhook.lines() if line["message"] == "refused"]
    assert line["namespace"] == installation.namespace
    assert len(line["findings"]) == 2


async def test_an_update_is_checked_and_its_refusal_changes_nothing(
    installation: Installation, webhook: Replica
) -> None:
    await installation.client.create(installation.model())
    before = await installation.client.get(SELDONDEPLOYMENTS, "seldon-model", installation.namespace)
    patch = {"spec": {"transport": "pigeon"}}
    with pytest.raises(Invalid, match=r"spec\.transport"):
        await installation.client.patch(
            SELDONDEPLOYMENTS, "seldon-model", installation.namespace, patch, content_type=MERGE_PATCH
        )
    assert await installation.client.get(SELDONDEPLOYMENTS, "seldon-model", installation.namespace) == before


async def test_what_is_being_deleted_can_go_whatever_is_wrong_and_whoever_is_away(
    installation: Installation, webhook: Replica
) -> None:
    model = installation.model()
    model["metadata"]["finalizers"] = ["example.com/wait"]
    await installation.client.create(model)
    arguments = (SELDONDEPLOYMENTS, "seldon-model", installation.namespace)
    await installation.client.delete(*arguments)
    assert await webhook.stop() == 0
    release = {"metadata": {"finalizers": None}}
    await installation.client.patch(*arguments, release, content_type=MERGE_PATCH)
    with pytest.raises(NotFound):
        await installation.client.get(*arguments)


async def test_both_replicas_serve_what_the_one_bundle_trusts(installation: Installation) -> None:
    async with installation.replica() as one, installation.replica() as two:
        await until(one.ready)
        await until(two.ready)
        context = ssl.create_default_context(cadata=await installation.bundle())
        serials = set()
        for replica in (one, two):
            _, writer = await asyncio.open_connection(
                "127.0.0.1", replica.port, ssl=context, server_hostname=f"{SERVICE}.{installation.namespace}.svc"
            )
            serials.add(writer.get_extra_info("peercert")["serialNumber"])
            writer.transport.abort()
            await installation.lead_to(replica)
        assert len(serials) == 2


async def test_losing_the_secret_or_the_bundle_heals_and_no_request_fails_meanwhile(
    installation: Installation, webhook: Replica
) -> None:
    first = await installation.bundle()
    failures: list[str] = []
    requests = 0

    async def use() -> None:
        nonlocal requests
        while True:
            try:
                await installation.client.create(installation.model(), dry_run=True)
                requests += 1
            except KubeError as error:
                failures.append(str(error))
            await asyncio.sleep(0.05)

    using = asyncio.create_task(use())
    await installation.client.delete(SECRETS, SECRET, installation.namespace)
    await until(lambda: webhook.logged("serving with a new certificate") == 2)
    using.cancel()
    second = await installation.bundle()
    assert first in second
    assert second.count("BEGIN CERTIFICATE") == 2
    assert failures == []
    assert requests > 10

    wipe = [{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]
    await installation.client.patch(MUTATING_WEBHOOKS, installation.name, None, wipe, content_type=JSON_PATCH)
    await until(installation.works)
    assert await installation.bundle() == second
    assert (await webhook.get("/readyz"))[0] == 200


async def test_a_missing_configuration_is_named_and_awaited(installation: Installation) -> None:
    await installation.client.delete(VALIDATING_WEBHOOKS, installation.name)
    async with installation.replica() as replica:

        async def waits() -> bool:
            status, text = await replica.get("/readyz")
            return (status, text) == (503, f"there is no ValidatingWebhookConfiguration {installation.name}\n")

        await until(waits)
        assert (await replica.get("/healthz"))[0] == 200
        with pytest.raises(NotFound):
            await installation.client.get(VALIDATING_WEBHOOKS, installation.name)
        await installation.client.create(installation.configuration("Validating", "/validate"))
        await until(replica.ready)


async def test_a_stop_loses_no_request(installation: Installation, webhook: Replica) -> None:
    """Two replicas behind one name: requests go to the one that stops until it says that it does."""
    async with installation.replica() as other:
        await until(other.ready)
        answers: list[bool] = []
        stopped = asyncio.Event()

        async def use() -> None:
            while not stopped.is_set():
                created = await installation.client.create(installation.model(), dry_run=True)
                answers.append(created["spec"]["protocol"] == "seldon")

        users = [asyncio.create_task(use()) for _ in range(4)]
        stopping = asyncio.create_task(webhook.stop())

        async def unready() -> bool:
            return await webhook.get("/readyz") == (503, "shutting down\n")

        await until(unready)
        assert (await webhook.get("/healthz"))[0] == 200
        served = len(answers)
        await until(lambda: len(answers) > served)  # not ready, and still serving
        await installation.lead_to(other)
        assert await stopping == 0
        stopped.set()
        await asyncio.gather(*users)
        assert all(answers)


async def test_metrics_tell_what_the_webhook_decided(installation: Installation, webhook: Replica) -> None:
    await installation.client.create(installation.model())
    broken = installation.model()
    broken["spec"]["predictors"] = []
    with pytest.raises(Invalid):
        await installation.client.create(broken)
    _, text = await webhook.get("/metrics")
    assert 'seldon_webhook_reviews_total{code="422",operation="CREATE",verdict="denied",webhook="mutate"} 1.0' in text
    assert "seldon_webhook_trusted 1.0" in text
    assert 'seldon_webhook_certificate_expiry_timestamp_seconds{certificate="serving"}' in text


async def test_defaults_of_the_predictors_can_be_left_out(installation: Installation) -> None:
    async with installation.replica("--defaulting-graph=false") as replica:
        await until(replica.ready)
        await installation.lead_to(replica)
        created = await installation.client.create(installation.model())
    assert created["spec"]["protocol"] == "seldon"
    assert created["spec"]["predictors"] == example()["spec"]["predictors"]


async def test_the_check_succeeds_once_the_webhook_is_reached(installation: Installation) -> None:
    async with installation.replica() as replica:
        checking = asyncio.create_task(installation.check("--timeout=50"))
        await until(replica.ready)
        await installation.lead_to(replica)
        code, output = await checking
    assert code == 0, output
    assert output.splitlines()[-1] == "ok: the API server reaches the webhook and trusts it"
    assert await stored(installation) == []


async def test_the_check_says_what_it_last_saw(installation: Installation) -> None:
    code, output = await installation.check("--timeout=1")
    assert code == 1
    last = output.splitlines()[-1]
    assert last.startswith("failed: it did not work within 1 s; the last error: ")
    assert "failed calling webhook" in last
    assert "Traceback" not in output


async def test_the_check_notices_that_the_webhook_is_not_asked(installation: Installation) -> None:
    elsewhere = [{"op": "replace", "path": "/webhooks/0/namespaceSelector/matchLabels", "value": {"no": "where"}}]
    for resource in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS):
        await installation.client.patch(resource, installation.name, None, elsewhere, content_type=JSON_PATCH)
    code, output = await installation.check("--timeout=2")
    assert code == 1
    assert "without asking the webhook; compare the selectors" in output.splitlines()[-1]
