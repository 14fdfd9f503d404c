"""`python3 -m hack.tools NAME...`: print the paths of tools, making first those that are missing."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hack.console import run_main
from hack.tools import debian, find
from hack.tools.catalogue import TOOLS


def main(arguments: Sequence[str]) -> int:
    """Print one path per named tool, in the order of the names."""
    parser = argparse.ArgumentParser(prog="python3 -m hack.tools", description=__doc__)
    known = sorted({*TOOLS, *debian.PACKAGES})
    parser.add_argument("names", nargs="+", metavar="NAME", choices=known, help=f"one of: {', '.join(known)}")
    names = parser.parse_args(arguments).names
    debian.ensure(name for name in names if name not in TOOLS)
    for name in names:
        print(find(name) if name in TOOLS else debian.on_path(name), flush=True)
    return 0


if __name__ == "__main__":
    run_main(main)
