"""The command line of `python -m webhook`, and the environment variables behind it."""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from seldon_core.plan.config import DEFAULT_ENGINE_IMAGE, Config, ConfigError
from webhook.server import Settings
from webhook.trust import Place

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")

_ENGINE_IMAGE = "EXECUTOR_CONTAINER_IMAGE_AND_VERSION"

_DESCRIPTION = """\
The admission webhook of Seldon Core: fills in the defaults of SeldonDeployments and refuses those that break a rule,
with all findings at once.

It makes its own certificates. The certificate authority lives in a Secret that all replicas share and renew; its
public part is written into the caBundle of both webhook configurations, which must exist already. Or it serves with a
certificate that somebody else keeps in that Secret, whose authority it publishes in the same way. A replica is ready
once the certificate that it serves is trusted by both configurations.

  POST /mutate /validate        admission reviews (admission.k8s.io/v1), on --port with TLS
  GET  /healthz                 200 while the process works
  GET  /readyz                  200 once API servers trust this replica, else 503 and the reason
  GET  /metrics                 for Prometheus
                                these three also on --metrics-port, without TLS

What it knows of the operator's configuration, such as the prepackaged servers that there are, it reads from the
variables of the controller; see `python -m controller --help`.
The API server is found by $KUBECONFIG, else by the pod's service account, else by ~/.kube/config.
SIGTERM ends it in order: no longer ready, serving on for a few seconds, finishing what is under way, exit code 0.
Exit code 2 means that it cannot start as configured; the message says what to change.

`python -m webhook check` tells whether a SeldonDeployment could be created now; see `python -m webhook check --help`.
"""
_CHECK_DESCRIPTION = """\
Tells whether the first `kubectl apply` of a SeldonDeployment will work: asks the API server to create a small valid
one as a dry run, through the webhook, and tries again until that succeeds. Nothing is stored.

Exit code 0: it works. 1: it did not until the timeout; the last error is printed. 2: it cannot be tried.
"""


def serve_options(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[Settings, str]:
    """Read the command line of the webhook itself.

    Args:
        argv: the arguments after the program.
        environ: where the value of a flag that is left out may come from.

    Returns:
        The settings and the log level.

    Raises:
        SystemExit: with code 2 after a message on standard error, or with 0 after the help.
    """
    options = _Options("python -m webhook", _DESCRIPTION, environ)
    options.add("--port", "SELDON_WEBHOOK_PORT", "4443", _port, "port for the API server, with TLS")
    options.add("--metrics-port", "SELDON_WEBHOOK_METRICS_PORT", "8080", _port, "port for probes and metrics")
    options.add("--namespace", "POD_NAMESPACE", None, _name, "the namespace that it is installed in")
    text = "the Service that API servers reach it by; its certificates are for that name"
    options.add("--service-name", "SELDON_WEBHOOK_SERVICE_NAME", "seldon-webhook-service", _name, text)
    text = "the Secret of the certificates"
    options.add("--secret-name", "SELDON_WEBHOOK_SECRET_NAME", "seldon-webhook-ca", _name, text)
    text = (
        "own: makes and renews an authority in that Secret; given: serves with the tls.crt and tls.key that somebody "
        "else, such as cert-manager, keeps in it, and has ca.crt trusted"
    )
    options.add("--certificates", "SELDON_WEBHOOK_CERTIFICATES", "own", _certificates, text)
    text = "the {} that calls it; never made here"
    mutating, validating = text.format("MutatingWebhookConfiguration"), text.format("ValidatingWebhookConfiguration")
    options.add("--mutating-configuration", "SELDON_WEBHOOK_MUTATING_CONFIGURATION", None, _name, mutating)
    options.add("--validating-configuration", "SELDON_WEBHOOK_VALIDATING_CONFIGURATION", None, _name, validating)
    text = (
        "true stores all defaults; false only those of the spec (protocol, transport, serverType), for tools that "
        "compare the predictors in the cluster with those in a repository"
    )
    options.add("--defaulting-graph", "SELDON_WEBHOOK_DEFAULTING_GRAPH", "true", _boolean, text)
    text = "the only namespace whose SeldonDeployments it is asked about; empty is all of them"
    options.add("--watch-namespace", "WATCH_NAMESPACE", "", _name_or_none, text)
    options.add_log_level()
    given = options.parse(argv)
    try:
        config = Config.from_env({_ENGINE_IMAGE: DEFAULT_ENGINE_IMAGE, **environ})
    except ConfigError as error:
        options.refuse("; ".join(error.problems))
    place = Place(
        namespace=given.namespace,
        service=given.service_name,
        secret=given.secret_name,
        mutating_configuration=given.mutating_configuration,
        validating_configuration=given.validating_configuration,
        given=given.certificates == "given",
    )
    settings = Settings(
        place=place,
        port=given.port,
        metrics_port=given.metrics_port,
        defaulting_graph=given.defaulting_graph,
        installation=config.installation,
        watch_namespace=given.watch_namespace or None,
    )
    return settings, given.log_level


def check_options(argv: Sequence[str], environ: Mapping[str, str]) -> argparse.Namespace:
    """Read the command line of the check.

    Args:
        argv: the arguments after ``check``.
        environ: where the value of a flag that is left out may come from.

    Returns:
        namespace, controller_id, timeout and log_level.

    Raises:
        SystemExit: with code 2 after a message on standard error, or with 0 after the help.
    """
    options = _Options("python -m webhook check", _CHECK_DESCRIPTION, environ)
    options.add("--timeout", "SELDON_WEBHOOK_CHECK_TIMEOUT", "120", _seconds, "for how many seconds to try")
    options.add("--namespace", "POD_NAMESPACE", None, _name, "where to create it; one that the webhook serves")
    options.add("--controller-id", "CONTROLLER_ID", "", str, "the label seldon.io/controller-id to give it")
    options.add_log_level()
    return options.parse(argv)


class _Options:
    """A parser whose flags can all be given as environment variables too."""

    def __init__(self, program: str, description: str, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._required: dict[str, str] = {}
        self._parser = argparse.ArgumentParser(
            prog=program,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def add(self, flag: str, variable: str, default: str | None, kind: Callable[[str], Any], text: str) -> None:
        """Add a flag; without a default it is required."""
        if default is None:
            self._required[flag] = variable
        shown = "required" if default is None else f"default: {default or 'none'}"
        self._parser.add_argument(
            flag,
            type=kind,
            default=self._environ.get(variable) or default,
            metavar="VALUE",
            help=f"{text} (${variable}; {shown})",
        )

    def add_log_level(self) -> None:
        self.add("--log-level", "SELDON_LOG_LEVEL", "INFO", _log_level, f"how much to log: {', '.join(LOG_LEVELS)}")

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        options = self._parser.parse_args(argv)
        missing = [
            f"{flag} is missing: give it or set {variable}"
            for flag, variable in self._required.items()
            if getattr(options, flag.lstrip("-").replace("-", "_")) is None
        ]
        if missing:
            self.refuse("; ".join(missing))
        return options

    def refuse(self, problem: str) -> NoReturn:
        """End with a message and code 2."""
        self._parser.error(problem)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a port number from 1 to 65535")
    return int(text)


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}: must be the name of a Kubernetes object")
    return text


def _name_or_none(text: str) -> str:
    return _name(text) if text else ""


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r}: must be true or false")
    return text == "true"


def _certificates(text: str) -> str:
    if text not in ("own", "given"):
        raise argparse.ArgumentTypeError(f"{text!r}: must be own or given")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 86400:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number of seconds above 0 and below 86400")
    return seconds


def _log_level(text: str) -> str:
    if text not in LOG_LEVELS:
        raise argparse.ArgumentTypeError(f"{text!r}: must be one of {', '.join(LOG_LEVELS)}")
    return text
