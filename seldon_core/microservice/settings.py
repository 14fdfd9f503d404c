"""How the wrapper was started: arguments, environment, and every mistake in them at once."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seldon_core import __version__
from seldon_core.microservice.errors import UsageError
from seldon_core.microservice.identity import Identity
from seldon_core.microservice.parameters import read_parameters
from seldon_core.microservice.unserved import UNSERVED_OPTIONS, unserved

__all__ = ["Settings"]

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_SERVICE_TYPES = ("MODEL", "ROUTER", "TRANSFORMER", "OUTPUT_TRANSFORMER", "COMBINER", "OUTLIER_DETECTOR")
_TRUE = ("1", "true", "t")
_MILLISECOND = 0.001
REST_TIMEOUT = "seldon.io/rest-timeout"
_EPILOG = """\
environment, beside the variables in parentheses:
  PAYLOAD_PASSTHROUGH                true: predict_raw gets the body undecoded, and its result is the answer (false)
  SELDON_CONSTRUCT_IN_WORKER         true: each worker makes an object of its own, for CUDA and the like (false)
  FILTER_METRICS_ACCESS_LOGS         false: the access log shows requests for metrics, too (true; false with --debug)
  SELDON_EXECUTOR_ENABLED            false: rewards are not counted (true)
  PREDICTIVE_UNIT_METRICS_ENDPOINT   path of the metrics (/metrics)
  INCLUDE_METRICS_IN_CLIENT_RESPONSE false: custom metrics are exported, but not put into answers (true)
  MODEL_METADATA                     YAML whose keys win over those of init_metadata()
  TERMINATION_MESSAGE_PATH           file that gets the cause when the start fails (/dev/termination-log)
annotation of the pod, from /etc/podinfo/annotations:
  seldon.io/rest-timeout             milliseconds after which a request is answered 504 (never)
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """A valid configuration.

    Attributes:
        class_name: `Module`, for the class of that name in it, or `package.module.Class`.
        parameters: keyword arguments of the constructor.
        http_port: port of the REST API; 0 picks a free one.
        metrics_port: port of the metrics; 0 picks a free one.
        metrics_path: where they are served.
        metrics_in_response: whether answers carry custom metrics.
        metadata: YAML of MODEL_METADATA.
        log_level: name of the level.
        identity: which component this is.
        service_type: what protocols that do not say so ask this component for.
        workers: processes.
        threads: that run the class, in each process.
        max_requests: after which a worker is replaced by a new one; 0: never.
        max_requests_jitter: up to so many more, at random, so that not all are replaced at once.
        construct_in_worker: whether each worker makes an object of its own.
        keep_alive: seconds that an idle connection is kept.
        batch_size: rows up to which predictions are made together; 0: each is made alone.
        batch_delay: seconds that one waits for others at most.
        passthrough: whether predictions get the undecoded body.
        check_requests: whether requests are compared with the metadata.
        access_log: whether requests are logged.
        log_scrapes: whether requests for metrics are, too.
        pid_file: gets the number of this process, None for none.
        reward_metrics: whether rewards are counted.
        timeout: seconds after which a request is answered 504; 0: never.
        unserved: what was asked for and has no effect here, in words.
    """

    class_name: str
    parameters: dict[str, Any]
    http_port: int
    metrics_port: int
    metrics_path: str
    metrics_in_response: bool
    metadata: str
    log_level: str
    identity: Identity
    service_type: str = "MODEL"
    workers: int = 1
    threads: int = 1
    max_requests: int = 0
    max_requests_jitter: int = 0
    construct_in_worker: bool = False
    keep_alive: float = 75.0
    batch_size: int = 0
    batch_delay: float = 0.005
    passthrough: bool = False
    check_requests: bool = False
    access_log: bool = False
    log_scrapes: bool = False
    pid_file: str | None = None
    reward_metrics: bool = True
    timeout: float = 0.0
    unserved: tuple[str, ...] = ()

    @property
    def supervised(self) -> bool:
        """Whether workers are processes of their own, of which one can take the place of another."""
        return self.workers > 1 or self.max_requests > 0

    @classmethod
    def read(
        cls, arguments: Sequence[str], environment: Mapping[str, str], annotations: Mapping[str, str] | None = None
    ) -> "Settings":
        """Read the command line, the environment and the pod's annotations; an argument wins over its variable.

        Raises:
            UsageError: with every problem there is.
            SystemExit: after --help and --version.
        """
        given = _parser().parse_args(arguments)
        annotations = annotations or {}
        source = _Source(given, environment)
        settings = cls(
            class_name=given.interface_name,
            parameters=source.parameters(),
            http_port=source.port("--http-port", "PREDICTIVE_UNIT_HTTP_SERVICE_PORT", 9000),
            metrics_port=source.port("--metrics-port", "PREDICTIVE_UNIT_METRICS_SERVICE_PORT", 6000),
            metrics_path="/" + environment.get("PREDICTIVE_UNIT_METRICS_ENDPOINT", "/metrics").lstrip("/"),
            metrics_in_response=environment.get("INCLUDE_METRICS_IN_CLIENT_RESPONSE", "true").lower() == "true",
            metadata=environment.get("MODEL_METADATA", ""),
            log_level=source.log_level(),
            identity=Identity.from_environment(environment),
            service_type=given.service_type,
            workers=source.number("--workers", "GUNICORN_WORKERS", 1, low=1, high=256),
            threads=source.threads(),
            max_requests=source.number("--max-requests", "GUNICORN_MAX_REQUESTS", 0),
            max_requests_jitter=source.number("--max-requests-jitter", "GUNICORN_MAX_REQUESTS_JITTER", 0),
            construct_in_worker=source.flag(None, "SELDON_CONSTRUCT_IN_WORKER"),
            keep_alive=source.number("--keepalive", "GUNICORN_KEEPALIVE", 75, low=1),
            batch_size=source.number("--max-batch-size", "SELDON_MAX_BATCH_SIZE", 0),
            batch_delay=source.number("--max-batch-delay", "SELDON_MAX_BATCH_DELAY", 5, high=60_000) * _MILLISECOND,
            passthrough=source.flag(None, "PAYLOAD_PASSTHROUGH"),
            check_requests=source.flag("--check-requests", "SELDON_CHECK_REQUESTS"),
            access_log=source.flag("--access-log", "GUNICORN_ACCESS_LOG"),
            log_scrapes=not source.flag(None, "FILTER_METRICS_ACCESS_LOGS", "false" if source.debug() else "true"),
            pid_file=given.pidfile,
            reward_metrics=source.flag(None, "SELDON_EXECUTOR_ENABLED", "true"),
            timeout=source.timeout(annotations),
            unserved=source.unserved(annotations),
        )
        if settings.http_port == settings.metrics_port != 0:
            source.problems.append(f"--metrics-port: {settings.metrics_port}: is the HTTP port already; take another")
        if settings.check_requests and settings.passthrough:
            source.problems.append(
                "--check-requests: PAYLOAD_PASSTHROUGH hands requests on unread; leave one of the two out"
            )
        if source.problems:
            raise UsageError(source.problems)
        return settings


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        if message.startswith("unrecognized arguments:"):
            message = f"Unknown args: {message.partition(': ')[2]}; see --help for those that there are"
        raise UsageError([message])


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="seldon-core-microservice",
        description="Serve a Python class as a component of an inference graph.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "interface_name",
        metavar="NAME",
        help="the class: Module, for the class of that name in Module.py, or a.b.Class",
    )
    parser.add_argument("--parameters", help="constructor arguments, a JSON list of {name, value, type} "
                        "(PREDICTIVE_UNIT_PARAMETERS)")  # fmt: skip
    parser.add_argument("--http-port", help="port of the REST API (PREDICTIVE_UNIT_HTTP_SERVICE_PORT, 9000)")
    parser.add_argument("--metrics-port", help="port of the metrics (PREDICTIVE_UNIT_METRICS_SERVICE_PORT, 6000)")
    parser.add_argument("--log-level", help="DEBUG, INFO, WARNING or ERROR (SELDON_LOG_LEVEL, INFO)")
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--service-type", choices=_SERVICE_TYPES, default="MODEL",
                        help="which of its methods a V2 or TensorFlow request asks for, if it has several")  # fmt: skip
    for option, help_text in _NUMBERS.items():
        parser.add_argument(option, help=help_text)
    for option, help_text in _FLAGS.items():
        parser.add_argument(option, nargs="?", const="true", help=help_text)
    parser.add_argument("--pidfile", help="file that gets the number of the process")
    return parser


_NUMBERS = {
    "--workers": "processes (GUNICORN_WORKERS, 1)",
    "--threads": "threads that run the class, in each process (GUNICORN_THREADS, 1)",
    "--max-requests": "replace a worker after so many requests (GUNICORN_MAX_REQUESTS, 0: never)",
    "--max-requests-jitter": "or up to so many more (GUNICORN_MAX_REQUESTS_JITTER, 0)",
    "--keepalive": "seconds that an idle connection is kept (GUNICORN_KEEPALIVE, 75)",
    "--max-batch-size": "make predictions together, up to so many rows (SELDON_MAX_BATCH_SIZE, 0: each alone)",
    "--max-batch-delay": "milliseconds that one waits for others (SELDON_MAX_BATCH_DELAY, 5)",
    "--grpc-port": "accepted; nothing listens there (PREDICTIVE_UNIT_GRPC_SERVICE_PORT)",
    "--grpc-workers": "accepted, without effect (GRPC_WORKERS)",
    "--grpc-threads": "accepted, without effect (GRPC_THREADS)",
}
_FLAGS = {
    "--single-threaded": "one thread, whatever --threads says (FLASK_SINGLE_THREADED)",
    "--check-requests": "refuse requests that are not what init_metadata() describes (SELDON_CHECK_REQUESTS)",
    "--debug": "log everything (SELDON_DEBUG)",
    "--access-log": "log each request (GUNICORN_ACCESS_LOG)",
    "--tracing": "accepted, without effect (TRACING)",
    "--persistence": "accepted, without effect",
}


class _Source:
    """Looks values up and collects what is wrong with them."""

    def __init__(self, given: argparse.Namespace, environment: Mapping[str, str]) -> None:
        self.problems: list[str] = []
        self._given = vars(given)
        self._environment = environment

    def _find(self, option: str, variable: str) -> tuple[str, str]:
        """The value of an option and where it comes from; "" for none."""
        value = self._given[option.removeprefix("--").replace("-", "_")]
        if value is not None:
            return value, option
        return self._environment.get(variable, ""), variable

    def port(self, option: str, variable: str, default: int) -> int:
        value, origin = self._find(option, variable)
        if not value:
            return default
        if value.isascii() and value.isdigit() and int(value) < 2**16:
            return int(value)
        self.problems.append(f"{origin}: {value!r}: must be a port, a number from 0 to 65535")
        return default

    def number(self, option: str, variable: str, default: int, low: int = 0, high: int = 2**31) -> int:
        value, origin = self._find(option, variable)
        if not value:
            return default
        if value.isascii() and value.isdigit() and low <= int(value) <= high:
            return int(value)
        self.problems.append(f"{origin}: {value!r}: must be a number from {low} to {high}")
        return default

    def flag(self, option: str | None, variable: str, default: str = "") -> bool:
        value = self._find(option, variable)[0] if option else self._environment.get(variable, "")
        return (value or default).lower() in _TRUE

    def debug(self) -> bool:
        return self.flag("--debug", "SELDON_DEBUG")

    def threads(self) -> int:
        threads = self.number("--threads", "GUNICORN_THREADS", 1, low=1, high=1024)
        return 1 if self.flag("--single-threaded", "FLASK_SINGLE_THREADED") else threads

    def unserved(self, annotations: Mapping[str, str]) -> tuple[str, ...]:
        """What was asked for that has no effect, in words for the log."""
        for option, variable in UNSERVED_OPTIONS.items():
            self.number(option, variable, 0)
        self.port("--grpc-port", "PREDICTIVE_UNIT_GRPC_SERVICE_PORT", 5000)
        options = {f"--{name.replace('_', '-')}": value for name, value in self._given.items()}
        return tuple(unserved(options, self._environment, annotations))

    def timeout(self, annotations: Mapping[str, str]) -> float:
        """Seconds that a request may take, of the annotation in milliseconds."""
        value = annotations.get(REST_TIMEOUT, "")
        if not value:
            return 0.0
        if value.isascii() and value.isdigit() and 0 < int(value) < 2**31:
            return int(value) * _MILLISECOND
        self.problems.append(
            f"annotation {REST_TIMEOUT}: {value!r}: must be a number of milliseconds; write 5000 for five seconds"
        )
        return 0.0

    def log_level(self) -> str:
        value, origin = self._find("--log-level", "SELDON_LOG_LEVEL")
        if not value and self.debug():
            return "DEBUG"
        level = (value or "INFO").upper()
        if level in _LEVELS:
            return level
        self.problems.append(f"{origin}: {value!r}: must be one of {', '.join(_LEVELS)}")
        return "INFO"

    def parameters(self) -> dict[str, Any]:
        value, origin = self._find("--parameters", "PREDICTIVE_UNIT_PARAMETERS")
        try:
            decoded = json.loads(value or "[]")
        except ValueError as error:
            self.problems.append(f"{origin}: {value!r:.100}: is not JSON: {error}")
            return {}
        parameters, problems = read_parameters(decoded)
        self.problems += [f"{origin}: {problem}" for problem in problems]
        return parameters
