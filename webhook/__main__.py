"""`python -m webhook` serves admission reviews, `python -m webhook check` tells whether that works."""

import asyncio
import os
import sys
from collections.abc import Sequence

from seldon_core.kube import logs
from seldon_core.kube.errors import ConfigurationError
from webhook.check import check
from webhook.server import CannotListen, serve
from webhook.settings import check_options, serve_options


def main(argv: Sequence[str]) -> int:
    """Run the command line and return the exit code."""
    try:
        if argv[:1] == ["check"]:
            options = check_options(argv[1:], os.environ)
            logs.configure(options.log_level)
            return 0 if asyncio.run(check(options.namespace, options.controller_id, options.timeout)) else 1
        settings, log_level = serve_options(argv, os.environ)
        logs.configure(log_level)
        asyncio.run(serve(settings))
    except (ConfigurationError, CannotListen) as error:
        print(f"python -m webhook: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
