"""Which requirements have a release for this Python: read from requirements files, answered by pip's own index.

pip is asked as the user has set it up, so that mirrors, credentials and local folders count.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Answer", "Requirement", "UnansweredError", "ask", "read"]

_AT_ONCE = 4
_PIP = (sys.executable, "-m", "pip")
_LOOK = ("install", "--dry-run", "--no-deps", "--ignore-installed", "--no-input", "--retries", "1")
_NOT_FOUND = "No matching distribution found for"
_UNREACHABLE = re.compile(r"WARNING: (?:Retrying .* after connection broken by (.*): /|(\d{3} Error, .*))")
_VERSIONS = re.compile(r"\(from versions: (.*)\)")
_PRE_RELEASE = re.compile(r"\d(?:a|b|rc|\.dev)\d")
_NESTED = re.compile(r"(?:-r|--requirement)(?:\s+|=)(?P<file>.+)")
_CONSTRAINED = re.compile(r"(?:-c|--constraint)(?:\s+|=)(?P<file>.+)")
_EDITABLE = re.compile(r"-e\b|--editable\b")
_NOT_OF_AN_INDEX = re.compile(r"-e\b|--editable\b|[./]|[a-z+]+://|[^;]*\s@\s|[^;]*://")


class UnansweredError(Exception):
    """The index could not be asked; the message says why and what to do."""


@dataclass(frozen=True)
class Requirement:
    """One line of a requirements file.

    Attributes:
        text: What is asked for, without comments.
        file: The file that it stands in.
        options: The lines with options of that file and of those that name it, which count for every requirement.
    """

    text: str
    file: Path
    options: tuple[str, ...] = ()

    @property
    def is_of_an_index(self) -> bool:
        """Whether an index can be asked: not for folders, files and addresses."""
        return not _NOT_OF_AN_INDEX.match(self.text)

    @property
    def name(self) -> str:
        """The text without hashes."""
        return self.text.partition(" --")[0].strip()


@dataclass(frozen=True)
class Answer:
    """What the index has for a requirement.

    Attributes:
        requirement: The requirement.
        kind: "wheel"; "source" where there is nothing but the source; "none".
        versions: Other versions that it has for this Python, oldest first; in wheels, where there is a source.
    """

    requirement: Requirement
    kind: str
    versions: tuple[str, ...] = ()

    @property
    def is_release(self) -> bool:
        """Whether this Python has a release: a wheel, or the source of a package that has no wheels for it.

        Where other versions have wheels for this Python, the source is of a version that was made for older ones.
        """
        return self.kind == "wheel" or (self.kind == "source" and not self.versions)


def read(file: Path, options: tuple[str, ...] = ()) -> list[Requirement]:
    """Read a requirements file and those that it includes.

    Raises:
        OSError: One cannot be read.
        UnicodeDecodeError: One is no text.
    """
    lines = list(_lines(file.read_text()))
    own = [line for line in lines if line.startswith("-") and not _EDITABLE.match(line)]
    options += tuple(
        f"--constraint {(file.parent / match['file']).absolute()}" if (match := _CONSTRAINED.match(line)) else line
        for line in own
        if not _NESTED.match(line)
    )
    found = [Requirement(line, file, options) for line in lines if line not in own]
    for line in own:
        if match := _NESTED.match(line):
            found += read(file.parent / match["file"], options)
    return found


def ask(requirements: Sequence[Requirement]) -> Iterator[Answer]:
    """Yield what the index has for each of the requirements, in their order.

    Raises:
        UnansweredError: There is no pip, or it does not reach the index.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(_ask, requirements)


def _ask(requirement: Requirement) -> Answer:
    done = _pip(requirement, "--only-binary=:all:")
    if done.returncode == 0:
        return Answer(requirement, "wheel")
    _raise_unless_not_found(requirement, done)
    # Nothing of the build may be fetched: whether it fails or not, that it began shows that there is a source.
    source = _pip(requirement, "--no-build-isolation")
    if source.returncode == 0 or _NOT_FOUND not in source.stderr:
        return Answer(requirement, "source", _versions(done.stderr))
    return Answer(requirement, "none", _versions(source.stderr))


def _raise_unless_not_found(requirement: Requirement, done: subprocess.CompletedProcess[str]) -> None:
    if "No module named pip" in done.stderr:
        raise UnansweredError(f"{sys.executable} has no pip to ask the index with; run `python -m ensurepip`")
    if failed := _UNREACHABLE.search(done.stderr):
        cause = re.sub(r"<[^>]*>: ", "", failed[1] or failed[2])
        raise UnansweredError(f"the package index cannot be asked: {cause}; `pip config list` shows which one it is")
    if _NOT_FOUND not in done.stderr:
        said = "\n".join(line for line in done.stderr.splitlines() if line.startswith(("ERROR", "error")))
        raise UnansweredError(f"{requirement.file}: pip cannot use {requirement.text!r}: {said or done.stderr.strip()}")


def _pip(requirement: Requirement, option: str) -> subprocess.CompletedProcess[str]:
    with tempfile.NamedTemporaryFile("w", prefix="requirements-", suffix=".txt") as file:
        file.write("\n".join([*requirement.options, requirement.text, ""]))
        file.flush()
        command = [*_PIP, *_LOOK, option, "-r", file.name]
        return subprocess.run(command, cwd=requirement.file.parent, capture_output=True, text=True, check=False)


def _versions(output: str) -> tuple[str, ...]:
    found = _VERSIONS.search(output)
    listed = [] if found is None or found[1] == "none" else found[1].split(", ")
    return tuple(version for version in listed if not _PRE_RELEASE.search(version))


def _lines(text: str) -> Iterator[str]:
    """The lines of a requirements file: continued ones joined, comments and empty ones left out."""
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        stripped = re.sub(r"(?:^|\s)#.*", "", line).strip()
        if stripped:
            yield stripped
