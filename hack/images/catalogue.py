"""Which images there are, and what goes into each: a key of that says whether one must be built again. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hack.cache import content_key
from hack.console import Failure

ROOT = Path(__file__).resolve().parent.parent.parent
BASE_IMAGE = "docker.io/library/python:3.11-slim-bookworm"
_NOT_COPIED = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"}


@dataclass(frozen=True)
class Image:
    """An image of this project.

    Arguments:
        name: what it is called on the command line.
        tag: the full name with its tag.
        folder: the folder of its Dockerfile, relative to the root of the checkout.
        context: the folder its files come from.
        parent: the name of the image of ours that it starts from, or None.
    """

    name: str
    tag: str
    folder: str
    context: Path
    parent: str | None = None

    @property
    def dockerfile(self) -> Path:
        """Its Dockerfile."""
        return ROOT / self.folder / "Dockerfile"


def project_version(root: Path = ROOT) -> str:
    """Return the version of the project, which is also the tag of its images."""
    found = re.search(r'^__version__ = "(.+)"$', (root / "seldon_core/__init__.py").read_text(), re.MULTILINE)
    if not found:
        raise Failure('seldon_core/__init__.py: no line __version__ = "..."')
    return found[1]


def catalogue() -> dict[str, Image]:
    """Return the images by name, parents before their children."""
    version = project_version()
    core = [
        Image(name, f"docker.io/seldonio/seldon-core-{name}:{version}", f"images/{name}", ROOT)
        for name in ("operator", "engine", "microservice")
    ]
    examples = [
        Image(folder.rpartition("/")[2], f"docker.io/seldonio/{tag}", f"examples/{folder}", ROOT / "examples" / folder,
              "microservice")
        for folder, tag in (
            ("mock_classifier", "mock_classifier:1.0"),
            ("iris", f"iris-classifier:{version}"),
            ("components/mean_transformer", f"mean-transformer:{version}"),
            ("components/mean_combiner", f"mean-combiner:{version}"),
            ("components/epsilon_greedy", f"epsilon-greedy:{version}"),
            ("components/outlier_detector", f"outlier-detector:{version}"),
        )
    ]  # fmt: skip
    return {image.name: image for image in [*core, *examples]}


def key_of(image: Image, parent_key: str) -> str:
    """Return a key that changes with everything that goes into an image.

    Arguments:
        image: the image.
        parent_key: the key of what it starts from.

    Raises:
        Failure: its Dockerfile cannot be read or names a file that is not there.
    """
    dockerfile = read_dockerfile(image)
    files = copied_files(dockerfile, image)
    names = "\n".join(f"{file.relative_to(image.context)} {file.stat().st_mode & 0o111:o}" for file in files)
    return content_key(files, names, dockerfile, parent_key, image.tag)


def read_dockerfile(image: Image) -> str:
    """Return the text of an image's Dockerfile.

    Raises:
        Failure: it is not there.
    """
    try:
        return image.dockerfile.read_text()
    except FileNotFoundError:
        raise Failure(f"{image.name}: {image.dockerfile} is not there") from None


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile, with continued lines joined and comments dropped."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\s*\n", " ", "\n".join(lines))
    words = (line.strip().partition(" ") for line in joined.splitlines() if line.strip())
    return [(word.upper(), rest.strip()) for word, _, rest in words]


def declared_arguments(dockerfile: str) -> set[str]:
    """Return the names of the build arguments that a Dockerfile declares."""
    return {rest.partition("=")[0].strip() for word, rest in instructions(dockerfile) if word == "ARG"}


def copied_files(dockerfile: str, image: Image) -> list[Path]:
    """Return the files of the context that a Dockerfile copies into an image.

    Raises:
        Failure: it copies something that is not there, or in a form that is not understood here.
    """
    found: set[Path] = set()
    for word, rest in instructions(dockerfile):
        if word not in {"COPY", "ADD"} or "--from=" in rest:
            continue
        *sources, _ = [part for part in rest.split() if not part.startswith("--")] or [""]
        if not sources or rest.startswith("[") or "<<" in rest:
            raise Failure(f"{image.dockerfile}: {word} {rest}: write it as {word} SOURCE... DESTINATION")
        for source in sources:
            found |= _files_of(source, image)
    return sorted(found)


def _files_of(source: str, image: Image) -> set[Path]:
    matches = (
        list(image.context.glob(source.removeprefix("./").rstrip("/")))
        if source not in {".", "./"}
        else [image.context]
    )
    if not matches:
        raise Failure(f"{image.dockerfile}: COPY {source}: not there in {image.context}")
    nested = [path for match in matches for path in (match.rglob("*") if match.is_dir() else [match])]
    return {path for path in nested if path.is_file() and not _NOT_COPIED & set(path.relative_to(image.context).parts)}
