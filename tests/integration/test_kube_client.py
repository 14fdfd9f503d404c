"""The client against a real API server, and against one that fails."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from hack.controlplane import ControlPlane
from seldon_core.kube.client import JSON_PATCH, MERGE_PATCH, Client
from seldon_core.kube.errors import (
    AlreadyExists,
    ApiError,
    ConfigurationError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from seldon_core.kube.resources import DEPLOYMENTS, NAMESPACES, SECRETS, SERVICES
from tests.integration.faults import Fault, FaultProxy, is_list, is_watch, status_body


@pytest.fixture
async def client(kubeconfig: Path) -> AsyncIterator[Client]:
    async with Client(str(kubeconfig)) as client:
        yield client


@pytest.fixture
async def shaky(proxy: FaultProxy) -> AsyncIterator[Client]:
    """A client that reaches the API server through the proxy."""
    async with Client(str(proxy.kubeconfig), request_timeout=5, watch_timeout=1, watch_grace=0.5) as client:
        yield client


def secret(namespace: str, name: str = "s", **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "stringData": data,
    }


def service(namespace: str, port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "svc", "namespace": namespace},
        "spec": {"ports": [{"name": "http", "port": port}]},
    }


def deployment(namespace: str) -> dict[str, Any]:
    labels = {"app": "d"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": "nowhere/nothing:1"}]},
            },
        },
    }


async def test_an_object_is_created_read_replaced_patched_and_deleted(client: Client, namespace: str) -> None:
    created = await client.create(secret(namespace, a="1"))
    assert await client.get(SECRETS, "s", namespace) == created

    replaced = await client.replace({**created, "data": {"a": "Mg=="}})
    assert replaced["data"] == {"a": "Mg=="}
    with pytest.raises(Conflict):
        await client.replace({**created, "data": {}})

    merged = await client.patch(SECRETS, "s", namespace, {"data": {"b": "Mw=="}}, content_type=MERGE_PATCH)
    assert merged["data"] == {"a": "Mg==", "b": "Mw=="}
    operations = [{"op": "remove", "path": "/data/a"}]
    assert (await client.patch(SECRETS, "s", namespace, operations, content_type=JSON_PATCH))["data"] == {"b": "Mw=="}

    with pytest.raises(Conflict):
        await client.delete(SECRETS, "s", namespace, uid="another")
    await client.delete(SECRETS, "s", namespace, uid=created["metadata"]["uid"])
    with pytest.raises(NotFound):
        await client.get(SECRETS, "s", namespace)
    assert client.requests == {"create": 1, "get": 2, "update": 2, "patch": 2, "delete": 2}


async def test_apply_owns_fields_and_takes_them_over_only_by_force(client: Client, namespace: str) -> None:
    applied = await client.apply(service(namespace, 80), field_manager="one")
    assert [entry["manager"] for entry in applied["metadata"]["managedFields"]] == ["one"]

    again = await client.apply(service(namespace, 80), field_manager="one")
    assert again["metadata"]["resourceVersion"] == applied["metadata"]["resourceVersion"]

    other = service(namespace, 80)
    other["spec"]["ports"][0]["name"] = "rpc"
    with pytest.raises(Conflict) as conflict:
        await client.apply(other, field_manager="two", force=False)
    assert 'conflict with "one"' in conflict.value.message
    forced = await client.apply(other, field_manager="two")
    assert forced["spec"]["ports"][0]["name"] == "rpc"


async def test_apply_with_a_uid_changes_that_object_only(client: Client, namespace: str) -> None:
    stored = await client.apply(deployment(namespace), field_manager="one")
    stranger = deployment(namespace)
    stranger["metadata"] |= {"uid": "00000000-0000-0000-0000-000000000000", "labels": {"new": "label"}}
    with pytest.raises(Invalid, match=r"metadata\.uid"):
        await client.apply(stranger, field_manager="one")
    assert await client.get(DEPLOYMENTS, "d", namespace) == stored

    stranger["metadata"]["uid"] = stored["metadata"]["uid"]
    assert (await client.apply(stranger, field_manager="one"))["metadata"]["labels"] == {"new": "label"}

    await client.delete(DEPLOYMENTS, "d", namespace)
    with pytest.raises(Conflict, match="uid mismatch"):
        await client.apply(stranger, field_manager="one")


async def test_apply_makes_a_new_object_or_none(client: Client, namespace: str) -> None:
    made = await client.apply(service(namespace, 80), field_manager="one", new=True)
    (entry,) = made["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("one", "Apply")
    with pytest.raises(Conflict):
        await client.apply(service(namespace, 90), field_manager="two", new=True)
    stored = await client.get(SERVICES, "svc", namespace)
    assert stored["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_a_dry_run_stores_nothing(client: Client, namespace: str) -> None:
    assert (await client.create(secret(namespace), dry_run=True))["metadata"]["uid"]
    await client.apply(service(namespace, 80), field_manager="one", dry_run=True)
    for resource, name in ((SECRETS, "s"), (SERVICES, "svc")):
        with pytest.raises(NotFound):
            await client.get(resource, name, namespace)


async def test_a_client_that_only_tries_changes_and_deletes_nothing(
    client: Client, kubeconfig: Path, namespace: str
) -> None:
    made = await client.apply(service(namespace, 80), field_manager="one")
    name, uid = made["metadata"]["name"], made["metadata"]["uid"]
    async with Client(str(kubeconfig), dry_run=True) as trying:
        await trying.apply(service(namespace, 90), field_manager="one")
        await trying.delete(SERVICES, name, namespace, uid=uid)
        await trying.delete(SERVICES, name, namespace, propagation="Foreground")
    stored = await client.get(SERVICES, name, namespace)
    assert stored["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_a_status_is_applied_to_its_subresource(client: Client, namespace: str) -> None:
    await client.apply(deployment(namespace), field_manager="one")
    status = {key: deployment(namespace)[key] for key in ("apiVersion", "kind", "metadata")}
    status["status"] = {"replicas": 3}
    assert (await client.apply(status, field_manager="two", subresource="status"))["status"]["replicas"] == 3
    ignored = await client.apply({**status, "status": {"replicas": 4}}, field_manager="two")
    assert ignored["status"]["replicas"] == 3


async def test_lists_are_read_page_by_page_and_items_say_what_they_are(
    client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seldon_core.kube.client._PAGE_SIZE", 2)
    for number in range(5):
        await client.create(secret(namespace, f"s{number}"))
    client.requests.clear()
    items, version = await client.list(SECRETS, namespace)
    assert [item["metadata"]["name"] for item in items] == [f"s{number}" for number in range(5)]
    assert {(item["apiVersion"], item["kind"]) for item in items} == {("v1", "Secret")}
    assert int(version) > 0
    assert client.requests == {"list": 3}

    selected, _ = await client.list(SECRETS, namespace, label_selector="app in (s1,s3)")
    assert [item["metadata"]["name"] for item in selected] == ["s1", "s3"]
    named, _ = await client.list(SECRETS, namespace, field_selector="metadata.name=s4")
    assert [item["metadata"]["name"] for item in named] == ["s4"]
    everywhere, _ = await client.list(SECRETS, label_selector="app=s2")
    assert namespace in {item["metadata"]["namespace"] for item in everywhere}


async def test_errors_are_told_apart(client: Client, namespace: str, control_plane: ControlPlane) -> None:
    await client.create(secret(namespace))
    with pytest.raises(AlreadyExists):
        await client.create(secret(namespace))
    with pytest.raises(Invalid) as invalid:
        await client.create(service(namespace, 0))
    assert invalid.value.details["causes"][0]["field"] == "spec.ports[0].port"
    with pytest.raises(NotFound):
        await client.create(secret("no-such-namespace"))
    async with Client(str(control_plane.kubeconfig_for("nobody"))) as nobody:
        with pytest.raises(Forbidden, match=r'User "nobody" cannot get resource "secrets"'):
            await nobody.get(SECRETS, "s", namespace)


async def test_a_watch_reports_every_change_and_ends_when_the_server_ends_it(kubeconfig: Path, namespace: str) -> None:
    async with Client(str(kubeconfig), watch_timeout=2) as client:
        _, version = await client.list(SECRETS, namespace)
        await client.create(secret(namespace, big="x" * 500_000))
        await client.patch(SECRETS, "s", namespace, {"metadata": {"labels": {"x": "y"}}}, content_type=MERGE_PATCH)
        await client.delete(SECRETS, "s", namespace)
        seen = [event async for event in client.watch(SECRETS, namespace, resource_version=version)]
    assert [event.type for event in seen if event.type != "BOOKMARK"] == ["ADDED", "MODIFIED", "DELETED"]
    assert len(seen[0].object["data"]["big"]) > 500_000


@pytest.mark.parametrize(
    ("line", "error"),
    [
        pytest.param({"type": "ERROR", "object": {"code": 410, "reason": "Expired"}}, Gone, id="too old"),
        pytest.param({"type": "ERROR", "object": {"code": 500, "message": "etcd"}}, ServerError, id="server error"),
        pytest.param({"type": "ERROR", "object": {"code": 429}}, TooManyRequests, id="too many"),
        pytest.param({"type": "ADDED"}, Unreachable, id="no object"),
        pytest.param([], Unreachable, id="not an event"),
    ],
)
async def test_an_error_in_the_stream_is_raised(
    shaky: Client, proxy: FaultProxy, namespace: str, line: Any, error: type[Exception]
) -> None:
    _, version = await shaky.list(SECRETS, namespace)
    async with aclosing(shaky.watch(SECRETS, namespace, resource_version=version)) as events:
        following = asyncio.ensure_future(anext(events))
        await proxy.watched.wait()
        await proxy.say(json.dumps(line).encode() + b"\n")
        with pytest.raises(error):
            await following


@pytest.mark.parametrize("last_words", [b"", b'{"type": "ADDED", "obj'], ids=["between events", "within an event"])
async def test_a_cut_stream_is_an_error(shaky: Client, proxy: FaultProxy, namespace: str, last_words: bytes) -> None:
    _, version = await shaky.list(SECRETS, namespace)
    async with aclosing(shaky.watch(SECRETS, namespace, resource_version=version)) as events:
        following = asyncio.ensure_future(anext(events))
        await proxy.watched.wait()
        await proxy.cut(last_words)
        with pytest.raises(Unreachable):
            await following


async def test_a_silent_stream_is_noticed(shaky: Client, proxy: FaultProxy, namespace: str) -> None:
    proxy.flowing.clear()
    _, version = await shaky.list(SECRETS, namespace)
    with pytest.raises(Unreachable):
        async for _ in shaky.watch(SECRETS, namespace, resource_version=version):
            pass


async def test_a_resource_version_that_compaction_removed_is_gone(shaky: Client, proxy: FaultProxy) -> None:
    proxy.faults.append(Fault(410, status_body(410, "Expired"), matches=is_watch))
    with pytest.raises(Gone):
        async for _ in shaky.watch(SECRETS, resource_version="1"):
            pass


async def test_what_the_server_asks_to_try_again_is_tried_again(
    shaky: Client, proxy: FaultProxy, namespace: str
) -> None:
    headers = {"Retry-After": "0.05"}
    proxy.faults += [
        Fault(429, status_body(429, "TooManyRequests"), headers, times=2),
        Fault(503, b"", headers, times=1),
    ]
    await shaky.create(secret(namespace))
    assert shaky.requests == {"create": 4}


async def test_trying_again_has_an_end(shaky: Client, proxy: FaultProxy, namespace: str) -> None:
    proxy.faults.append(Fault(429, status_body(429, "TooManyRequests"), {"Retry-After": "0.01"}, times=99))
    with pytest.raises(TooManyRequests) as raised:
        await shaky.get(SECRETS, "s", namespace)
    assert raised.value.retry_after == 0.01
    assert shaky.requests == {"get": 5}


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_the_server_does_not_ask_for_is_not_repeated(
    shaky: Client, proxy: FaultProxy, namespace: str, status: int
) -> None:
    proxy.faults.append(Fault(status, status_body(status, "")))
    with pytest.raises(ApiError):
        await shaky.create(secret(namespace))
    assert shaky.requests == {"create": 1}


async def test_a_page_that_is_not_from_an_api_server_is_cut_and_named(shaky: Client, proxy: FaultProxy) -> None:
    proxy.faults += [Fault(502, b"<html>\n" + b"x" * 9000), Fault(200, b"<html>welcome</html>")]
    with pytest.raises(ServerError) as raised:
        await shaky.list(SECRETS)
    assert str(raised.value).startswith("<html> xxx")
    assert len(str(raised.value)) < 300
    with pytest.raises(Unreachable, match="not a Kubernetes API server"):
        await shaky.list(SECRETS)


async def test_no_listener_is_unreachable(shaky: Client, proxy: FaultProxy) -> None:
    await proxy.down()
    with pytest.raises(Unreachable, match="GET /api/v1/secrets: "):
        await shaky.list(SECRETS)


async def test_a_server_that_never_answers_is_unreachable(tmp_path: Path, proxy: FaultProxy) -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await reader.read()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        proxy.port = server.sockets[0].getsockname()[1]
        async with Client(str(proxy.write_kubeconfig()), request_timeout=0.3) as client:
            with pytest.raises(Unreachable, match="no answer in time"):
                await client.get(NAMESPACES, "default")


async def test_credentials_that_the_server_refuses_are_read_again(
    proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seldon_core.kube.session._RECONNECT_INTERVAL", 0.0)
    token = tmp_path / "token"
    token.write_text("first\n")
    proxy.write_kubeconfig({"tokenFile": str(token)})
    async with Client(str(proxy.kubeconfig)) as client:
        await client.get(NAMESPACES, "default")
        token.write_text("second")
        proxy.faults.append(Fault(401, status_body(401, "Unauthorized")))
        await client.get(NAMESPACES, "default")
        proxy.faults.append(Fault(401, status_body(401, "Unauthorized"), times=2))
        with pytest.raises(Unauthorized):
            await client.get(NAMESPACES, "default")
    assert proxy.tokens == ["Bearer first", "Bearer first", "Bearer second", "Bearer second", "Bearer second"]


async def test_proxies_of_the_environment_do_not_count(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    async with Client(str(kubeconfig)) as client:
        await client.get(NAMESPACES, "default")


async def test_a_write_can_be_forbidden_from_here(client: Client, namespace: str) -> None:
    def refuse() -> None:
        raise RuntimeError("not now")

    client.before_write = refuse
    with pytest.raises(RuntimeError, match="not now"):
        await client.create(secret(namespace))
    assert (await client.list(SECRETS, namespace))[0] == []


async def test_lists_that_go_stale_between_pages_are_gone(shaky: Client, proxy: FaultProxy) -> None:
    proxy.faults.append(Fault(410, status_body(410, "Expired"), matches=is_list))
    with pytest.raises(Gone):
        await shaky.list(SECRETS)


async def test_closing_the_client_leaves_nothing_behind(kubeconfig: Path, namespace: str) -> None:
    before = asyncio.all_tasks()
    async with Client(str(kubeconfig)) as client:
        _, version = await client.list(SECRETS, namespace)
        await client.create(secret(namespace))
        async with aclosing(client.watch(SECRETS, namespace, resource_version=version)) as events:
            assert (await anext(events)).type == "ADDED"
    assert asyncio.all_tasks() == before


async def test_a_client_that_is_closed_says_so(kubeconfig: Path) -> None:
    client = Client(str(kubeconfig))
    with pytest.raises(RuntimeError, match="async with"):
        await client.get(NAMESPACES, "default")


async def test_a_certificate_that_does_not_exist_is_a_configuration_error(proxy: FaultProxy) -> None:
    config = json.loads(proxy.kubeconfig.read_text())
    config["clusters"][0]["cluster"] = {"server": "https://127.0.0.1:1", "certificate-authority": "/nowhere/ca.crt"}
    proxy.kubeconfig.write_text(json.dumps(config))
    with pytest.raises(ConfigurationError, match=r"proxy\.kubeconfig: .*/nowhere/ca\.crt"):
        async with Client(str(proxy.kubeconfig)):
            pass
