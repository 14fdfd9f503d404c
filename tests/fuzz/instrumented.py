"""`python -m tests.fuzz.instrumented TARGET [LIBFUZZER FLAGS] CORPUS`: one target under atheris, until it fails.

The branches of the project's own packages guide the search.
"""

import importlib
import logging
import sys

import atheris

from tests.fuzz.fuzzing import module_of

PACKAGES = ["seldon_core", "webhook", "controller"]


def main() -> None:
    """Import the target with counters at its branches, and fuzz."""
    with atheris.instrument_imports(include=PACKAGES):
        check = importlib.import_module(module_of(sys.argv[1])).check
    logging.disable(logging.CRITICAL)
    atheris.Setup([sys.argv[0], *sys.argv[2:]], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
