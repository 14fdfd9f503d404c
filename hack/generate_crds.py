"""Writes crds/ from the types in seldon_core/api, or checks that it is what they say.

Run as `python3 -m hack.generate_crds [--check]`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from seldon_core.api.crd import CRD_NAME, custom_resource_definition

DIRECTORY = Path(__file__).resolve().parent.parent / "crds"
HEADER = "# Generated from seldon_core/api/types.py by `make generate`: change it there.\n"


class _Compact(dict[str, Any]):
    """A part that is written without indentation."""


class _Dumper(yaml.SafeDumper):
    """Writes every part out in full: not every tool that reads a CRD follows YAML's references."""

    def ignore_aliases(self, data: object) -> bool:
        """Tell PyYAML that nothing is to be written as a reference."""
        return True


_Dumper.add_representer(
    _Compact, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)
)


def render() -> dict[str, str]:
    """Return the text of every generated file, by name."""
    definition = custom_resource_definition()
    for version in definition["spec"]["versions"]:
        # The levels of the graph say the same again and again, deeper and deeper.
        predictor = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["predictors"]["items"]
        children = predictor["properties"]["graph"]["properties"]["children"]
        children["items"] = _Compact(children["items"])
    body = yaml.dump(definition, Dumper=_Dumper, sort_keys=False, width=1000)
    return {f"{CRD_NAME}.yaml": HEADER + body}


def main(argv: Sequence[str] | None = None, directory: Path = DIRECTORY) -> int:
    """Write the files, or compare them.

    Args:
        argv: The arguments of the command line.
        directory: Where the files are.

    Returns:
        0, or 1 when `--check` finds a file that differs.
    """
    parser = argparse.ArgumentParser(prog="python3 -m hack.generate_crds", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is not up to date")
    check = parser.parse_args(argv).check
    stale = []
    for name, text in render().items():
        path = directory / name
        if path.exists() and path.read_text() == text:
            continue
        if check:
            stale.append(path)
        else:
            directory.mkdir(exist_ok=True)
            path.write_text(text)
    for path in stale:
        print(f"{path}: differs from what its types generate; run `make generate`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
