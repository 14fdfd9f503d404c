"""The definitions that other projects publish, installed on an API server as those projects would."""

import time
from collections.abc import Iterator
from typing import Any

from hack.controlplane import ControlPlane
from hack.published import definitions
from seldon_core.plan import KINDS

Object = dict[str, Any]

FOREIGN = tuple(child for child in KINDS if not child.built_in)
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SAFETY_LIMIT = 60.0


def install_projects(running: ControlPlane) -> None:
    """Install the definitions of all kinds that are planned, and wait until the API server knows them."""
    made = list(_wanted())
    assert len(made) == len(FOREIGN)
    for body in made:
        install(running, body)


def install(running: ControlPlane, definition: Object) -> None:
    """Install one definition."""
    status, answer = running.access.call("POST", DEFINITIONS, definition)
    assert status == 201, answer["message"]
    deadline = time.monotonic() + SAFETY_LIMIT
    while True:
        _, found = running.access.call("GET", f"{DEFINITIONS}/{definition['metadata']['name']}")
        states = {entry["type"]: entry["status"] for entry in found.get("status", {}).get("conditions") or ()}
        if states.get("Established") == "True":
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def _wanted() -> Iterator[Object]:
    names = {(child.group, child.plural) for child in FOREIGN}
    for found in definitions():
        if (found["spec"]["group"], found["spec"]["names"]["plural"]) in names:
            # Versions of before are converted by a webhook of the project, which is not here, and nobody asks for them.
            found["spec"].pop("conversion", None)
            yield _structural(found)


def _structural(schema: Any) -> Any:
    """A schema that the API server takes: Emissary's say what types a value may have in a way that it does not.

    The project's own manifests are made of these by the same change.
    """
    if isinstance(schema, list):
        return [_structural(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if any("type" in one for one in schema.get("oneOf") or () if isinstance(one, dict)):
        schema = {key: value for key, value in schema.items() if key not in ("oneOf", "type")}
        schema["x-kubernetes-preserve-unknown-fields"] = True
    return {key: _structural(value) for key, value in schema.items()}
