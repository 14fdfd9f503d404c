"""What the engine counts: requests served, and calls of the graph's nodes."""

from bisect import bisect_left
from http import HTTPStatus

from seldon_core.telemetry.metrics import Family, Histogram, Registry
from seldon_core.telemetry.process import render_process_metrics
from seldon_core.telemetry.shared import SharedNumbers

SERVER = "seldon_api_executor_server_requests_seconds"
CLIENT = "seldon_api_executor_client_requests_seconds"
SERVER_LABELS = ("deployment_name", "predictor_name", "predictor_version", "service", "method", "code")
CLIENT_LABELS = (*SERVER_LABELS, "model_name", "model_image", "model_version")

# Code of what has no status: the caller went away before there was an answer.
CALLER_GONE = 499
# Whatever else a component makes up is counted by its first digit, so that codes stay few.
CODES = frozenset({*map(int, HTTPStatus), CALLER_GONE})


class ByCode:
    """The histogram of each status code of one service, bound when the code is first seen."""

    __slots__ = ("_after", "_before", "_bound", "_family")

    def __init__(self, family: Family[Histogram], before: tuple[str, ...], after: tuple[str, ...] = ()) -> None:
        self._family = family
        self._before = before
        self._after = after
        self._bound: dict[int, Histogram] = {}

    def observe(self, code: int, seconds: float) -> None:
        """Count one request."""
        histogram = self._bound.get(code) or self._bind(code)
        # As `histogram.observe` does it: this is called several times for each request.
        cells = histogram.cells
        cells[bisect_left(histogram.bounds, seconds)] += 1
        cells[-1] += seconds

    def _bind(self, code: int) -> Histogram:
        shown = str(code) if code in CODES else f"{code // 100}xx"
        histogram = self._bound[code] = self._family.labels(*self._before, shown, *self._after)
        return histogram


class EngineMetrics:
    """The metrics of one engine.

    Attributes:
        registry: where they are rendered.
        predictions: the requests to the prediction routes.
        feedbacks: the requests to the feedback routes.
        statuses: the questions how the graph or one of its nodes is.
        metadata: the questions what they are.
    """

    def __init__(self, deployment: str, predictor: str, version: str, numbers: SharedNumbers | None = None) -> None:
        """Make them.

        Args:
            deployment, predictor, version: what is served.
            numbers: where they are counted when several processes serve it.
        """
        self.registry = Registry(numbers)
        self._common = (deployment, predictor, version)
        server = self.registry.histogram(
            SERVER, "Requests served, by status code.", SERVER_LABELS, summary=f"{SERVER}_summary"
        )
        self._client = self.registry.histogram(
            CLIENT, "Calls of the graph's nodes, by status code.", CLIENT_LABELS, summary=f"{CLIENT}_summary"
        )
        self.registry.collect(
            "process", lambda: render_process_metrics(pids=() if numbers is None else numbers.processes())
        )
        self.predictions = ByCode(server, (*self._common, "predictions", "post"))
        self.feedbacks = ByCode(server, (*self._common, "feedback", "post"))
        self.statuses = ByCode(server, (*self._common, "status", "get"))
        self.metadata = ByCode(server, (*self._common, "metadata", "get"))

    def calls(self, node: str, path: str, image: str) -> ByCode:
        """The calls of one node on one path."""
        return ByCode(self._client, (*self._common, path, "post"), (node, *split_image(image)))


def split_image(image: str) -> tuple[str, str]:
    """Repository and version of an image: what follows the name is a tag, a digest, or both."""
    repository, _, digest = image.partition("@")
    path, slash, name = repository.rpartition("/")
    name, _, tag = name.partition(":")
    return f"{path}{slash}{name}", tag or digest
