"""`python -m tests.fuzz [--seconds N] [TARGET...]`: fuzz each target; exit code 1 when one fails."""

import argparse
import sys

from tests.fuzz.fuzzing import names, run


def main() -> int:
    """Run the command line and return the exit code."""
    known = names()
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for how long, each (default 60)")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"which; all by default: {', '.join(known)}")
    given = parser.parse_args()
    if given.seconds < 1:
        parser.error("--seconds must be 1 or more")
    if unknown := sorted(set(given.targets) - set(known)):
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(known)}")
    failed = False
    for name in given.targets or known:
        outcome = run(name, given.seconds)
        failed = failed or bool(outcome.failure)
        sys.stdout.write(f"{name}: {outcome.inputs:,} inputs in {given.seconds} s: {outcome.failure or 'ok'}\n")
        sys.stdout.flush()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
