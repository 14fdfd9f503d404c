"""`seldon-core default`: what the mutating webhook would store."""

import click

from seldon_core.api.defaults import stored_defaults

from .documents import read_valid, write


@click.command("default", short_help="Print SeldonDeployments as the webhook stores them.")
@click.option(
    "--graph/--no-graph",
    default=True,
    show_default=True,
    help="Whether predictors get defaults as well, or spec.protocol, transport and serverType only "
    "(the chart's webhook.defaulting.graph).",
)
@click.argument("file", metavar="FILE")
def command(graph: bool, file: str) -> None:
    """Print SeldonDeployments as the mutating webhook would store them.

    FILE is YAML or JSON, with one or more documents; - is standard input. Findings go to standard error.

    \b
    Exit code: 0 printed, 1 something would be refused, 2 the file cannot be used.

    \b
    Examples:
      seldon-core default model.yaml
      seldon-core default --no-graph - < model.yaml
    """
    write(stored_defaults(document.object, graph=graph) for document in read_valid(file))
