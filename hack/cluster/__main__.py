"""`python3 -m hack.cluster up|down|status|env`: a real Kubernetes on this machine."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Sequence

from hack.cache import locked
from hack.cluster import current, user_environment
from hack.cluster.layout import Layout
from hack.console import run_main, say


def up() -> int:
    """Bring the cluster up and print the path of its kubeconfig."""
    started = time.monotonic()
    with locked("cluster"):
        current().up()
    say(f"the cluster is up after {time.monotonic() - started:.0f} s; its kubeconfig:")
    print(Layout.current().kubeconfig)
    return 0


def down() -> int:
    """Remove the cluster."""
    with locked("cluster"):
        current().down()
    say("the cluster is removed")
    return 0


def status() -> int:
    """Print what runs; the exit code is 0 if the cluster is up."""
    return 0 if current().status() else 1


def env() -> int:
    """Print shell commands that point kubectl and helm to the cluster, for `eval`."""
    environment = user_environment()
    for name in ("KUBECONFIG", "PATH"):
        print(f"export {name}={shlex.quote(environment[name])}")
    return 0


def main(arguments: Sequence[str]) -> int:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(prog="python3 -m hack.cluster", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (up, down, status, env):
        documented = (command.__doc__ or "").partition("\n")[0]
        commands.add_parser(command.__name__, help=documented).set_defaults(run=command)
    code: int = parser.parse_args(arguments).run()
    return code


if __name__ == "__main__":
    run_main(main)
