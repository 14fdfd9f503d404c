"""The routes: admission reviews over HTTPS, and health and metrics beside them."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from webhook.admission import SHOWN, BadReview, Decide, Decision, Request, respond
from webhook.metrics import Metrics, WebhookMetrics

# The API server takes objects of up to 3 MiB; a review of an update holds two of them.
BODY_LIMIT = 8 * 1024 * 1024
# A review larger than this is decided in a thread, so that meanwhile the process still answers its probes.
LARGE = 256 * 1024

_JSON = {"Content-Type": "application/json"}

_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Readiness:
    """Whether traffic should come here.

    Args:
        problem: returns why not, as far as others can tell, or None.
    """

    def __init__(self, problem: Callable[[], str | None]) -> None:
        self._problem = problem
        self.draining = False

    def problem(self) -> str | None:
        """Return why traffic should not come here, or None."""
        return "shutting down" if self.draining else self._problem()


def admission_app(webhooks: dict[str, Decide], readiness: Readiness, metrics: Metrics) -> web.Application:
    """Return the application for the API server.

    Args:
        webhooks: what decides, by the path that it is served under.
        readiness: consulted by /readyz; while draining, every answer to a review closes its connection.
        metrics: what is counted.
    """
    app = web.Application(client_max_size=BODY_LIMIT)
    for path, decide in webhooks.items():
        name = path.strip("/")
        app.router.add_post(path, _review_handler(name, decide, readiness, metrics.reviews.of(name)))
    _add_status_routes(app, readiness, metrics)
    return app


def status_app(readiness: Readiness, metrics: Metrics) -> web.Application:
    """Return the application for probes and Prometheus."""
    app = web.Application()
    _add_status_routes(app, readiness, metrics)
    return app


def _add_status_routes(app: web.Application, readiness: Readiness, metrics: Metrics) -> None:
    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        problem = readiness.problem()
        return web.Response(text="ok\n") if problem is None else web.Response(status=503, text=f"{problem}\n")

    async def scrape(_: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE_LATEST}
        return web.Response(body=generate_latest(metrics.registry), headers=headers)

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", scrape)


def _review_handler(name: str, decide: Decide, readiness: Readiness, metrics: WebhookMetrics) -> Handler:
    async def handle(http_request: web.Request) -> web.Response:
        started = time.perf_counter()
        try:
            body = await http_request.read()
        except web.HTTPRequestEntityTooLarge:
            return last(_bad(name, metrics, 413, f"the body is larger than {BODY_LIMIT} bytes"))
        try:
            if len(body) > LARGE:
                request, decision, encoded = await asyncio.to_thread(respond, body, decide)
            else:
                request, decision, encoded = respond(body, decide)
        except BadReview as error:
            return last(_bad(name, metrics, 400, str(error)))
        except Exception:  # noqa: BLE001 - a fault of ours is told apart from the user's, whatever it is
            _log.exception("the review could not be decided", extra={"webhook": name})
            metrics.failed("failed", 500)
            return last(web.Response(status=500, text="the webhook failed, which its log explains\n"))
        denied = bool(decision.errors)
        metrics.decided(request.operation, time.perf_counter() - started, denied=denied)
        if denied:
            _log_refusal(name, request, decision)
        return last(web.Response(body=encoded, headers=_JSON))

    def last(response: web.Response) -> web.Response:
        """Have an answer close its connection where it is to be the last one."""
        if readiness.draining:
            response.headers["Connection"] = "close"  # force_close alone would close without a word
            response.force_close()
        return response

    return handle


def _bad(name: str, metrics: WebhookMetrics, code: int, problem: str) -> web.Response:
    _log.warning("a request that is no review: %s", problem, extra={"webhook": name})
    metrics.failed("bad", code)
    return web.Response(status=code, text=f"{problem}\n")


def _log_refusal(name: str, request: Request, decision: Decision) -> None:
    extra: dict[str, Any] = {
        "webhook": name,
        "uid": request.uid,
        "operation": request.operation,
        "user": request.user.username,
        "dry_run": bool(request.dry_run),
        "namespace": request.namespace,
        "object": request.name,
        "errors": len(decision.errors),
        "findings": [str(finding) for finding in decision.errors[:SHOWN]],
    }
    _log.info("refused", extra=extra)
