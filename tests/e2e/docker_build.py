"""`docker build` for machines where Docker does not answer: the same flags, by the builder that makes the images.

`python docker_build.py build [-f FILE] -t TAG CONTEXT`.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from hack.cache import locked
from hack.images import builder
from hack.images.catalogue import Image


def build(dockerfile: Path, tag: str, context: Path, archive: Path) -> None:
    """Build an image and write it to a docker archive."""
    image = Image(tag.rpartition("/")[2].partition(":")[0], f"docker.io/{tag}", str(dockerfile.parent), context)
    with locked("images"):
        program = builder.choose()
        program.prepare()
        program.build(image, archive)


def main(arguments: list[str]) -> None:
    """Take the flags of `docker build`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["build"])
    parser.add_argument("-f", "--file", default="Dockerfile")
    parser.add_argument("-t", "--tag", required=True)
    parser.add_argument("context")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        build(Path(given.file).resolve(), given.tag, Path(given.context).resolve(), Path(folder) / "image.tar")


if __name__ == "__main__":
    main(sys.argv[1:])
