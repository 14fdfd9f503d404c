"""One validator, three doors: the command line, the webhook and the controller's condition say the same words."""

import json
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from click.testing import CliRunner

from hack.controlplane import ControlPlane
from seldon_core.api.crd import CRD_NAME, custom_resource_definition
from seldon_core.cli import main
from seldon_core.kube.client import Client
from seldon_core.kube.resources import SELDONDEPLOYMENTS
from tests.integration.test_webhook import SERVICE, Installation, until
from tests.integration.world import controlling, eventually

pytestmark = pytest.mark.xdist_group("parity")

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
SHOWN = 20
Object = dict[str, Any]


def documents(file: str) -> dict[str, Object]:
    loaded = yaml.safe_load_all((CORPUS / file).read_text())
    return {document["metadata"]["name"]: document for document in loaded}


GOOD, BAD = documents("good.yaml"), documents("bad.yaml")


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    """An API server that stores what the schema of the CRD would refuse, as one without that schema did."""
    definition = custom_resource_definition()
    for version in definition["spec"]["versions"]:
        version["subresources"] = {"status": {}}
        version["schema"] = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    with ControlPlane() as running:
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{CRD_NAME}?fieldManager=tests"
        assert running.access.call("PATCH", path, definition)[0] == 201
        yield running


@pytest.fixture(scope="module")
def linted() -> dict[str, list[Object]]:
    """The findings of `seldon-core lint`, by the name of the object."""
    files = [str(CORPUS / name) for name in ("good.yaml", "bad.yaml")]
    result = CliRunner().invoke(main, ["lint", "--output", "json", *files])
    assert result.exit_code == 1, result.output
    found: dict[str, list[Object]] = {name: [] for name in (*GOOD, *BAD)}
    for finding in json.loads(result.stdout):
        found[finding["name"]].append(finding)
    return found


def of_severity(severity: str, findings: list[Object]) -> list[str]:
    return [finding["message"] for finding in findings if finding["severity"] == severity]


def shown(texts: list[str], what: str) -> list[str]:
    more = len(texts) - SHOWN
    return texts[:SHOWN] + ([f"{more} more {what}s not shown"] if more > 0 else [])


def test_the_corpus_is_good_and_bad(linted: dict[str, list[Object]]) -> None:
    assert [name for name in GOOD if of_severity("error", linted[name])] == []
    assert [name for name in BAD if not of_severity("error", linted[name])] == []
    assert len(of_severity("error", linted["too-much"])) > SHOWN
    assert any(of_severity("warning", findings) for findings in linted.values())


class Reviewer:
    """Sends AdmissionReviews to a running webhook, as the API server does."""

    def __init__(self, session: aiohttp.ClientSession, url: str, host: str) -> None:
        self._session = session
        self._url = url
        self._host = host

    async def review(self, path: str, obj: Object) -> Object:
        request = {"uid": "1", "operation": "CREATE", "kind": {"kind": "SeldonDeployment"}, "object": obj}
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        async with self._session.post(f"{self._url}{path}", json=review, server_hostname=self._host) as answer:
            assert answer.status == 200, await answer.text()
            response: Object = (await answer.json())["response"]
            return response


class WithIngress(Installation):
    """One that shares requests out: offline, nothing is assumed to be switched off."""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "ISTIO_ENABLED": "true", "KEDA_ENABLED": "true"}


@pytest.fixture
async def webhook(kubeconfig: Path, namespace: str, tmp_path: Path) -> AsyncIterator[Reviewer]:
    async with Client(str(kubeconfig)) as client:
        installation = WithIngress(client, namespace, kubeconfig, tmp_path)
        await installation.install()
        async with installation.replica() as replica:
            await until(replica.ready)
            trust = ssl.create_default_context(cadata=await installation.bundle())
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
                yield Reviewer(session, f"https://127.0.0.1:{replica.port}", f"{SERVICE}.{namespace}.svc")
        await installation.uninstall()


@pytest.mark.parametrize("path", ["/mutate", "/validate"])
async def test_the_webhook_says_what_the_command_line_says(
    webhook: Reviewer, linted: dict[str, list[Object]], path: str
) -> None:
    for name, obj in (GOOD | BAD).items():
        response = await webhook.review(path, obj)
        errors = of_severity("error", linted[name])
        assert response["allowed"] is (name in GOOD), name
        assert response.get("warnings", []) == shown(of_severity("warning", linted[name]), "warning"), name
        if errors:
            causes = response["status"]["details"]["causes"]
            said = [f"{cause['field']}: {cause['message']}" for cause in causes[: len(errors[:SHOWN])]]
            assert said == errors[:SHOWN], name
            assert [cause["message"] for cause in causes] == [
                text.removeprefix(f"{cause['field']}: ")
                for cause, text in zip(causes, shown(errors, "error"), strict=True)
            ], name


# The API server itself decides about versions.
STORED = [name for name in BAD if name != "version"]


async def test_the_condition_says_what_the_command_line_says(
    kubeconfig: Path, namespace: str, linted: dict[str, list[Object]]
) -> None:
    """Also of what was stored while no webhook was there."""
    async with controlling(kubeconfig, namespace) as (_, client):
        for name in (*GOOD, *STORED):
            obj = (GOOD | BAD)[name]
            await client.create({**obj, "metadata": {**obj["metadata"], "namespace": namespace}})

        async def ready(name: str) -> Object | None:
            found = await client.get(SELDONDEPLOYMENTS, name, namespace)
            conditions = found.get("status", {}).get("conditions", [])
            return next((condition for condition in conditions if condition["type"] == "Ready"), None)

        for name in (*GOOD, *STORED):
            condition = await eventually(f"the condition of {name}", lambda name=name: ready(name))
            errors = of_severity("error", linted[name])
            if name in GOOD:
                assert condition["reason"] != "InvalidSpec", condition
            else:
                assert condition["reason"] == "InvalidSpec", condition
                message = condition["message"]
                assert "\n".join(errors).startswith(message.removesuffix("...")), name
                assert message == "\n".join(errors) or len(message) > 1000
