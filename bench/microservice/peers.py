"""The peers' environments, pinned."""

from hack.console import Failure
from hack.environments import Environment

PEERS = {
    "mlserver": Environment("mlserver", ("mlserver==1.7.1",)),
    "kserve": Environment("kserve", ("kserve==0.21.0",)),
    # The last of setuptools that has pkg_resources, which its dependencies import.
    "upstream": Environment("upstream", ("seldon-core==1.18.2", "setuptools<81")),
}


def make_peers() -> dict[str, str]:
    """Make the environments that are not there yet; why those that cannot be made are absent, by name."""
    absent = {}
    for name, environment in PEERS.items():
        try:
            environment.make()
        except Failure as failure:
            absent[name] = str(failure).splitlines()[0]
    return absent
