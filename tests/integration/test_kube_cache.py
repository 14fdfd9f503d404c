"""The reflector's copy equals the cluster, whatever happens to its stream."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from seldon_core.kube.cache import Key, Reflector
from seldon_core.kube.client import MERGE_PATCH, Client
from seldon_core.kube.resources import SECRETS
from tests.integration.faults import Fault, FaultProxy, is_list, is_watch, status_body


@pytest.fixture
async def client(kubeconfig: Path) -> AsyncIterator[Client]:
    """Changes the cluster, past the proxy."""
    async with Client(str(kubeconfig)) as client:
        yield client


class Copy:
    """A reflector of the secrets' `data`, watching through the proxy, and what it reported."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.changes: list[tuple[str, Any, Any]] = []
        self.told = asyncio.Event()
        self.reflector = Reflector[dict[str, str]](
            client, SECRETS, namespace, trim=lambda obj: obj.get("data") or {}, on_change=self._note
        )

    def _note(self, key: Key, old: Any, new: Any) -> None:
        self.changes.append((key[1], old, new))
        self.told.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.told.clear()
                await self.told.wait()

    def holds(self, **expected: dict[str, str]) -> Callable[[], bool]:
        return lambda: {key[1]: value for key, value in self.reflector.items()} == expected


@asynccontextmanager
async def following(proxy: FaultProxy, namespace: str, **options: Any) -> AsyncIterator[Copy]:
    """A copy that is being kept and has seen its first list."""
    async with Client(str(proxy.kubeconfig), **options) as client:
        copy = Copy(client, namespace)
        task = asyncio.create_task(copy.reflector.run())
        try:
            async with asyncio.timeout(20):
                await copy.reflector.synced.wait()
                await proxy.watched.wait()
            yield copy
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def put(client: Client, namespace: str, name: str, value: str) -> None:
    obj = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}}
    await client.apply({**obj, "data": {"v": value}}, field_manager="test")


async def test_the_copy_follows_the_cluster(client: Client, proxy: FaultProxy, namespace: str) -> None:
    await put(client, namespace, "a", "MQ==")
    async with following(proxy, namespace) as copy:
        assert copy.changes == [("a", None, {"v": "MQ=="})]
        await put(client, namespace, "a", "Mg==")
        await put(client, namespace, "b", "MQ==")
        await copy.until(copy.holds(a={"v": "Mg=="}, b={"v": "MQ=="}))
        await client.delete(SECRETS, "a", namespace)
        await copy.until(copy.holds(b={"v": "MQ=="}))
        assert copy.changes[1:] == [
            ("a", {"v": "MQ=="}, {"v": "Mg=="}),
            ("b", None, {"v": "MQ=="}),
            ("a", {"v": "Mg=="}, None),
        ]
        assert copy.reflector.get((namespace, "b")) == {"v": "MQ=="}
        assert copy.reflector.get((namespace, "a")) is None
        assert len(copy.reflector) == 1


async def test_a_cut_stream_continues_where_it_stopped(client: Client, proxy: FaultProxy, namespace: str) -> None:
    await put(client, namespace, "a", "MQ==")
    async with following(proxy, namespace) as copy:
        for value in ("Mg==", "Mw==", "NA=="):
            proxy.watched.clear()
            await proxy.cut()
            await put(client, namespace, "a", value)
            await copy.until(copy.holds(a={"v": value}))
            await proxy.watched.wait()
    assert sum(is_list_line(line) for line in proxy.seen) == 1
    assert [change[2] for change in copy.changes] == [{"v": value} for value in ("MQ==", "Mg==", "Mw==", "NA==")]


def is_list_line(line: str) -> bool:
    return "limit=" in line


async def test_a_server_that_is_away_for_a_while_is_caught_up_with(
    client: Client, proxy: FaultProxy, namespace: str
) -> None:
    await put(client, namespace, "a", "MQ==")
    await put(client, namespace, "b", "MQ==")
    async with following(proxy, namespace) as copy:
        await proxy.down()
        await put(client, namespace, "a", "Mg==")
        await client.delete(SECRETS, "b", namespace)
        await put(client, namespace, "c", "MQ==")
        await proxy.listen(proxy.port)
        await copy.until(copy.holds(a={"v": "Mg=="}, c={"v": "MQ=="}))


async def test_a_forgotten_version_is_listed_again_and_only_differences_are_reported(
    client: Client, proxy: FaultProxy, namespace: str
) -> None:
    for name in ("same", "changed", "gone"):
        await put(client, namespace, name, "MQ==")
    async with following(proxy, namespace) as copy:
        copy.changes.clear()
        proxy.faults.append(Fault(410, status_body(410, "Expired"), times=99, matches=begins_where(proxy.seen[-1])))
        await proxy.cut()
        await put(client, namespace, "changed", "Mg==")
        await client.delete(SECRETS, "gone", namespace)
        await put(client, namespace, "new", "MQ==")
        await copy.until(copy.holds(same={"v": "MQ=="}, changed={"v": "Mg=="}, new={"v": "MQ=="}))
        assert sorted(copy.changes, key=lambda change: change[0]) == [
            ("changed", {"v": "MQ=="}, {"v": "Mg=="}),
            ("gone", {"v": "MQ=="}, None),
            ("new", None, {"v": "MQ=="}),
        ]


def begins_where(watch: str) -> Callable[[Any], bool]:
    """Recognise the watches that begin where that one began, as a server does that has forgotten all before."""
    version = re.search(r"resourceVersion=(\d+)", watch)
    assert version is not None
    return lambda request: is_watch(request) and request.query["resourceVersion"] == version[1]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}, id="410"),
        pytest.param({"type": "ERROR", "object": {"kind": "Status", "code": 500}}, id="500"),
        pytest.param({"type": "ERROR", "object": {"kind": "Status", "code": 429}}, id="429"),
        pytest.param(["no event"], id="garbage"),
    ],
)
async def test_errors_within_the_stream_are_survived(
    client: Client, proxy: FaultProxy, namespace: str, line: Any
) -> None:
    async with following(proxy, namespace) as copy:
        await proxy.say(json.dumps(line).encode() + b"\n")
        await put(client, namespace, "a", "MQ==")
        await copy.until(copy.holds(a={"v": "MQ=="}))


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(429, status_body(429, "TooManyRequests"), {"Retry-After": "0.01"}, 7), id="429"),
        pytest.param(Fault(500, status_body(500, "InternalError"), times=3), id="500"),
        pytest.param(Fault(403, status_body(403, "Forbidden"), times=3), id="403"),
        pytest.param(Fault(410, status_body(410, "Expired"), times=2, matches=is_list), id="410 on list"),
        pytest.param(Fault(200, b"<html>"), id="not an API server"),
    ],
)
async def test_errors_at_the_start_are_waited_out(
    client: Client, proxy: FaultProxy, namespace: str, fault: Fault
) -> None:
    await put(client, namespace, "a", "MQ==")
    proxy.faults.append(fault)
    async with following(proxy, namespace) as copy:
        assert copy.holds(a={"v": "MQ=="})()
    assert proxy.faults == []


async def test_a_hanging_stream_is_replaced(client: Client, proxy: FaultProxy, namespace: str) -> None:
    async with following(proxy, namespace, watch_timeout=0.5, watch_grace=0.2) as copy:
        proxy.flowing.clear()
        heard = copy.reflector.last_heard()
        await put(client, namespace, "a", "MQ==")
        await watches(proxy, 3)
        assert copy.reflector.last_heard() > heard  # the server accepted another watch
        proxy.flowing.set()
        await copy.until(copy.holds(a={"v": "MQ=="}))


async def test_a_server_that_is_away_is_not_heard(client: Client, proxy: FaultProxy, namespace: str) -> None:
    async with following(proxy, namespace) as copy:
        await put(client, namespace, "a", "MQ==")
        await copy.until(copy.holds(a={"v": "MQ=="}))
        proxy.faults.append(Fault(500, times=3))
        heard = copy.reflector.last_heard()
        await proxy.cut()
        while proxy.faults:
            assert copy.reflector.last_heard() == heard
            await asyncio.sleep(0.01)
        await put(client, namespace, "a", "Mg==")
        await copy.until(copy.holds(a={"v": "Mg=="}))
        assert heard < copy.reflector.last_heard() <= time.monotonic()


async def watches(proxy: FaultProxy, number: int) -> None:
    """Wait until that many watches have been begun."""
    async with asyncio.timeout(20):
        while sum("watch=" in line for line in proxy.seen) < number:
            proxy.watched.clear()
            await proxy.watched.wait()


async def test_bookmarks_move_the_starting_point_of_the_next_watch(
    proxy: FaultProxy, client: Client, namespace: str
) -> None:
    async with following(proxy, namespace) as copy:
        _, version = await client.list(SECRETS)
        heard = copy.reflector.last_heard()
        bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}
        proxy.watched.clear()
        await proxy.say(json.dumps(bookmark).encode() + b"\n")
        await proxy.cut()
        await asyncio.wait_for(proxy.watched.wait(), 20)
        assert f"resourceVersion={version}&" in proxy.seen[-1]
        assert copy.reflector.last_heard() > heard
        assert copy.changes == []


async def test_a_watch_that_the_server_ends_is_begun_anew(client: Client, proxy: FaultProxy, namespace: str) -> None:
    async with following(proxy, namespace, watch_timeout=1) as copy:
        await watches(proxy, 3)
        await put(client, namespace, "a", "MQ==")
        await copy.until(copy.holds(a={"v": "MQ=="}))
    assert sum(is_list_line(line) for line in proxy.seen) == 1


async def test_a_watch_that_ends_at_once_again_and_again_is_not_a_busy_loop(proxy: FaultProxy, namespace: str) -> None:
    proxy.faults.append(Fault(200, b"", times=4, matches=is_watch))
    begun = time.monotonic()
    async with following(proxy, namespace):
        pass
    assert time.monotonic() - begun >= 0.125 + 0.25 + 0.5 + 1.0  # the least that the pauses add up to


async def test_a_bug_in_the_receiver_ends_the_reflector(client: Client, proxy: FaultProxy, namespace: str) -> None:
    """Better no copy, and a process that exits, than a copy whose owner missed a change."""

    def broken(key: Key, old: Any, new: Any) -> None:
        raise ZeroDivisionError

    await put(client, namespace, "a", "MQ==")
    reflector = Reflector[Any](client, SECRETS, namespace, trim=lambda obj: obj, on_change=broken)
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(reflector.run(), 20)


async def test_random_changes_under_random_faults_end_in_the_same_state(
    client: Client, proxy: FaultProxy, namespace: str
) -> None:
    """Replaying the reported changes gives the cluster's state, and so does the copy."""
    async with following(proxy, namespace) as copy:
        for step in range(60):
            name = f"s{step % 7}"
            if step % 5 == 4:
                await client.delete(SECRETS, f"s{(step - 1) % 7}", namespace)
            await put(client, namespace, name, "MQ==" if step % 2 else "Mg==")
            if step % 6 == 0:
                await proxy.cut(b'{"type"' if step % 12 else b"")
            if step % 11 == 3:
                proxy.faults.append(Fault(410, status_body(410, "Expired"), matches=is_watch))
                await proxy.cut()
            if step % 13 == 7:
                proxy.faults.append(Fault(500, matches=is_watch))
        items, _ = await client.list(SECRETS, namespace)
        expected = {item["metadata"]["name"]: item["data"] for item in items}
        await copy.until(copy.holds(**expected))
        replayed: dict[str, Any] = {}
        for name, old, new in copy.changes:
            assert replayed.get(name) == old
            replayed.pop(name, None)
            if new is not None:
                replayed[name] = new
        assert replayed == expected
        patched = await client.patch(SECRETS, "s1", namespace, {"data": {"z": "MQ=="}}, content_type=MERGE_PATCH)
        await copy.until(copy.holds(**{**expected, "s1": patched["data"]}))
