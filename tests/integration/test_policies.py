"""Admission policies of a cluster that change what the controller applies, as those that rewrite images do."""

import base64
import json
import ssl
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from seldon_core.kube.resources import MUTATING_WEBHOOKS
from tests.integration.world import World, controlling, passes, writes_so_far
from tests.plan.build import single
from webhook.certificates import bundle_of, make_authority, make_leaf

pytestmark = pytest.mark.xdist_group("crd")

POD = "/spec/template/metadata/annotations"
Policy = Callable[[dict[str, Any]], list[dict[str, Any]]]


def mirror(deployment: dict[str, Any]) -> list[dict[str, Any]]:
    """Images come from a mirror."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return [
        {"op": "replace", "path": f"/spec/template/spec/containers/{index}/image", "value": f"mirror/{found['image']}"}
        for index, found in enumerate(containers)
        if not found["image"].startswith("mirror/")
    ]


def stamp(deployment: dict[str, Any]) -> list[dict[str, Any]]:
    """Whatever is written gets another mark each time."""
    annotations = deployment["spec"]["template"]["metadata"].get("annotations") or {}
    return [{"op": "add", "path": POD, "value": {**annotations, "stamp": uuid.uuid4().hex}}]


@asynccontextmanager
async def in_force(policy: Policy, world: World, directory: Path) -> AsyncIterator[None]:
    """Have a policy change the Deployments of a namespace."""

    async def review(request: web.Request) -> web.Response:
        asked = (await request.json())["request"]
        patch = base64.b64encode(json.dumps(policy(asked["object"])).encode()).decode()
        answer = {"uid": asked["uid"], "allowed": True, "patchType": "JSONPatch", "patch": patch}
        response = web.json_response(
            {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}
        )
        response.force_close()  # or the API server would hold the connection beyond the test
        return response

    authority = make_authority(datetime.now(UTC))
    leaf = make_leaf(authority, ["localhost"], datetime.now(UTC))
    (directory / "tls.pem").write_bytes(leaf.pem())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(directory / "tls.pem")
    application = web.Application()
    application.router.add_post("/", review)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    name = f"policy-{world.namespace}"
    bundle = base64.b64encode(bundle_of([authority.certificate])).decode()
    await world.client.create({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{
            "name": "policy.example.org", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": {"url": f"https://localhost:{port}/", "caBundle": bundle},
            "rules": [{
                "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                "resources": ["deployments"],
            }],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}},
        }],
    })  # fmt: skip
    try:
        yield
    finally:
        await world.client.delete(MUTATING_WEBHOOKS, name)
        await runner.cleanup()


@pytest.mark.parametrize("policy", [mirror, stamp])
async def test_what_a_policy_changes_does_not_keep_the_controller_writing(
    kubeconfig: Path, world: World, policy: Policy, tmp_path: Path
) -> None:
    async with in_force(policy, world, tmp_path), controlling(kubeconfig, world.namespace) as (controller, client):
        await world.create(single())
        await world.roll_out()
        await world.state("Available")
        deployment = await world.deployment()
        assert deployment is not None
        assert not policy(deployment) or policy is stamp  # it is in force
        for _ in range(3):
            sent, made = await writes_so_far(controller, client), passes(controller)
            await world.touch(controller)
            assert await writes_so_far(controller, client) - sent <= 2
            assert passes(controller) - made <= 3
