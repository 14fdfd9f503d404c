"""`seldon-core plan`: what the controller would apply."""

import asyncio
import os
from typing import Any

import click

from seldon_core.plan import Config, ConfigError, Observed, plan
from seldon_core.plan.config import DEFAULT_ENGINE_IMAGE

from .documents import Document, Unusable, read_valid, write
from .values import environment


@click.command("plan", short_help="Print the objects that the controller would apply.")
@click.option(
    "--namespace",
    "-n",
    default="default",
    show_default=True,
    metavar="NAME",
    help="The namespace of SeldonDeployments that name none.",
)
@click.option(
    "--values",
    metavar="FILE",
    multiple=True,
    help="Values of the Helm chart, which win over the environment; may be given several times.",
)
@click.option("--live", is_flag=True, help="Plan against the cluster of the current kubectl context.")
@click.argument("file", metavar="FILE")
def command(namespace: str, values: tuple[str, ...], live: bool, file: str) -> None:
    """Print the Kubernetes objects that the controller would apply, in its order, as a YAML stream.

    They are what it would make in a cluster that holds none of them yet, without the reference to their owner. With
    --live they are what it would make of the cluster as it is, when FILE was applied: those that have to wait for
    others are left out. Nothing is written. The operator's configuration is read from the environment variables that
    the controller reads (`python -m controller --help` lists them); what is not set is as the chart sets it.

    FILE is YAML or JSON, with one or more documents; - is standard input. Findings go to standard error.

    \b
    Exit code: 0 printed, 1 something would be refused, 2 the file, the configuration or the cluster cannot be used.

    \b
    Examples:
      seldon-core plan model.yaml
      seldon-core plan --live --values values.yaml model.yaml | kubectl diff -f -
      seldon-core plan model.yaml | kubectl apply --dry-run=server -f -
      DEFAULT_USER_ID=1000 seldon-core plan --namespace models model.yaml
    """
    given = {"EXECUTOR_CONTAINER_IMAGE_AND_VERSION": DEFAULT_ENGINE_IMAGE, **os.environ, **environment(values)}
    try:
        config = Config.from_env(given)
    except ConfigError as error:
        raise Unusable(f"the configuration cannot be used:\n{error}") from error
    sdeps = [_placed(document, namespace) for document in read_valid(file, config.installation)]
    if live:
        write(obj for sdep, observed in _looked(sdeps) for obj in plan(sdep, config, observed).due())
    else:
        write(obj for sdep in sdeps for obj in plan(sdep, config, Observed()).objects)


def _placed(document: Document, namespace: str) -> dict[str, Any]:
    return {**document.object, "metadata": {"namespace": namespace, **document.object["metadata"]}}


def _looked(sdeps: list[dict[str, Any]]) -> list[tuple[dict[str, Any], Observed]]:
    from seldon_core.kube.errors import ConfigurationError, KubeError

    from .live import look

    try:
        return asyncio.run(look(sdeps))
    except (ConfigurationError, KubeError) as error:
        raise Unusable(f"the cluster cannot be used: {error}") from error
