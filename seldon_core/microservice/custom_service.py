"""The `custom_service` of a class: a program of its own beside the service, on a copy of the object that is not loaded.

It is started afresh rather than forked, because a process with threads cannot be forked safely, and ends with the
process that started it.
"""

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from seldon_core.microservice.errors import StartupError, user_traceback
from seldon_core.microservice.loading import construct, import_class

__all__ = ["start"]

log = logging.getLogger(__name__)


def start(class_name: str, parameters: dict[str, Any]) -> "subprocess.Popen[bytes]":
    """Start it. Its end is logged; it ends when this process does."""
    command = [sys.executable, "-m", __name__, class_name, json.dumps(parameters)]
    # Its standard input is how it notices that this process has ended.
    child = subprocess.Popen(command, stdin=subprocess.PIPE)

    def watch() -> None:
        code = child.wait()
        log.error("the custom_service of %s ended with code %d", class_name, code)

    threading.Thread(target=watch, name="custom-service", daemon=True).start()
    return child


def main(class_name: str, parameters: str) -> int:
    """Run it; called in the process of its own."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.basicConfig(level=logging.INFO)
    try:
        component: Any = construct(import_class(class_name, Path.cwd()), json.loads(parameters))
        component.custom_service()
    except StartupError:
        return 1
    except Exception as error:  # noqa: BLE001 - whatever the class raises
        log.error("custom_service() failed\n%s", user_traceback(error))
        return 1
    return 0


def _end_with_parent() -> None:
    while os.read(0, 1024):  # sys.stdin has a lock, with which this process could not end by itself
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
