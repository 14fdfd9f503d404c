"""The webhook over real TLS connections."""

import asyncio
import io
import json
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.webhook.reviews import review
from webhook import admission
from webhook.admission import Decision, Request
from webhook.app import BODY_LIMIT, LARGE, Readiness, admission_app, status_app
from webhook.certificates import Keyring, make_authority, make_leaf
from webhook.metrics import Metrics
from webhook.tls import load

NAME = "seldon-webhook-service.seldon-system.svc"


class Served:
    """A webhook that listens, and a client that trusts it."""

    def __init__(self) -> None:
        now = datetime.now(UTC)
        self.keyring = Keyring(make_authority(now))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        load(self.context, make_leaf(self.keyring.authority, [NAME], now))
        self.metrics = Metrics()
        self.reason: str | None = None
        self.readiness = Readiness(lambda: self.reason)
        self.port = 0

    @property
    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.keyring.bundle(datetime.now(UTC)).decode())

    async def call(self, session: aiohttp.ClientSession, path: str, body: Any = None) -> tuple[int, str]:
        """POST the body, or GET without one."""
        async with session.request(
            "GET" if body is None else "POST",
            f"https://127.0.0.1:{self.port}{path}",
            data=body if body is None else io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode()),
            ssl=self.client_context,
            server_hostname=NAME,
        ) as response:
            return response.status, await response.text()

    def counted(self, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value("seldon_webhook_reviews_total", labels)


def broken(request: Request) -> Decision:
    raise ZeroDivisionError("a fault of ours")


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Served, aiohttp.ClientSession]]:
    served = Served()
    webhooks: dict[str, admission.Decide] = {
        "/mutate": lambda request: admission.mutate(request, graph=True),
        "/validate": admission.check,
        "/broken": broken,
    }
    runner = web.AppRunner(admission_app(webhooks, served.readiness, served.metrics), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=served.context)
    await site.start()
    served.port = runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession() as session:
            yield served, session
    finally:
        await runner.cleanup()


@pytest.fixture
async def webhook() -> AsyncIterator[tuple[Served, aiohttp.ClientSession]]:
    async with serving() as pair:
        yield pair


Pair = tuple[Served, aiohttp.ClientSession]


def invalid() -> dict[str, Any]:
    body = review()
    body["request"]["object"]["spec"]["predictors"][0]["graph"]["name"] = "nobody"
    return body


async def test_a_review_is_answered(webhook: Pair) -> None:
    served, session = webhook
    for path in ("/mutate", "/validate"):
        status, text = await served.call(session, path, review())
        answer = json.loads(text)
        assert (status, answer["kind"], answer["apiVersion"]) == (200, "AdmissionReview", "admission.k8s.io/v1")
        assert answer["response"]["uid"] == "u-1"
        assert answer["response"]["allowed"] is True
    assert "patch" in json.loads((await served.call(session, "/mutate", review()))[1])["response"]
    assert served.counted(webhook="mutate", operation="CREATE", verdict="allowed", code="200") == 2
    assert served.counted(webhook="validate", operation="CREATE", verdict="allowed", code="200") == 1


async def test_a_refusal_is_an_answer_and_leaves_one_line_in_the_log(
    webhook: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    served, session = webhook
    with caplog.at_level(logging.INFO):
        status, text = await served.call(session, "/validate", invalid())
    assert status == 200
    response = json.loads(text)["response"]
    assert response["allowed"] is False
    assert response["status"]["code"] == 422
    (record,) = [record for record in caplog.records if record.message == "refused"]
    line = vars(record)
    assert (line["uid"], line["user"], line["namespace"], line["object"]) == ("u-1", "alice", "models", "m")
    assert (line["operation"], line["dry_run"]) == ("CREATE", False)
    assert any(finding.startswith("spec.predictors[0].graph.name: ") for finding in line["findings"])
    assert served.counted(webhook="validate", operation="CREATE", verdict="denied", code="422") == 1


@pytest.mark.parametrize("path", ["/mutate", "/validate"])
@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        pytest.param(b"", 400, "truncated", id="empty"),
        pytest.param(b"{]", 400, "malformed", id="garbage"),
        pytest.param({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1beta1"}, 400, "v1beta1", id="old"),
        pytest.param(review(uid=None), 400, "request.uid", id="no uid"),
        pytest.param(b" " * (BODY_LIMIT + 1), 413, "larger than", id="too large"),
    ],
)
async def test_a_broken_request_is_none_of_the_users_faults(
    webhook: Pair, path: str, body: Any, status: int, message: str
) -> None:
    served, session = webhook
    got, text = await served.call(session, path, body)
    assert got == status
    assert message in text
    assert served.counted(webhook=path[1:], operation="unknown", verdict="bad", code=str(status)) == 1


async def test_a_fault_of_ours_is_a_500_and_its_cause_stays_in_the_log(
    webhook: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    served, session = webhook
    status, text = await served.call(session, "/broken", review())
    assert status == 500
    assert "ZeroDivision" not in text
    assert "ZeroDivisionError: a fault of ours" in caplog.text
    assert served.counted(webhook="broken", operation="unknown", verdict="failed", code="500") == 1


async def test_large_reviews_are_answered_too(webhook: Pair) -> None:
    served, session = webhook
    body = review()
    body["request"]["object"]["metadata"]["annotations"] = {"note": "x" * (LARGE + 1)}
    status, text = await served.call(session, "/mutate", body)
    assert (status, json.loads(text)["response"]["allowed"]) == (200, True)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("/mutate", None, 405), ("/nowhere", None, 404), ("/healthz", b"", 405)],
    ids=["GET a review", "no such path", "POST health"],
)
async def test_other_requests_are_refused(webhook: Pair, path: str, body: Any, status: int) -> None:
    served, session = webhook
    assert (await served.call(session, path, body))[0] == status


async def test_readiness_says_why_not_and_health_does_not_depend_on_it(webhook: Pair) -> None:
    served, session = webhook
    assert await served.call(session, "/readyz") == (200, "ok\n")
    served.reason = "the caBundle is empty"
    assert await served.call(session, "/readyz") == (503, "the caBundle is empty\n")
    served.readiness.draining = True
    assert await served.call(session, "/readyz") == (503, "shutting down\n")
    assert await served.call(session, "/healthz") == (200, "ok\n")


async def test_metrics_are_those_of_prometheus(webhook: Pair) -> None:
    served, session = webhook
    await served.call(session, "/mutate", review())
    status, text = await served.call(session, "/metrics")
    assert status == 200
    assert 'seldon_webhook_review_seconds_count{webhook="mutate"} 1.0' in text
    assert "seldon_webhook_certificate_expiry_timestamp_seconds" in text
    assert "process_resident_memory_bytes" in text


async def test_connections_are_kept_until_draining(webhook: Pair) -> None:
    served, session = webhook

    async def connection_header() -> str | None:
        url = f"https://127.0.0.1:{served.port}/mutate"
        async with session.post(url, json=review(), ssl=served.client_context, server_hostname=NAME) as response:
            assert response.status == 200
            return response.headers.get("Connection")

    assert await connection_header() is None
    served.readiness.draining = True
    assert await connection_header() == "close"
    url = f"https://127.0.0.1:{served.port}/mutate"
    async with session.post(url, data=b"{", ssl=served.client_context, server_hostname=NAME) as response:
        assert (response.status, response.headers.get("Connection")) == (400, "close")


async def test_another_certificate_serves_new_connections_while_old_ones_go_on(webhook: Pair) -> None:
    served, _ = webhook

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", served.port, ssl=served.client_context, server_hostname=NAME)

    async def healthy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await reader.readuntil(b"ok\n")
        return answer.startswith(b"HTTP/1.1 200")

    old = await connect()
    assert await healthy(*old)
    before = served.client_context
    now = datetime.now(UTC)
    served.keyring = Keyring(make_authority(now))
    load(served.context, make_leaf(served.keyring.authority, [NAME], now))
    new = await connect()
    assert await healthy(*new)
    assert await healthy(*old)
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection("127.0.0.1", served.port, ssl=before, server_hostname=NAME)
    for _, writer in (old, new):
        writer.close()
        await writer.wait_closed()


async def test_many_reviews_at_once(webhook: Pair) -> None:
    served, session = webhook
    answers = await asyncio.gather(*(served.call(session, "/mutate", review(uid=f"u-{i}")) for i in range(100)))
    assert [json.loads(text)["response"]["uid"] for _, text in answers] == [f"u-{i}" for i in range(100)]


async def test_the_status_port_serves_no_reviews() -> None:
    served = Served()
    runner = web.AppRunner(status_app(served.readiness, served.metrics), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
            for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", 200)):
                async with session.get(path) as response:
                    assert response.status == status
            async with session.post("/mutate", json=review()) as response:
                assert response.status == 404
    finally:
        await runner.cleanup()
