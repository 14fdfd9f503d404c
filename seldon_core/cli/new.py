"""`seldon-core new`: a folder with a model that can be served, tested, put into an image and deployed as it is."""

import sys
from pathlib import Path

import click

from .documents import FINDINGS, Unusable
from .project import Names, files
from .requirements import Answer, UnansweredError, ask, read

_PYTHON = f"Python {sys.version_info.major}.{sys.version_info.minor}"


@click.command("new", short_help="Write a model to start from; check its requirements.")
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing: read requirements.txt of the folder NAME, ask the package index that pip uses, and name what "
    "has no release for this Python.",
)
@click.argument("name", metavar="NAME")
def command(check: bool, name: str) -> None:
    """Write a folder NAME with a model, its requirements, Dockerfile, SeldonDeployment and test.

    The last part of NAME gives the names of the class, the image and the SeldonDeployment. Nothing is ever overwritten.

    With --check, say whether the requirements of the folder NAME can be installed with the Python that runs this
    command, which is what an old model needs to know before it moves to a new one.

    \b
    Exit code: 0 written, or every requirement has a release; 1 some have none; 2 NAME cannot be used, or the
    package index cannot be asked.

    \b
    Examples:
      seldon-core new my-model
      seldon-core new --check my-model
    """
    if check:
        _check(Path(name))
    else:
        _write(Path(name))


def _write(folder: Path) -> None:
    try:
        names = Names.of(folder.name)
    except ValueError as error:
        raise Unusable(f"NAME: {error}") from error
    texts = files(names)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise Unusable(f"{folder}: is there already and is not overwritten; take another name or remove it")
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise Unusable(f"{error.filename or folder}: cannot be written: {error.strerror}") from error
    click.echo(f"wrote {', '.join(str(folder / name) for name in texts)}")
    steps = {
        f"cd {folder}": "",
        "python -m unittest": "test it",
        f"seldon-core-microservice {names.cls}": "serve it on port 9000",
        f"docker build -t {names.kubernetes}:0.1.0 .": "put it into an image",
        "kubectl apply -f seldon-deployment.yaml": "deploy it, once the cluster has the image",
    }
    width = max(map(len, steps))
    click.echo("Next:")
    for step, why in steps.items():
        click.echo(f"  {step:{width}}  # {why}" if why else f"  {step}")


def _check(folder: Path) -> None:
    file = folder / "requirements.txt"
    try:
        requirements = read(file)
    except OSError as error:
        place = error.filename or file
        raise Unusable(f"{place}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise Unusable(f"{file}: is not text: {error.reason} at byte {error.start}; write it in UTF-8") from error
    try:
        answers = list(ask([each for each in requirements if each.is_of_an_index]))
    except UnansweredError as error:
        raise Unusable(str(error)) from error
    for requirement in requirements:
        if not requirement.is_of_an_index:
            click.echo(f"{requirement.file}: {requirement.name}: not checked, it does not come from a package index")
    for answer in answers:
        if answer.kind != "wheel":
            click.echo(_line(answer))
    missing = sum(not answer.is_release for answer in answers)
    click.echo(f"{len(answers) - missing} of {len(answers)} requirements have a release for {_PYTHON}")
    click.get_current_context().exit(FINDINGS if missing else 0)


def _line(answer: Answer) -> str:
    place = f"{answer.requirement.file}: {answer.requirement.name}"
    if answer.kind == "source" and not answer.versions:
        return (
            f"{place}: has only a source release, which pip builds; the image needs a compiler if it is not all Python"
        )
    if not answer.versions:
        return f"{place}: no release for {_PYTHON}: the index has none at all for it under this name"
    have = answer.versions[0] if len(answer.versions) == 1 else f"{answer.versions[0]} to {answer.versions[-1]}"
    source = ", only its source, which was made for others" if answer.kind == "source" else ""
    return f"{place}: no release for {_PYTHON}{source}; there are {have}"
