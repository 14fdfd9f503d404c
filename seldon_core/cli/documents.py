"""Reading SeldonDeployments out of YAML and JSON files, and writing objects as YAML."""

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from seldon_core.api.constants import GROUP, KIND
from seldon_core.api.findings import Finding
from seldon_core.api.objects import as_list, as_map, as_text
from seldon_core.api.validate import validate

FINDINGS, UNUSABLE = 1, 2
Object = dict[str, Any]


class Unusable(click.ClickException):
    """A file that cannot be used; the message says which, where and why."""

    exit_code = UNUSABLE


@dataclass(frozen=True)
class Document:
    """A SeldonDeployment and where it stands.

    Attributes:
        file: The file, as it was named.
        name: The name of the SeldonDeployment, empty if it has none.
        object: The SeldonDeployment.
    """

    file: str
    name: str
    object: Object

    def findings(self) -> list[Finding]:
        """Return what is wrong with it."""
        return validate(self.object)


def read(file: str) -> list[Document]:
    """Read the SeldonDeployments of a file; objects of other kinds are passed over.

    Args:
        file: The path of a YAML or JSON file, which may hold several documents and lists; `-` is standard input.

    Raises:
        Unusable: It cannot be read, is no YAML, or holds no SeldonDeployment.
    """
    try:
        documents = list(yaml.load_all(_content(file), _Loader))
    except yaml.YAMLError as error:
        raise Unusable(_where(file, error)) from error
    except UnicodeDecodeError as error:
        raise Unusable(f"{file}: is not text: {error.reason} at byte {error.start}; write it in UTF-8") from error
    except RecursionError as error:
        raise Unusable(f"{file}: is nested too deeply to be read") from error
    found = [obj for document in documents for obj in _flattened(document) if _is_ours(obj)]
    if not found:
        raise Unusable(f"{file}: holds no SeldonDeployment; one has kind: {KIND} and apiVersion: {GROUP}/v1")
    return [Document(file, as_text(as_map(obj.get("metadata")).get("name")), obj) for obj in found]


def read_valid(file: str) -> list[Document]:
    """Read the SeldonDeployments of a file, show what is wrong with them, and go on only without errors.

    Args:
        file: As for `read`.

    Raises:
        Unusable: As for `read`.
        Exit: There is a finding of severity error.
    """
    documents = read(file)
    found = [(document, finding) for document in documents for finding in document.findings()]
    for document, finding in found:
        click.echo(line(document, finding), err=True)
    if any(finding.severity == "error" for _, finding in found):
        click.get_current_context().exit(FINDINGS)
    return documents


def line(document: Document, finding: Finding) -> str:
    """Return a finding as one line that says where it comes from."""
    return f"{document.file}: {document.name or '(no name)'}: {finding.severity}: {finding}"


def write(objects: Iterable[Object]) -> None:
    """Print objects as a YAML stream."""
    dumped = yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31 - 1)
    click.echo(dumped, nl=False)


def _content(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except IsADirectoryError as error:
        raise Unusable(
            f"{file}: is a directory; name the files in it, for example {file.rstrip('/')}/*.yaml"
        ) from error
    except OSError as error:
        raise Unusable(f"{file}: cannot be read: {(error.strerror or str(error)).lower()}") from error


def _where(file: str, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    return f"{file}: {place}is not YAML: {problem}"


def _flattened(document: Any) -> Iterator[Object]:
    """Yield the objects of a document: itself, or the items of a list."""
    if not isinstance(document, dict):
        return
    if as_text(document.get("kind")).endswith("List") and "items" in document:
        for item in as_list(document["items"]):
            yield from _flattened(item)
    else:
        yield document


def _is_ours(obj: Object) -> bool:
    return obj.get("kind") == KIND or as_text(obj.get("apiVersion")).startswith(f"{GROUP}/")


class _Loader(yaml.SafeLoader):
    """Reads YAML as kubectl does: JSON values only, a date is a string, keys are strings and stand there once."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the name and form are PyYAML's
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":value"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        written: set[Any] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in written:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value!r} stands there twice", key.start_mark
                    )
                written.add(key.value)
        mapping = super().construct_mapping(node, deep)
        return {key if isinstance(key, str) else _key(key): value for key, value in mapping.items()}


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


class _Dumper(yaml.SafeDumper):
    """Writes YAML that any reader takes for what it is."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, data: str) -> yaml.ScalarNode:
        style = '"' if _AMBIGUOUS.fullmatch(data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)


# What some YAML reader or other takes for a number or a boolean.
_AMBIGUOUS = re.compile(r"[-+.]?[0-9].*|y|n", re.IGNORECASE)
_Dumper.add_representer(str, _Dumper.represent_text)
