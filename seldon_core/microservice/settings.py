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

__all__ = ["Settings"]

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_SERVICE_TYPES = ("MODEL", "ROUTER", "TRANSFORMER", "COMBINER", "OUTLIER_DETECTOR")
_EPILOG = """\
environment:
  PREDICTIVE_UNIT_METRICS_ENDPOINT   path of the metrics (/metrics)
  INCLUDE_METRICS_IN_CLIENT_RESPONSE false: custom metrics are exported, but not put into answers (true)
  MODEL_METADATA                     YAML whose keys win over those of init_metadata()
  TERMINATION_MESSAGE_PATH           file that gets the cause when the start fails (/dev/termination-log)
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

    @classmethod
    def read(cls, arguments: Sequence[str], environment: Mapping[str, str]) -> "Settings":
        """Read the command line and the environment; an argument wins over its variable.

        Raises:
            UsageError: with every problem there is.
            SystemExit: after --help and --version.
        """
        given = _parser().parse_args(arguments)
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
        )
        if settings.http_port == settings.metrics_port != 0:
            source.problems.append(f"--metrics-port: {settings.metrics_port}: is the HTTP port already; take another")
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
    # Start scripts of existing images pass these two; a class serves every method that it has, whatever they say.
    parser.add_argument("--service-type", choices=_SERVICE_TYPES, default="MODEL", help="accepted, without effect")
    parser.add_argument("--persistence", nargs="?", default="0", const="1", help="accepted, without effect")
    return parser


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

    def log_level(self) -> str:
        value, origin = self._find("--log-level", "SELDON_LOG_LEVEL")
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
