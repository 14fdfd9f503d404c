"""Runs `python -m controller` with an election, and watches, of seconds instead of minutes."""

import sys
from functools import partial

from controller import app
from controller.__main__ import main
from seldon_core.kube.client import Client
from seldon_core.kube.lease import Leadership, Terms

TERMS = Terms(duration=3.0, renew_within=2.0, retry=0.2)
DEAF_SECONDS = 3.0

if __name__ == "__main__":
    app.Leadership = partial(Leadership, terms=TERMS)  # type: ignore[misc,assignment]
    app.Client = partial(Client, watch_timeout=1.0, watch_grace=0.5)  # type: ignore[misc,assignment]
    app.DEAF_SECONDS = DEAF_SECONDS
    sys.exit(main(sys.argv[1:]))
