"""`python -m controller` runs the controller."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from controller.app import Settings, preview, serve
from controller.monitoring import CannotListen
from controller.settings import read
from seldon_core.kube import logs
from seldon_core.kube.errors import ConfigurationError
from seldon_core.kube.lease import LeadershipLost
from seldon_core.plan import Config, ConfigError


def main(argv: Sequence[str]) -> int:
    """Run the command line and return the exit code."""
    try:
        settings, config, log_level = read(argv, os.environ)
    except ConfigError as error:
        print("python -m controller: cannot start as configured:", *error.problems, sep="\n  ", file=sys.stderr)
        return 2
    logs.configure(log_level)
    try:
        asyncio.run(_preview(settings, config) if settings.dry_run else _until_signal(settings, config))
    except (ConfigurationError, CannotListen) as error:
        print(f"python -m controller: {error}", file=sys.stderr)
        return 2
    except LeadershipLost as error:
        print(f"python -m controller: {error}", file=sys.stderr)
        return 1
    return 0


async def _preview(settings: Settings, config: Config) -> None:
    async for line in preview(settings, config):
        sys.stdout.write(f"{line}\n")


async def _until_signal(settings: Settings, config: Config) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(settings, config, stop)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
