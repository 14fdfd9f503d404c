"""The engine as a program."""

import gc
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from seldon_core.api.podinfo import pod_annotations
from seldon_core.engine.config import (
    predictor_from_environment,
    predictor_from_file,
    read_predictor,
)
from seldon_core.engine.flags import UsageError, parse_flags, usage
from seldon_core.engine.service import serve
from seldon_core.engine.workers import serve_in_workers
from seldon_core.transport.limits import MIB
from seldon_core.transport.memory import keep_freed_memory, settle

# As much freed memory as the pieces of several large messages take.
KEPT_BYTES = 8 * MIB
USAGE_ERROR = 2
PROGRAM = "seldon-core engine"


def run(argv: Sequence[str]) -> int:
    """Serve a predictor until the process is told to stop.

    Args:
        argv: the arguments, without the program's name; `--help` lists them.

    Returns:
        The exit code: 0 after an orderly stop, 1 when that took too long or a port is taken, 2 when the arguments or
        the predictor cannot be used. Whatever is wrong is on standard error, in words.
    """
    if any(word in ("-h", "-help", "--help") for word in argv):
        sys.stdout.write(usage())
        return 0
    try:
        flags = parse_flags(argv)
        if flags.file:
            raw = predictor_from_file(Path(flags.file), flags.predictor)
        else:
            raw = predictor_from_environment(os.environ)
        predictor = read_predictor(raw, pod_annotations(), flags.protocol)
    except UsageError as error:
        for problem in error.problems:
            sys.stderr.write(f"{PROGRAM}: {problem}\n")
        return USAGE_ERROR
    logging.basicConfig(
        level=flags.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    keep_freed_memory(KEPT_BYTES)
    settle()
    # Requests leave no cycles behind, so it need not look at each few that are in flight at the same time either.
    gc.set_threshold(10_000, 10, 10)
    try:
        return serve_in_workers(flags, predictor) if flags.workers > 1 else uvloop.run(serve(flags, predictor))
    except OSError as error:
        sys.stderr.write(f"{PROGRAM}: cannot listen on port {flags.http_port} or {flags.metrics_port}: {error}\n")
        return 1
