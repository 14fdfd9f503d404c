"""Builds seldon_core/proto from the sources in proto/, or checks that it is what they say.

Run as `python3 -m hack.generate_protos [--check]`; needs grpcio-tools.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from google.protobuf import descriptor_pb2

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "proto"
DIRECTORY = ROOT / "seldon_core" / "proto"
# File that is written -> the sources that it describes; those that they import are added.
SETS = {
    "prediction.binpb": ["prediction.proto"],
    "inference.binpb": ["inference.proto"],
    "tensorflow.binpb": ["tensorflow_serving/apis/predict.proto"],
}
STUB = "prediction_pb2.pyi"


def build() -> dict[str, bytes]:
    """Return the content of every generated file, by name.

    Raises:
        RuntimeError: a source cannot be compiled; the compiler has said why.
    """
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        for name, sources in SETS.items():
            _protoc(f"--descriptor_set_out={out / name}", "--include_imports", *sources)
        _protoc(f"--pyi_out={out}", "prediction.proto")
        return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def _protoc(*arguments: str) -> None:
    from grpc_tools import protoc  # an extension of ten megabytes: only where it is used

    well_known = Path(protoc.__file__).parent / "_proto"
    if protoc.main(["protoc", f"-I{SOURCES}", f"-I{well_known}", *arguments]):
        raise RuntimeError(f"protoc {' '.join(arguments)} failed")


def same(name: str, one: bytes, other: bytes) -> bool:
    """Whether two versions of a file say the same; compilers may order the bytes of a descriptor differently."""
    if name == STUB:
        return one == other
    read = descriptor_pb2.FileDescriptorSet.FromString
    return read(one) == read(other)


def main(argv: Sequence[str] | None = None, directory: Path = DIRECTORY) -> int:
    """Write the files, or compare them.

    Args:
        argv: The arguments of the command line.
        directory: Where the files are.

    Returns:
        0, or 1 when `--check` finds a file that differs.
    """
    parser = argparse.ArgumentParser(prog="python3 -m hack.generate_protos", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is not up to date")
    check = parser.parse_args(argv).check
    stale = []
    for name, content in build().items():
        path = directory / name
        if path.exists() and same(name, path.read_bytes(), content):
            continue
        stale.append(path)
        if not check:
            path.write_bytes(content)
    for path in stale if check else []:
        print(f"{path}: differs from what its sources generate; run `make generate`", file=sys.stderr)
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main())
