"""What existing start scripts and manifests ask for that has no effect here, each with what to do instead.

None of it keeps a model from answering, so none of it keeps the process from starting: it is said once, in the log.
What asks for nothing but how things are here anyway is not worth a word.
"""

from collections.abc import Iterator, Mapping

__all__ = ["UNSERVED_OPTIONS", "unserved"]

_TRUE = ("1", "true", "t")
_GRPC = "this version serves no gRPC"
_TRACES = "this version makes no traces"
# The JSON of Flask: the values that agree with the JSON of the answers here, and what that is like.
_JSON = {
    "FLASK_JSONIFY_PRETTYPRINT_REGULAR": (False, "answers are compact JSON"),
    "FLASK_JSON_AS_ASCII": (False, "answers are JSON in UTF-8"),
    "FLASK_JSON_SORT_KEYS": (True, "answers are JSON with sorted keys"),
}
_FLASK = [
    f"FLASK_{name}"
    for name in ("DEBUG", "EXPLAIN_TEMPLATE_LOADING", "PROPAGATE_EXCEPTIONS", "PRESERVE_CONTEXT_ON_EXCEPTION",
                 "SESSION_COOKIE_HTTPONLY", "SESSION_COOKIE_SECURE", "SESSION_REFRESH_EACH_REQUEST",
                 "TEMPLATES_AUTO_RELOAD", "TESTING", "TRAP_HTTP_EXCEPTIONS", "TRAP_BAD_REQUEST_ERRORS",
                 "USE_X_SENDFILE")
]  # fmt: skip
_JAEGER = ("JAEGER_AGENT_HOST", "JAEGER_AGENT_PORT", "JAEGER_CONFIG_PATH", "JAEGER_EXTRA_TAGS")
# Options of numbers, with their variables, that are checked and otherwise have no effect.
UNSERVED_OPTIONS = {"--grpc-workers": "GRPC_WORKERS", "--grpc-threads": "GRPC_THREADS"}


def unserved(
    given: Mapping[str, str | None], environment: Mapping[str, str], annotations: Mapping[str, str]
) -> Iterator[str]:
    """What is asked for and has no effect, in words.

    Args:
        given: values of the command line by option.
        environment: variables of the process.
        annotations: of the pod.
    """
    # The controller sets the variable of this port on every component.
    if (port := given.get("--grpc-port")) is not None:
        yield f"--grpc-port: {port!r}: {_GRPC}, so nothing listens there; ask on the HTTP port"
    for option, variable in UNSERVED_OPTIONS.items():
        value = given.get(option)
        origin, value = (option, value) if value is not None else (variable, environment.get(variable, ""))
        if value not in ("", "0"):
            instead = "--workers" if "workers" in option else "--threads"
            yield f"{origin}: {value!r}: {_GRPC}; {instead} is for more requests at once"
    if size := annotations.get("seldon.io/grpc-max-message-size"):
        yield f"annotation seldon.io/grpc-max-message-size: {size!r}: {_GRPC}; a body over HTTP may hold 256 MiB"
    yield from _of_traces(given.get("--tracing"), environment)
    persistence = given.get("--persistence") or "0"
    if persistence.lower() not in ("0", "false", "f"):
        yield (
            f"--persistence: {persistence!r}: state is not kept any more; "
            "write it to a file on a volume, or to a database"
        )
    yield from _of_flask(environment)
    if _true(package := environment.get("USE_MULTIPROCESS_PACKAGE", "")):
        yield f"USE_MULTIPROCESS_PACKAGE: {package!r}: workers need no such package here; leave it out"


def _of_traces(option: str | None, environment: Mapping[str, str]) -> Iterator[str]:
    origin, value = ("--tracing", option) if option is not None else ("TRACING", environment.get("TRACING", ""))
    if _true(value):
        yield f"{origin}: {value!r}: {_TRACES}; leave it out"
    if named := [variable for variable in _JAEGER if environment.get(variable)]:
        yield f"{', '.join(named)}: {_TRACES}; leave {_it(named)} out"


def _of_flask(environment: Mapping[str, str]) -> Iterator[str]:
    for variable, (agrees, how) in _JSON.items():
        value = environment.get(variable, "")
        if value and _true(value) != agrees:
            yield f"{variable}: {value!r}: {how}, which every reader of JSON takes; leave it out"
    if named := [variable for variable in _FLASK if _true(environment.get(variable, ""))]:
        yield f"{', '.join(named)}: requests are not served by Flask here; leave {_it(named)} out"


def _it(named: list[str]) -> str:
    return "it" if len(named) == 1 else "them"


def _true(value: str) -> bool:
    return value.lower() in _TRUE
