"""Checks objects against the CRDs that their projects publish: known fields only, of the right types and values."""

from functools import cache
from typing import Any

import jsonschema

from hack.published import definitions

Object = dict[str, Any]


@cache
def _schemas() -> dict[tuple[str, str], Object]:
    return {
        (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"]): _closed(
            version["schema"]["openAPIV3Schema"]
        )
        for crd in definitions()
        for version in crd["spec"]["versions"]
        if version.get("schema")
    }


def _closed(schema: Any) -> Any:
    """A schema that knows no fields but its own, as the API server with strict field validation reads it."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items() if key != "x-kubernetes-validations"}
    fields = schema.get("properties")
    if isinstance(fields, dict) and schema.get("type") == "object" and "additionalProperties" not in schema:
        closed["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    return closed


def check(obj: Object) -> None:
    """Fail unless the CRD of its kind admits an object."""
    schema = _schemas()[obj["apiVersion"], obj["kind"]]
    spec = {"spec": obj["spec"]}
    errors = [
        f"{obj['kind']} {obj['metadata']['name']}: {error.json_path}: {error.message}"
        for error in jsonschema.Draft7Validator(schema).iter_errors(spec)
    ]
    assert not errors, errors
