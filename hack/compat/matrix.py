"""Which environments there are. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from hack.environments import Environment

_PEERS = ("mlserver", "tritonclient[http,grpc]")


@dataclass(frozen=True)
class Case:
    """An environment and what a model imports in it.

    Arguments:
        environment: where.
        imports: the modules of each model that is served, one list a model: mlserver and tritonclient.grpc both
            register the same protobuf messages, and cannot be imported into one process whatever else is there.
    """

    environment: Environment
    imports: tuple[tuple[str, ...], ...]


def cases(month: str) -> list[Case]:
    """Return the cases.

    Arguments:
        month: of today, as 2026-11: the newest releases are looked for again in the next one.
    """
    newest = Environment("newest", ("numpy", "protobuf", "scikit-learn", "pandas"), month)
    found = [
        Case(Environment("alone", (), month), ((),)),
        Case(newest, (("sklearn", "pandas", "google.protobuf.message"),)),
    ]
    # MLServer itself needs protobuf 5 from 1.7 on; what came before needs pkg_resources, which setuptools has no more.
    for version, others in (("4.25", ("mlserver<1.7", "setuptools<81")), ("5", ()), ("6", ())):
        environment = Environment(f"protobuf-{version}", (f"protobuf=={version}.*", *_PEERS, *others), month)
        found.append(Case(environment, (("mlserver", "tritonclient.http"), ("tritonclient.grpc", "tritonclient.http"))))
    return found
