"""What is measured, as programs: `python -m bench.webhook.contestants webhook PORT`, or `echo PORT`.

Both serve through the same listener, with the same TLS settings and the same kind of certificate. The webhook is the
application that the API server calls; the echo is as little as aiohttp can do with a body. They say when they serve.
"""

import asyncio
import signal
import sys
from datetime import UTC, datetime
from functools import partial

from aiohttp import web

from seldon_core.api.installation import Installation
from seldon_core.kube.client import Client
from webhook.admission import Decide, check, mutate
from webhook.app import Readiness, admission_app
from webhook.certificates import make_authority, make_leaf
from webhook.metrics import Metrics
from webhook.server import listening, spare_the_collector
from webhook.surroundings import ClusterTypes, Neighbours, Rules
from webhook.tls import load, server_context


def echo_app() -> web.Application:
    """Return an application that answers every POST with its body."""

    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read(), content_type="application/json")

    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_post("/echo", echo)
    return app


def webhook_app() -> web.Application:
    """Return the application of the webhook, which knows no other SeldonDeployments and the bundled types."""
    client = Client()
    find = Rules(Installation(), ClusterTypes(client), Neighbours(client, None)).find
    webhooks: dict[str, Decide] = {
        "/mutate": partial(mutate, graph=True, find=find),
        "/validate": partial(check, find=find),
    }
    return admission_app(webhooks, Readiness(lambda: None), Metrics())


async def serve(app: web.Application, port: int) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    now = datetime.now(UTC)
    context = server_context()
    load(context, make_leaf(make_authority(now), ["webhook.bench.svc"], now))
    async with listening(app, port, context):
        spare_the_collector()
        sys.stdout.write("serving\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve({"webhook": webhook_app, "echo": echo_app}[sys.argv[1]](), int(sys.argv[2])))
