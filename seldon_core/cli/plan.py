"""`seldon-core plan`: what the controller would apply."""

import os
from collections.abc import Iterator
from typing import Any

import click

from seldon_core.plan import Config, ConfigError, Observed, plan
from seldon_core.plan.config import DEFAULT_ENGINE_IMAGE

from .documents import Document, Unusable, read_valid, write


@click.command("plan", short_help="Print the objects that the controller would apply.")
@click.option(
    "--namespace",
    "-n",
    default="default",
    show_default=True,
    metavar="NAME",
    help="The namespace of SeldonDeployments that name none.",
)
@click.argument("file", metavar="FILE")
def command(namespace: str, file: str) -> None:
    """Print the Kubernetes objects that the controller would apply, in its order, as a YAML stream.

    They are what it would make in a cluster that holds none of them yet, without the reference to their owner. The
    operator's configuration is read from the same environment variables that the controller reads
    (`python -m controller --help` lists them); what is not set is as the chart sets it.

    FILE is YAML or JSON, with one or more documents; - is standard input. Findings go to standard error.

    \b
    Exit code: 0 printed, 1 something would be refused, 2 the file or the configuration cannot be used.

    \b
    Examples:
      seldon-core plan model.yaml
      seldon-core plan model.yaml | kubectl apply --dry-run=server -f -
      DEFAULT_USER_ID=1000 seldon-core plan --namespace models model.yaml
    """
    try:
        config = Config.from_env({"EXECUTOR_CONTAINER_IMAGE_AND_VERSION": DEFAULT_ENGINE_IMAGE, **os.environ})
    except ConfigError as error:
        raise Unusable(f"the configuration cannot be used:\n{error}") from error
    documents = read_valid(file)
    write(obj for document in documents for obj in _objects(document, namespace, config))


def _objects(document: Document, namespace: str, config: Config) -> Iterator[dict[str, Any]]:
    metadata = {"namespace": namespace, **document.object["metadata"]}
    yield from plan({**document.object, "metadata": metadata}, config, Observed()).objects
