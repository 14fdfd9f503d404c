"""The command line of `python -m controller`, and the environment variables behind it."""

import argparse
import re
import socket
from collections.abc import Mapping, Sequence

from controller.app import Settings
from seldon_core.plan import Config, ConfigError

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")

_DESCRIPTION = """\
The controller of Seldon Core: builds Deployments and Services from SeldonDeployments, keeps them as they should be, and
writes the status.

Of several replicas the one that holds the Lease works; the others stand by. It stops within seconds when it cannot
renew the Lease, and then exits so that it is started afresh.

  GET  /healthz    200 while the watches hear from the API server
  GET  /readyz     200 once everything has been listed, whether it leads or not
  GET  /metrics    for Prometheus

The API server is found by $KUBECONFIG, else by the pod's service account, else by ~/.kube/config.
SIGTERM ends it in order: what is under way is finished, the Lease is released, exit code 0.
Exit code 1 means that it lost the Lease, 2 that it cannot start as configured; the message says what to change.

example:
  EXECUTOR_CONTAINER_IMAGE_AND_VERSION=docker.io/seldonio/seldon-core-engine:0.1.0 \\
    python -m controller --namespace models --operator-namespace seldon-system
"""
_EPILOG = """\
What it builds is set by environment variables (with their defaults):

  EXECUTOR_CONTAINER_IMAGE_AND_VERSION   image of the engine; required
  EXECUTOR_CONTAINER_IMAGE_PULL_POLICY   IfNotPresent
  EXECUTOR_CONTAINER_USER                8888; user id of the engine, empty: the image's own
  EXECUTOR_SERVER_PORT                   8000; the engine's REST port, and that of predictor Services
  EXECUTOR_SERVER_GRPC_PORT              5001; likewise for gRPC
  EXECUTOR_SERVER_METRICS_PORT           5002; the engine's metrics port
  EXECUTOR_SERVER_METRICS_PORT_NAME      metrics; its name
  EXECUTOR_PROMETHEUS_PATH               /prometheus; path of the metrics of engine and components
  EXECUTOR_DEFAULT_CPU_REQUEST, _LIMIT   500m; where the predictor sets no svcOrchSpec.resources
  EXECUTOR_DEFAULT_MEMORY_REQUEST, _LIMIT  512Mi; likewise
  EXECUTOR_FULL_HEALTH_CHECKS            false; whether the engine asks components over their protocol
  DEFAULT_USER_ID                        8888; user id of pods without a security context of their own, empty:
                                         such pods get none
  PREDICTIVE_UNIT_HTTP_SERVICE_PORT      9000; first HTTP port of components
  PREDICTIVE_UNIT_GRPC_SERVICE_PORT      9500; first gRPC port
  PREDICTIVE_UNIT_METRICS_SERVICE_PORT   6000; first metrics port
  PREDICTIVE_UNIT_METRICS_PORT_NAME      metrics; its name
  PREDICTIVE_UNIT_STARTUP_SECONDS        300; how long a component without probes may take until it listens
  DEPLOYMENT_NAME_AS_PREFIX              false; whether shortened names begin with the SeldonDeployment's name
  CONTROLLER_ID                          only SeldonDeployments with this label seldon.io/controller-id
  SELDON_CLUSTER_DOMAIN                  cluster.local
  EXECUTOR_CONTAINER_SERVICE_ACCOUNT_NAME  default; service account of an engine in pods of its own
  EXECUTOR_REQUEST_LOGGER_DEFAULT_ENDPOINT  http://default-broker; where requests are logged to
  EXECUTOR_REQUEST_LOGGER_WORK_QUEUE_SIZE  10000; how many messages wait for that
  EXECUTOR_REQUEST_LOGGER_WRITE_TIMEOUT_MS  2000; how long one waits for room in that queue
  DEFAULT_CERT_MOUNT_PATH_NAME           /cert/; where the engine finds the certificate of a predictor with ssl
  PREDICTOR_SERVERS                      images of prepackaged servers, as JSON like the value predictor_servers
  PREPACKAGED_SERVER_STARTUP_SECONDS     1800; how long such a server may take until it is ready
  PREDICTIVE_UNIT_DEFAULT_ENV_SECRET_REF_NAME  Secret with the credentials of models where a node names none
  STORAGE_INITIALIZER_IMAGE              seldonio/rclone-storage-initializer:1.18.2; fetches models
  STORAGE_INITIALIZER_CPU_REQUEST, _LIMIT  100m and 1
  STORAGE_INITIALIZER_MEMORY_REQUEST, _LIMIT  100Mi and 1Gi
  EXPLAINER_IMAGE                        seldonio/alibiexplainer:1.18.2; for the protocols seldon and tensorflow
  EXPLAINER_IMAGE_V2                     seldonio/mlserver:1.3.5-alibi-explain; for V2
  KEDA_ENABLED                           false; whether KEDA is there to act on ScaledObjects
  GATEWAY_API_ENABLED                    false; whether requests are routed through Gateway API
  GATEWAY_API_GATEWAYS                   Gateways that routes attach to: namespace/name or namespace/name/listener, ...
  GATEWAY_API_GRPC_GATEWAYS              those of gRPC, which cannot share a listener with REST; none: those above
  ISTIO_ENABLED                          false; whether they are routed through Istio
  ISTIO_GATEWAY                          istio-system/seldon-gateway; where a SeldonDeployment names no other
  ISTIO_TLS_MODE                         how Istio speaks to pods; empty leaves it to the mesh
  AMBASSADOR_ENABLED                     false; whether they are routed through Ambassador
  AMBASSADOR_SINGLE_NAMESPACE            false; whether there are paths without the namespace as well
  ROLLOUT_ON_UPGRADE                     keep; pods stay as an earlier operator or configuration built them until their
                                         manifest, or its annotation seldon.io/refresh, changes; roll: they are built
                                         anew
  ROLLOUT_CONCURRENCY                    1; how many SeldonDeployments do so at the same time
"""


def read(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[Settings, Config, str]:
    """Read the command line and the environment.

    Args:
        argv: The arguments after the program.
        environ: The environment variables.

    Returns:
        The settings, the configuration and the log level.

    Raises:
        ConfigError: Some of it cannot be used; all of that is listed.
        SystemExit: With code 2 for a flag that does not exist, or with 0 after the help.
    """
    given = _parser(environ).parse_args(argv)
    problems: list[str] = []

    def check(flag: str, value: str, good: bool, rule: str) -> str:
        if not good:
            problems.append(f"{flag}: {value!r}: {rule}")
        return value

    is_name = "must be the name of a Kubernetes object"
    namespace = given.namespace
    check("--namespace", namespace, not namespace or bool(_NAME.fullmatch(namespace)), is_name)
    operator = given.operator_namespace
    check("--operator-namespace", operator, bool(_NAME.fullmatch(operator)), is_name)
    lease = given.leader_election_id
    check("--leader-election-id", lease, bool(_NAME.fullmatch(lease)), is_name)
    port = given.metrics_port
    usable = port.isascii() and port.isdecimal() and int(port) < 65536
    check("--metrics-port", port, usable, "must be a port number up to 65535; 0 is any free port")
    level = given.log_level
    check("--log-level", level, level in LOG_LEVELS, f"must be one of {', '.join(LOG_LEVELS)}")
    try:
        config = Config.from_env(environ)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)
    identity = environ.get("POD_NAME") or socket.gethostname()
    settings = Settings(namespace or None, operator, int(port), lease, identity, given.dry_run)
    return settings, config, level


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m controller",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for flag, variable, default, text in (
        ("--namespace", "WATCH_NAMESPACE", "", "the namespace to watch; empty is all of them"),
        ("--operator-namespace", "POD_NAMESPACE", "seldon-system", "where its Lease is kept"),
        ("--metrics-port", "SELDON_METRICS_PORT", "8080", "port for probes and metrics"),
        ("--leader-election-id", "LEADER_ELECTION_ID", "seldon-controller", "name of its Lease"),
        ("--log-level", "SELDON_LOG_LEVEL", "INFO", f"how much to log: {', '.join(LOG_LEVELS)}"),
    ):
        shown = f"{text} (${variable}; default: {default or 'none'})"
        parser.add_argument(flag, default=environ.get(variable) or default, metavar="VALUE", help=shown)
    parser.add_argument(
        "--dry-run", action="store_true", help="say what a pass over each SeldonDeployment would do, and do none of it"
    )
    return parser
