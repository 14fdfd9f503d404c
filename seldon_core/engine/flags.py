"""The engine's command line: flags with one or two dashes, their value behind `=` or a blank."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SERVED_PROTOCOLS = ("seldon", "tensorflow", "v2", "kfserving")
SERVED_TRANSPORTS = ("rest",)
SERVED_TYPES = ("rpc",)
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "FATAL")

MAX_WORKERS = 64

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART_OF_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")


DEFAULT_ALLOWED_HEADERS = "Accept, Accept-Encoding, Authorization, Content-Length, Content-Type, X-CSRF-Token"
TLS_VARIABLE = "SELDON_CERT_MOUNT_PATH"


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line says; the attributes are the flags, times are in seconds.

    Attributes:
        routing_injection: whether answers say which branches were taken (the environment alone says so).
        cors_origins, cors_headers: which other sites' scripts may read answers, and which headers they may send
            (the environment alone says so).
    """

    sdep: str
    namespace: str
    predictor: str
    file: str
    http_port: int
    grpc_port: int
    metrics_port: int
    protocol: str
    transport: str
    server_type: str
    prometheus_path: str
    full_health_checks: bool
    graceful_timeout: float
    shutdown_delay: float
    workers: int
    access_log: bool
    log_level: str
    routing_injection: bool = True
    cors_origins: str = "*"
    cors_headers: str = DEFAULT_ALLOWED_HEADERS


class UsageError(Exception):
    """The command line or the configuration cannot be used.

    Attributes:
        problems: everything that is wrong with it, one line each.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class _Flag:
    default: str
    read: Callable[[str], Any]
    help: str
    variable: str = ""  # gives the default


def _text(value: str) -> str:
    return value


def _required(value: str) -> str:
    if not value:
        raise ValueError("must be given")
    return value


def _port(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", value) or int(value) > 65535:
        raise ValueError("must be a port number from 0 to 65535, 0 for any that is free")
    return int(value)


def _workers(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", value) or not 0 < int(value) <= MAX_WORKERS:
        raise ValueError(f"must be a number of processes from 1 to {MAX_WORKERS}")
    return int(value)


def _number(value: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise ValueError("must be a whole number")
    return int(value)


def _absent(feature: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in ("", "false"):
            raise ValueError(f"{feature} is not served by this version; leave the flag out")
        return value

    return read


def _path(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError("must be a path that begins with /")
    return value


def _truth(value: str) -> bool:
    if value not in (*_TRUE, *_FALSE):
        raise ValueError("must be true or false")
    return value in _TRUE


def _duration(value: str) -> float:
    if value == "0":
        return 0.0
    parts = list(_PART_OF_DURATION.finditer(value))
    if not parts or "".join(part[0] for part in parts) != value:
        raise ValueError("must be a time with a unit, such as 15s, 500ms or 1m30s")
    return sum(float(part[1]) * _UNITS[part[2]] for part in parts)


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"is not served by this version; use {' or '.join(choices)}")
        return value

    return read


def _log_level(value: str) -> str:
    level = {"WARN": "WARNING"}.get(value.upper(), value.upper())
    if level not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return level


FLAGS: Mapping[str, _Flag] = {
    "sdep": _Flag("", _required, "name of the SeldonDeployment (required)"),
    "namespace": _Flag("", _required, "namespace of the SeldonDeployment (required)"),
    "predictor": _Flag("", _required, "name of the predictor to serve (required)"),
    "file": _Flag("", _text, "read the predictor from this SeldonDeployment in YAML, not from ENGINE_PREDICTOR"),
    "http_port": _Flag("8080", _port, "port of the REST API, the probes and the metrics"),
    "grpc_port": _Flag("5000", _port, "port reserved for gRPC, which this version does not serve"),
    "metrics_port": _Flag("5002", _port, "port that serves nothing but the metrics"),
    "protocol": _Flag("seldon", _one_of(*SERVED_PROTOCOLS), "protocol of the messages: seldon, tensorflow, v2"),
    "transport": _Flag("rest", _one_of(*SERVED_TRANSPORTS), "transport towards the components: rest"),
    "server_type": _Flag("rpc", _one_of(*SERVED_TYPES), "how requests come in: rpc"),
    "prometheus_path": _Flag("/metrics", _path, "path of the metrics, on both ports"),
    "full_health_checks": _Flag("false", _truth, "ask the components for their health, not only for a connection"),
    "graceful_timeout": _Flag("15s", _duration, "how long requests in flight may take after a stop signal"),
    "shutdown_delay": _Flag("0", _duration, "how long to go on serving after a stop signal, reported as not ready"),
    "workers": _Flag("1", _workers, "processes that share the ports", "SELDON_ENGINE_WORKERS"),
    "access_log": _Flag(
        "false", _truth, "write a line of JSON for each request to standard output", "SELDON_ACCESS_LOG"
    ),
    "log_level": _Flag("", _log_level, f"one of {', '.join(LOG_LEVELS)} (default SELDON_LOG_LEVEL or INFO)"),
}

# Known to the reference. They tune or ask for what this version does not have: the first are checked and without effect
# as long as it is not asked for, the others must not ask for it.
_LOGGING, _KAFKA = "logging of payloads", "Kafka"
TUNING: Mapping[str, Callable[[str], Any]] = {
    "config": _text,
    "hostname": _text,
    "logger_workers": _number,
    "log_work_buffer_size": _number,
    "log_write_timeout_ms": _number,
    "kafka_workers": _number,
    "kafka_auto_commit": _truth,
    "debug": _truth,
}
NOT_SERVED: Mapping[str, Callable[[str], Any]] = {
    "log_kafka_broker": _absent(_LOGGING),
    "log_kafka_topic": _absent(_LOGGING),
    "kafka_broker": _absent(_KAFKA),
    "kafka_input_topic": _absent(_KAFKA),
    "kafka_output_topic": _absent(_KAFKA),
    "kafka_full_graph": _absent(_KAFKA),
}
_KNOWN = {**{name: flag.read for name, flag in FLAGS.items()}, **TUNING, **NOT_SERVED}


def usage() -> str:
    """The text that `--help` prints."""
    lines = ["Usage: seldon-core engine --sdep NAME --namespace NAME --predictor NAME [flags]", ""]
    lines.append("Runs the inference graph of a predictor, given as base64 of JSON in ENGINE_PREDICTOR.")
    lines.append("")
    for name, flag in FLAGS.items():
        default = f" (default {flag.default})" if flag.default else ""
        default = f" (default ${flag.variable} or {flag.default})" if flag.variable else default
        lines.append(f"  --{name:<20} {flag.help}{default}")
    return "\n".join(lines) + "\n"


def parse_flags(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> Flags:
    """Read the command line, and what the environment adds to it.

    Args:
        argv: the arguments, without the program's name.
        environ: gives the defaults of some flags, and what no flag says.

    Raises:
        UsageError: some of it cannot be used; all of that is named.
    """
    given, problems = _split(argv)
    if not given.get("log_level"):
        debug = given.get("debug", environ.get("SELDON_DEBUG", "")) in _TRUE
        given["log_level"] = environ.get("SELDON_LOG_LEVEL") or ("DEBUG" if debug else "INFO")
    values = {}
    for name, flag in FLAGS.items():
        from_environment = name not in given and environ.get(flag.variable, "")
        text = from_environment or given.get(name, flag.default)
        try:
            values[name] = flag.read(text)
        except ValueError as error:
            shown = f" {text!r}:" if text else ""
            problems.append(f"{flag.variable if from_environment else f'--{name}'}:{shown} {error}")
    for name in given.keys() - FLAGS.keys():
        try:
            _KNOWN[name](given[name])
        except ValueError as error:
            problems.append(f"--{name}: {given[name]!r}: {error}")
    if environ.get(TLS_VARIABLE):
        value = environ[TLS_VARIABLE]
        problems.append(f"{TLS_VARIABLE}: {value!r}: TLS is not served by this version; leave the variable out")
    settings = _settings(environ, problems)
    if problems:
        raise UsageError(problems)
    return Flags(**values, **settings)


def _settings(environ: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    """What the environment alone says; what cannot be used is added to `problems`."""
    settings: dict[str, Any] = {}
    if text := environ.get("SELDON_ENABLE_ROUTING_INJECTION"):
        try:
            settings["routing_injection"] = _truth(text)
        except ValueError as error:
            problems.append(f"SELDON_ENABLE_ROUTING_INJECTION: {text!r}: {error}")
    for name, variable in (("cors_origins", "CORS_ALLOWED_ORIGINS"), ("cors_headers", "CORS_ALLOWED_HEADERS")):
        if text := environ.get(variable):
            if text.isascii() and text.isprintable():
                settings[name] = text
            else:
                problems.append(f"{variable}: {text!r}: must be the value of a header")
    return settings


def _split(argv: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Flags and their values as text, and what cannot be understood."""
    given: dict[str, str] = {}
    problems: list[str] = []
    words = list(argv)
    while words:
        word = words.pop(0)
        name, equals, value = word.removeprefix("-").removeprefix("-").partition("=")
        if not word.startswith("-") or not name:
            problems.append(f"{word!r} is not a flag; see --help")
        elif name not in _KNOWN:
            problems.append(f"--{name}: there is no such flag; see --help")
        elif equals:
            given[name] = value
        elif _KNOWN[name] is _truth or name == "kafka_full_graph":
            given[name] = "true"
        elif words:
            given[name] = words.pop(0)
        else:
            problems.append(f"--{name}: needs a value")
    return given, problems
