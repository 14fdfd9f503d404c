"""`python3 -m hack.images build|load [NAME...]`: build the container images, and put them into the local cluster."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from hack.cache import cache_dir, locked, write_if_changed
from hack.cluster import current
from hack.cluster.layout import Layout
from hack.console import Failure, run_main, say
from hack.images import builder, check, settings
from hack.images.catalogue import Image, catalogue, key_of


def build(names: Sequence[str]) -> dict[str, Path]:
    """Build images, and those they start from, unless nothing that goes into them changed.

    Arguments:
        names: the names of images; none means all.

    Returns:
        The docker archive of each image, by its name.

    Raises:
        Failure: a build fails, or leaves something of the machine in the image.
    """
    images = catalogue()
    wanted = with_parents(names or list(images), images)
    with locked("images"):
        program = builder.choose()
        base_key = program.prepare()
        keys: dict[str, str] = {}
        archives: dict[str, Path] = {}
        built: set[str] = set()
        for image in wanted:
            keys[image.name] = key_of(image, keys[image.parent] if image.parent else base_key)
            archives[image.name] = archive = _folder() / f"{image.name}-{keys[image.name]}.tar"
            if archive.exists():
                say(f"{image.tag}: unchanged")
                continue
            if image.parent and image.parent not in built:
                program.restore(archives[image.parent])
            _build_one(program, image, archive)
            built.add(image.name)
    return {name: archives[name] for name in names or images}


def with_parents(names: Sequence[str], images: dict[str, Image]) -> list[Image]:
    """Return the images of those names and the images that they start from, parents first.

    Raises:
        Failure: there is no image of one of the names.
    """
    wanted: list[Image] = []
    for name in names:
        if name not in images:
            raise Failure(f"{name}: no such image; one of {', '.join(images)}")
        image = images[name]
        parents = with_parents([image.parent], images) if image.parent else []
        wanted += [each for each in [*parents, image] if each not in wanted]
    return wanted


def _build_one(program: builder.Builder, image: Image, archive: Path) -> None:
    partial = archive.with_suffix(".partial")
    program.build(image, partial)
    if found := check.findings(partial, machine_texts()):
        partial.unlink()
        listing = "\n".join(f"    {finding}" for finding in found)
        raise Failure(f"{image.tag} must not be shipped; change {image.dockerfile}:\n{listing}")
    for old in _folder().glob(f"{image.name}-*.tar"):
        old.unlink()
    partial.rename(archive)


def machine_texts() -> list[str]:
    """Return texts that would give away the machine that built an image."""
    pip = settings.pip_settings()
    return [str(cache_dir()), *(pip[name] for name in ("index-url", "extra-index-url", "find-links") if name in pip)]


def load(names: Sequence[str]) -> None:
    """Put images into the cluster, building them first where something changed; those that are there stay.

    Raises:
        Failure: the cluster is not up, or a build fails.
    """
    layout = Layout.current()
    if not layout.kubeconfig.exists():
        raise Failure("the local cluster is not up; run `python3 -m hack.cluster up`")
    archives = build(names)
    cluster, record = current(), layout.root / "images.json"
    loaded: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
    for name, archive in archives.items():
        if loaded.get(name) != archive.name:
            say(f"loading {name} into the cluster")
            cluster.load(archive)
            loaded[name] = archive.name
            write_if_changed(record, json.dumps(loaded))


def _folder() -> Path:
    return cache_dir() / "images"


def main(arguments: Sequence[str]) -> int:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(prog="python3 -m hack.images", description=__doc__)
    parser.add_argument("command", choices=["build", "load"])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(catalogue())}; all by default")
    chosen = parser.parse_args(arguments)
    if chosen.command == "build":
        build(chosen.names)
    else:
        load(chosen.names)
    return 0


if __name__ == "__main__":
    run_main(main)
