"""Reading SeldonDeployments out of YAML and JSON files, and writing objects as YAML."""

import os
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
from seldon_core.api.installation import Installation
from seldon_core.api.objects import as_map, as_text
from seldon_core.api.validate import validate

from .places import line_of

FINDINGS, UNUSABLE = 1, 2
Object = dict[str, Any]
_DEFAULT = Installation()
_COLOURS = {"error": "red", "warning": "yellow"}


class Unusable(click.ClickException):
    """A file that cannot be used; the message says which, where and why."""

    exit_code = UNUSABLE


@dataclass(frozen=True)
class Document:
    """A SeldonDeployment and where it stands.

    Attributes:
        file: The file, as it was named.
        name: Its name, empty if it has none.
        object: The object.
        node: The node of the object in the file.
    """

    file: str
    name: str
    object: Object
    node: yaml.Node

    def findings(self, installation: Installation = _DEFAULT) -> list[Finding]:
        """Return what is wrong with it."""
        return validate(self.object, None, installation)


@dataclass(frozen=True)
class Content:
    """What a file holds.

    Attributes:
        documents: The SeldonDeployments.
        notes: What else there is, one line for each part that is passed over.
    """

    documents: list[Document]
    notes: list[str]


def read_all(file: str) -> Content:
    """Read all that a file holds.

    Args:
        file: The path of a YAML or JSON file, which may hold several documents and lists; `-` is standard input.

    Raises:
        Unusable: It cannot be read, or is no YAML.
    """
    documents: list[Document] = []
    notes: list[str] = []
    try:
        for value, node in _parsed(_content(file)):
            for obj, part in _flattened(value, node):
                if isinstance(obj, dict) and _is_ours(obj):
                    name = as_text(as_map(obj.get("metadata")).get("name"))
                    documents.append(Document(file, name, obj, part))
                elif obj is not None:
                    notes.append(f"{file}:{part.start_mark.line + 1}: {_said(obj)}: passed over: no {KIND}")
    except yaml.YAMLError as error:
        raise Unusable(_where(file, error)) from error
    except UnicodeDecodeError as error:
        raise Unusable(f"{file}: is not text: {error.reason} at byte {error.start}; write it in UTF-8") from error
    except RecursionError as error:
        raise Unusable(f"{file}: is nested too deeply to be read") from error
    return Content(documents, notes)


def read(file: str) -> list[Document]:
    """Read the SeldonDeployments of a file; objects of other kinds are passed over.

    Args:
        file: As for `read_all`.

    Raises:
        Unusable: As for `read_all`; or it holds no SeldonDeployment.
    """
    found = read_all(file).documents
    if not found:
        raise Unusable(f"{file}: holds no SeldonDeployment; one has kind: {KIND} and apiVersion: {GROUP}/v1")
    return found


def read_valid(file: str, installation: Installation = _DEFAULT) -> list[Document]:
    """Read the SeldonDeployments of a file, show what is wrong with them, and go on only without errors.

    Args:
        file: As for `read`.
        installation: What the operator decides.

    Raises:
        Unusable: As for `read`.
        Exit: There is a finding of severity error.
    """
    documents = read(file)
    found = [(document, finding) for document in documents for finding in document.findings(installation)]
    for document, finding in found:
        show(line(document, finding), err=True)
    if any(finding.severity == "error" for _, finding in found):
        click.get_current_context().exit(FINDINGS)
    return documents


def line(document: Document, finding: Finding) -> str:
    """Return a finding as one line that says where it comes from, with colours."""
    place = f"{document.file}:{line_of(document.node, finding.path)}"
    severity = click.style(finding.severity, fg=_COLOURS[finding.severity], bold=True)
    # Names and paths are the user's text: no escape sequence of theirs reaches the terminal.
    name, text = _printable(document.name or "(no name)"), _printable(str(finding))
    return f"{click.style(place, bold=True)}: {name}: {severity}: {text}"


def show(text: str, *, err: bool = False) -> None:
    """Print a line; colours appear on a terminal only, and not where NO_COLOR (https://no-color.org) is set."""
    click.echo(text, err=err, color=False if os.environ.get("NO_COLOR") else None)


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


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


def _parsed(content: bytes) -> Iterator[tuple[Any, yaml.Node]]:
    """Yield the documents of a YAML stream and their nodes."""
    loader = _Loader(content)
    try:
        while loader.check_node():
            node: Any = loader.get_node()
            yield loader.construct_document(node), node
    finally:
        loader.dispose()


def _flattened(value: Any, node: yaml.Node) -> Iterator[tuple[Any, yaml.Node]]:
    """Yield the objects of a document and their nodes: itself, or the items of a list."""
    fields = as_map(value)
    if as_text(fields.get("kind")).endswith("List") and isinstance(fields.get("items"), list):
        listed = next(items for key, items in node.value if key.value == "items")
        for item, part in zip(fields["items"], listed.value, strict=True):
            yield from _flattened(item, part)
    else:
        yield value, node


def _said(value: Any) -> str:
    """Return what an object is called that is none of ours."""
    fields = as_map(value)
    kind, name = as_text(fields.get("kind")), as_text(as_map(fields.get("metadata")).get("name"))
    return _printable(f"{kind} {name}".strip()) or "a document without kind"


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
