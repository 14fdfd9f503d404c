"""Runs the graph for requests: predictions, feedback along the branches that a prediction took, and metadata."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from seldon_core.engine.components import Endpoint, Message
from seldon_core.engine.deadlines import Deadlines
from seldon_core.engine.dialects import SeldonDialect
from seldon_core.engine.graph import PREDICT, TRANSFORM_INPUT, TRANSFORM_OUTPUT, Node, Step
from seldon_core.engine.interpreter import feedback, predict
from seldon_core.engine.metrics import ByCode
from seldon_core.engine.puid import puids
from seldon_core.engine.relay import Relay
from seldon_core.engine.run import Noted, Run
from seldon_core.protocols.errors import MessageError
from seldon_core.protocols.json_codec import loads
from seldon_core.transport.http_server import Handler, Reply, Request
from seldon_core.transport.limits import Budget

T = TypeVar("T")


class Orchestrator:
    """What all requests to the graph of an engine share.

    Attributes:
        root: the graph.
        endpoints: where each step of the graph is taken.
        images: name of each node -> image that serves it.
        dialect: of the messages.
        timeout: seconds that a request may take as a whole.
        body_bytes: what a message may hold once it is decoded.
        budget: bytes of bodies in memory.
        deadlines: of the requests in flight.
        merges_meta: whether the engine looks into messages; the answer of a single component is the caller's, byte
            for byte.
        relayed: the only step of a graph that hands messages on as they are, piece by piece; None in other graphs.
        puids: ids for the predictions that come without one.
    """

    def __init__(
        self,
        root: Node,
        endpoints: Mapping[Step, Endpoint],
        images: Mapping[str, str],
        *,
        dialect: SeldonDialect,
        timeout: float,
        body_bytes: int,
        budget: Budget,
        predictions: ByCode,
        feedbacks: ByCode,
    ) -> None:
        self.root = root
        self.endpoints = endpoints
        self.images = images
        self.dialect = dialect
        self.timeout = timeout
        self.body_bytes = body_bytes
        self.budget = budget
        self.deadlines = Deadlines()
        steps = list(root.steps())
        draws = any(node.draw is not None for node in root.nodes())
        self.merges_meta = len(steps) > 1 or draws or any(step.function is not None for step in steps)
        relayed = not self.merges_meta and steps and steps[0].method in (PREDICT, TRANSFORM_INPUT, TRANSFORM_OUTPUT)
        self.relayed = steps[0] if relayed else None
        self.puids = puids()
        self._apart = ThreadPoolExecutor(1, "messages")
        self._predictions = predictions
        self._feedbacks = feedbacks
        self._order = {step: place for place, step in enumerate([*steps, *root.feedback_steps()])}

    def predict(self, request: Request, reply: Reply, target: bytes | None = None) -> None:
        """Answer a request with the graph's answer to it.

        Args:
            request: the request.
            reply: takes the answer.
            target: the path that the component of a graph of one is asked, where the caller chose it; the nodes of
                larger graphs are asked under their own names.
        """
        if self.relayed is not None:
            Relay(self, request, reply, self._predictions).start(request, self.endpoints[self.relayed], target)
            return
        Run(self, request, reply, self._predictions).start(
            lambda run: predict(self.root, run.message, run.routing, self.dialect)
        )

    def takes_uploads(self, handler: Handler | None) -> bool:
        """Whether a request for this handler is relayed, its body as it arrives."""
        return self.relayed is not None and getattr(handler, "func", handler) == self.predict

    def feedback(self, request: Request, reply: Reply) -> None:
        """Take feedback along the branches that the prediction took, and answer what the graph's nodes answer."""
        Run(self, request, reply, self._feedbacks).start(
            lambda run: feedback(self.root, run.message, _recorded_routing(run.message.body))
        )

    def work_apart(self, function: Callable[[], T]) -> "asyncio.Future[T]":
        """Do some work in another thread; one piece of it at a time, because it shares this process' processor."""
        return asyncio.get_running_loop().run_in_executor(self._apart, function)

    def close(self) -> None:
        """Do no more work in another thread."""
        self._apart.shutdown(wait=False, cancel_futures=True)

    def finish(self, message: Message, answers: Sequence[Noted], puid: bytes, routing: Mapping[str, int]) -> Message:
        """The graph's answer as the caller gets it.

        Args:
            message: the answer of the last node.
            answers: of all nodes, in any order.
            puid: id of the prediction.
            routing: node -> branch.
        """
        ordered = sorted(answers, key=lambda noted: self._order[noted[0]])
        images = {step.node: self.images[step.node] for step, _, _ in ordered if step.node in self.images}
        pairs = [(sources, body) for _, sources, body in ordered]
        return self.dialect.finish(message, pairs, puid.decode("latin-1"), routing, images)


def _recorded_routing(body: bytes) -> dict[str, Any]:
    """`response.meta.routing` of a feedback message; empty where a part of that path is missing.

    Raises:
        MessageError: it is no feedback message.
    """
    found: Any = loads(body)
    if not isinstance(found, dict):
        raise MessageError("feedback must be a JSON object with request, response, reward and truth")
    for name in ("response", "meta", "routing"):
        found = found.get(name)
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise MessageError(f"feedback: {name}: {found!r:.80}: must be an object")
    return dict(found)
