"""Writes the bundled schemas of Kubernetes' types from a real API server of the version that is pinned in hack/.

Run as `python3 -m hack.generate_schemas [--check]`; the check starts nothing and compares versions only.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hack.console import Failure, run_main
from hack.controlplane import ControlPlane
from hack.tools.catalogue import KUBERNETES_VERSION
from seldon_core.api.kubernetes import BUNDLED_VERSION, OPENAPI_PATHS, definitions_of

FILE = Path(__file__).resolve().parent.parent / "seldon_core" / "api" / "kubernetes_schemas.py"
_HEAD = '''\
"""Schemas of Kubernetes' types, taken from the OpenAPI v3 documents of an API server by `make generate`."""

from typing import Any, Final

VERSION: Final = "{version}"
DEFINITIONS: Final[dict[str, dict[str, Any]]] = {{
'''


def fetch(control_plane: ControlPlane) -> dict[str, Any]:
    """Return the definitions of an API server that runs."""
    return definitions_of([control_plane.access.call("GET", path)[1] for path in OPENAPI_PATHS])


def render(version: str, definitions: Mapping[str, Any]) -> str:
    """Return the text of the module, one type per line."""
    lines = [f"    {name!r}: {schema!r},\n".replace("'", '"') for name, schema in definitions.items()]
    return "".join([_HEAD.format(version=version), *lines, "}\n"])


def main(argv: Sequence[str]) -> int:
    """Write the module, or compare its version with the one that is pinned.

    Args:
        argv: The arguments of the command line.

    Raises:
        Failure: The module is of another version.
    """
    parser = argparse.ArgumentParser(prog="python3 -m hack.generate_schemas", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the version is another one")
    if parser.parse_args(argv).check:
        if BUNDLED_VERSION != KUBERNETES_VERSION:
            raise Failure(f"{FILE}: is of {BUNDLED_VERSION}, not of {KUBERNETES_VERSION}; run `make generate`")
        return 0
    with ControlPlane() as control_plane:
        FILE.write_text(render(KUBERNETES_VERSION, fetch(control_plane)))
    return 0


if __name__ == "__main__":
    run_main(main)
