"""The parts of a process that serves a model, put together; and the model, once its class is there."""

import logging
from typing import Any

from seldon_core.microservice.application import Application
from seldon_core.microservice.checks import KINDS, Check, check_of
from seldon_core.microservice.component import Component
from seldon_core.microservice.custom_metrics import CustomMetrics
from seldon_core.microservice.data_plane import DataPlane
from seldon_core.microservice.error_handler import find_error_handler
from seldon_core.microservice.errors import UsageError, user_traceback
from seldon_core.microservice.flows import Answer
from seldon_core.microservice.joining import Batcher
from seldon_core.microservice.loading import RunCoroutine, call_now
from seldon_core.microservice.metadata import MetadataError, describe
from seldon_core.microservice.routes import serve_model
from seldon_core.microservice.seldon_codec import SELDON
from seldon_core.microservice.settings import Settings
from seldon_core.microservice.worker import Worker
from seldon_core.protocols.json_codec import dumps
from seldon_core.telemetry.metrics import Registry

__all__ = ["Assembly"]

log = logging.getLogger(__name__)


class Assembly:
    """What answers requests in one process.

    Attributes:
        worker: runs the user's code.
        application: answers.
    """

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings = settings
        self._metrics = CustomMetrics(registry, settings.identity, rewards=settings.reward_metrics)
        self.worker = Worker(settings.threads)
        batcher = None
        if settings.batch_size:
            batcher = Batcher(self.worker, settings.batch_size, settings.batch_delay)
        requests = registry.histogram(
            "seldon_microservice_requests_seconds", "Time from request to answer.", ("method", "code")
        )
        self.application = Application(
            self.worker, requests, self._metrics.count, batcher,
            access_log=settings.access_log, timeout=settings.timeout,
        )  # fmt: skip

    def model(self, user_object: object, component: Component, run_coroutine: RunCoroutine) -> tuple[Any, ...]:
        """What `Application.serve` takes, for an object that has been loaded.

        Raises:
            UsageError: it has an error handler that cannot be used, or its requests are to be checked and cannot be.
        """
        settings = self._settings
        handler = find_error_handler(user_object)
        answer, described = _metadata(component, settings, run_coroutine)
        if not component.serves():
            log.warning("%s has no method to serve: none of predict, transform_input, ...", component.name)
        plane = DataPlane(
            component,
            settings.identity,
            self._metrics,
            metrics_in_response=settings.metrics_in_response,
            service_type=settings.service_type,
            batching=bool(settings.batch_size),
            check=_check(component, described) if settings.check_requests else None,
        )
        names = (settings.identity.unit, (described or {}).get("name", ""), component.name)
        known = tuple(dict.fromkeys(name for name in names if name))
        return serve_model(plane, answer, described, known, settings.passthrough), handler


def _check(component: Component, described: dict[str, Any] | None) -> Check:
    check = check_of((described or {}).get("inputs", []))
    if check is None:
        raise UsageError([
            f"--check-requests: {component.name}: the metadata has no inputs that requests could be compared "
            f"with; describe them as tensors, or as one of {', '.join(KINDS)}, or leave the option out"
        ])  # fmt: skip
    return check


def _metadata(
    component: Component, settings: Settings, run_coroutine: RunCoroutine
) -> tuple[Answer, dict[str, Any] | None]:
    """The answer to every request for metadata; metadata that is wrong does not keep a model from serving."""
    try:
        declared = call_now(component, "init_metadata", run_coroutine)
        described = describe(declared, settings.metadata, settings.identity.image)
        return Answer(200, dumps(described)), described
    except MetadataError as error:
        log.error("the metadata of %s is not valid: %s", component.name, error)
    except Exception as error:  # noqa: BLE001 - whatever the class raises
        log.error("%s.init_metadata() failed\n%s", component.name, user_traceback(error))
    return Answer(500, SELDON.error("Model metadata unavailable", "MICROSERVICE_BAD_METADATA")), None
