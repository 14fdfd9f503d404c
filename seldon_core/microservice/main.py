"""The `seldon-core-microservice` command."""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from seldon_core.api.podinfo import ANNOTATIONS_FILE, pod_annotations
from seldon_core.microservice import custom_service
from seldon_core.microservice.assembly import Assembly
from seldon_core.microservice.component import Component
from seldon_core.microservice.errors import StartupError, UsageError
from seldon_core.microservice.loading import construct, import_class, load
from seldon_core.microservice.service import Scrapes, Service
from seldon_core.microservice.settings import Settings
from seldon_core.microservice.supervisor import supervise
from seldon_core.telemetry.metrics import Registry
from seldon_core.telemetry.process import render_process_metrics
from seldon_core.transport.limits import MIB, Limits
from seldon_core.transport.memory import keep_freed_memory, settle

__all__ = ["main"]

log = logging.getLogger(__name__)

_LOG_FORMAT = "%(asctime)s - %(name)s:%(funcName)s:%(lineno)s - %(levelname)s:  %(message)s"
# Freed memory: a few large messages and the arrays that were made of them.
KEPT_BYTES = 64 * MIB
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
        settings = Settings.read(
            sys.argv[1:] if arguments is None else arguments, os.environ, pod_annotations(ANNOTATIONS_FILE)
        )
        logging.basicConfig(level=settings.log_level, format=_LOG_FORMAT)
        _run(settings)
    except StartupError as error:
        for line in str(error).splitlines():
            print(f"seldon-core-microservice: error: {line}", file=sys.stderr)
        _tell_kubelet(termination_log, str(error))
        return error.exit_code
    return 0


def _run(settings: Settings) -> None:
    for text in settings.unserved:
        log.error("%s", text)
    keep_freed_memory(KEPT_BYTES)
    with _pid_file(settings.pid_file):
        if settings.supervised:
            supervise(settings)
        else:
            _serve(settings)


def _serve(settings: Settings) -> None:
    """Serve in this process."""
    registry = Registry()
    assembly = Assembly(settings, registry)
    registry.collect("process", render_process_metrics)
    scrapes = Scrapes(registry.render, settings.metrics_path, log_them=settings.access_log and settings.log_scrapes)
    service = Service(assembly.application, assembly.worker, Limits(idle_seconds=settings.keep_alive))
    http_port, metrics_port = service.open(settings.http_port, settings.metrics_port, scrapes)
    log.info(
        "loading %s; REST on port %d, metrics on port %d%s",
        settings.class_name, http_port, metrics_port, settings.metrics_path,
    )  # fmt: skip
    began = time.perf_counter()
    try:
        user_object = construct(import_class(settings.class_name, Path.cwd()), settings.parameters)
        component = Component(user_object)
        load(component, service.run_coroutine)
        model = assembly.model(user_object, component, service.run_coroutine)
    except StartupError:
        service.close()
        raise
    beside = custom_service.start(settings.class_name, settings.parameters) if component.get("custom_service") else None
    settle()
    service.serve(*model)
    log.info("%s is ready after %.2f s", component.name, time.perf_counter() - began)
    assembly.worker.run()
    service.join()
    if beside is not None:
        beside.kill()


@contextlib.contextmanager
def _pid_file(name: str | None) -> Iterator[None]:
    if name is None:
        yield
        return
    path = Path(name)
    try:
        path.write_text(f"{os.getpid()}\n")
    except OSError as error:
        raise UsageError([f"--pidfile: {name}: cannot be written: {error.strerror}"]) from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _tell_kubelet(path: Path, message: str) -> None:
    """Leave the cause where `kubectl describe pod` shows it; outside of Kubernetes the file is not there."""
    if path.exists():
        with contextlib.suppress(OSError):
            path.write_bytes(message.encode("utf-8", "replace")[:_TERMINATION_MESSAGE_BYTES])
