"""The `seldon-core-microservice` command."""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from seldon_core.microservice.application import Application
from seldon_core.microservice.component import DATA_METHODS, MESSAGE_METHODS, Component
from seldon_core.microservice.custom_metrics import CustomMetrics
from seldon_core.microservice.data_plane import Answer, DataPlane, error_body
from seldon_core.microservice.errors import StartupError, user_traceback
from seldon_core.microservice.loading import call_now, construct, import_class, load
from seldon_core.microservice.metadata import MetadataError, describe
from seldon_core.microservice.service import Service
from seldon_core.microservice.settings import Settings
from seldon_core.microservice.worker import Worker
from seldon_core.protocols.json_codec import dumps
from seldon_core.telemetry.metrics import Registry
from seldon_core.telemetry.process import render_process_metrics

__all__ = ["main"]

log = logging.getLogger(__name__)

_LOG_FORMAT = "%(asctime)s - %(name)s:%(funcName)s:%(lineno)s - %(levelname)s:  %(message)s"
_TERMINATION_MESSAGE_BYTES = 4096  # kubelet reads no more


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a class until the process is asked to stop.

    Args:
        arguments: of the command line, without the program's name; those of the process by default.

    Returns:
        The exit code: 0 after an orderly end, 1 when the model could not be loaded, 2 for a mistake in how the
        program was started.
    """
    termination_log = Path(os.environ.get("TERMINATION_MESSAGE_PATH", "/dev/termination-log"))
    try:
        settings = Settings.read(sys.argv[1:] if arguments is None else arguments, os.environ)
        logging.basicConfig(level=settings.log_level, format=_LOG_FORMAT)
        _run(settings)
    except StartupError as error:
        for line in str(error).splitlines():
            print(f"seldon-core-microservice: error: {line}", file=sys.stderr)
        _tell_kubelet(termination_log, str(error))
        return error.exit_code
    return 0


def _run(settings: Settings) -> None:
    registry = Registry()
    requests = registry.histogram(
        "seldon_microservice_requests_seconds", "Time from request to answer.", ("method", "code")
    )
    registry.collect("process", render_process_metrics)
    metrics = CustomMetrics(registry, settings.identity)
    worker = Worker()
    application = Application(worker, requests, metrics.record)
    service = Service(application, worker, registry)
    http_port, metrics_port = service.open(settings.http_port, settings.metrics_port, settings.metrics_path)
    log.info(
        "loading %s; REST on port %d, metrics on port %d%s",
        settings.class_name, http_port, metrics_port, settings.metrics_path,
    )  # fmt: skip
    began = time.perf_counter()
    try:
        component = Component(construct(import_class(settings.class_name, Path.cwd()), settings.parameters))
        load(component, service.run_coroutine)
        metadata = _metadata(component, settings, service)
    except StartupError:
        service.close()
        raise
    if not any(component.get(name) for name in (*DATA_METHODS, *MESSAGE_METHODS)):
        log.warning("%s has no method to serve: none of %s", component.name, ", ".join(DATA_METHODS))
    plane = DataPlane(component, settings.identity, metrics, metrics_in_response=settings.metrics_in_response)
    service.serve(plane, metadata)
    log.info("%s is ready after %.2f s", component.name, time.perf_counter() - began)
    worker.run()
    service.join()


def _metadata(component: Component, settings: Settings, service: Service) -> Answer:
    """The answer to every request for metadata; metadata that is wrong does not keep a model from serving."""
    try:
        declared = call_now(component, "init_metadata", service.run_coroutine)
        return Answer(200, dumps(describe(declared, settings.metadata, settings.identity.image)))
    except MetadataError as error:
        log.error("the metadata of %s is not valid: %s", component.name, error)
    except Exception as error:  # noqa: BLE001 - whatever the class raises
        log.error("%s.init_metadata() failed\n%s", component.name, user_traceback(error))
    return Answer(500, error_body("Model metadata unavailable", "MICROSERVICE_BAD_METADATA"))


def _tell_kubelet(path: Path, message: str) -> None:
    """Leave the cause where `kubectl describe pod` shows it; outside of Kubernetes the file is not there."""
    if path.exists():
        with contextlib.suppress(OSError):
            path.write_bytes(message.encode("utf-8", "replace")[:_TERMINATION_MESSAGE_BYTES])
