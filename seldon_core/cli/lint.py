"""`seldon-core lint`: the webhook's checks, offline."""

import json

import click

from .documents import FINDINGS, UNUSABLE, Document, Unusable, line, read


@click.command("lint", short_help="Check SeldonDeployments as the webhook does.")
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How findings are printed; json is a list of {file, name, path, severity, message}.",
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
def command(output: str, files: tuple[str, ...]) -> None:
    """Check SeldonDeployments with the very rules of the admission webhook.

    A FILE is YAML or JSON, with one or more documents; - is standard input. Objects of other kinds are passed over.

    \b
    Exit code: 0 nothing is wrong (warnings aside), 1 something would be refused, 2 a file cannot be used.

    \b
    Examples:
      seldon-core lint model.yaml
      kubectl get sdep -A -o yaml | seldon-core lint -
      seldon-core lint --output json manifests/*.yaml
    """
    documents: list[Document] = []
    unusable = False
    for file in files:
        try:
            documents += read(file)
        except Unusable as error:
            unusable = True
            error.show()
    found = [(document, finding) for document in documents for finding in document.findings()]
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
            click.echo(line(document, finding))
        click.echo(f"{_count(len(documents), 'SeldonDeployment')}: {_count(errors, 'error')}, "
                   f"{_count(len(found) - errors, 'warning')}")  # fmt: skip
    click.get_current_context().exit(UNUSABLE if unusable else FINDINGS if errors else 0)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
