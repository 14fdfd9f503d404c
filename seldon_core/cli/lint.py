"""`seldon-core lint`: the webhook's checks, offline."""

import json

import click

from .documents import FINDINGS, UNUSABLE, Document, Unusable, line, read_all, show
from .values import installation


@click.command("lint", short_help="Check SeldonDeployments as the webhook does.")
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How findings are printed; json is a list of {file, name, path, severity, message}.",
)
@click.option(
    "--values",
    metavar="FILE",
    multiple=True,
    help="Values of the Helm chart, for the servers in predictor_servers; may be given several times.",
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
def command(output: str, values: tuple[str, ...], files: tuple[str, ...]) -> None:
    """Check SeldonDeployments with the very rules of the admission webhook.

    A FILE is YAML or JSON, with one or more documents; - is standard input. Objects of other kinds are passed over,
    with a note on standard error.

    \b
    Exit code: 0 nothing is wrong (warnings aside), 1 something would be refused, 2 a file cannot be used.

    \b
    Examples:
      seldon-core lint model.yaml
      kubectl get sdep -A -o yaml | seldon-core lint -
      seldon-core lint --output json manifests/*.yaml
      seldon-core lint --values values.yaml model.yaml
    """
    installed = installation(values)
    documents: list[Document] = []
    unusable = False
    for file in files:
        try:
            content = read_all(file)
        except Unusable as error:
            unusable = True
            error.show()
        else:
            documents += content.documents
            for note in content.notes:
                show(f"note: {note}", err=True)
    found = [(document, finding) for document in documents for finding in document.findings(installed)]
    errors = sum(finding.severity == "error" for _, finding in found)
    if output == "json":
        rows = [
            {
                "file": document.file,
                "name": document.name,
                "path": finding.path,
                "severity": finding.severity,
                "message": str(finding),
            }
            for document, finding in found
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        for document, finding in found:
            show(line(document, finding))
        click.echo(f"{_count(len(documents), 'SeldonDeployment')}: {_count(errors, 'error')}, "
                   f"{_count(len(found) - errors, 'warning')}")  # fmt: skip
    click.get_current_context().exit(UNUSABLE if unusable else FINDINGS if errors else 0)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
