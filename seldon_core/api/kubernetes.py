"""Kubernetes' own types inside a SeldonDeployment, such as PodSpec: their schemas, as an API server describes them.

A copy of one version is part of this package; who can ask the API server that is used makes them from its answer.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from . import kubernetes_schemas as bundle
from .schema import INT_OR_STRING, QUANTITY, Schema
from .shape import Shape

POD_SPEC: Final = "PodSpec"
CONTAINER: Final = "Container"
ENV_VAR: Final = "EnvVar"
RESOURCES: Final = "ResourceRequirements"
METRIC: Final = "MetricSpec"
BEHAVIOR: Final = "HorizontalPodAutoscalerBehavior"

# What an API server describes in OpenAPI v3 (https://spec.openapis.org/oas/v3.0.0), and where.
OPENAPI_PATHS: Final = ("/openapi/v3/api/v1", "/openapi/v3/apis/autoscaling/v2")
_CORE = "io.k8s.api.core.v1."
_AUTOSCALING = "io.k8s.api.autoscaling.v2."
_ROOTS: Final = {
    **{name: f"{_CORE}{name}" for name in (POD_SPEC, CONTAINER, ENV_VAR, RESOURCES)},
    **{name: f"{_AUTOSCALING}{name}" for name in (METRIC, BEHAVIOR)},
}
_REFERENCE = "#/components/schemas/"
_KEPT = ("type", "required")
_WIDE = "int64"
# What the API server checks later than types, and examples for the words about what is missing.
_MORE: Final[Mapping[str, Mapping[str, Schema]]] = {
    POD_SPEC: {"containers": {"example": [{"name": "classifier", "image": "example.com/classifier:1.0"}]}},
    CONTAINER: {"name": {"example": "classifier"}},
    ENV_VAR: {"name": {"example": "LOG_LEVEL"}},
    "ContainerPort": {"containerPort": {"example": 9000, "minimum": 1, "maximum": 65535}},
    "VolumeMount": {"name": {"example": "data"}, "mountPath": {"example": "/data"}},
}


@dataclass(frozen=True, slots=True, eq=False)
class KubernetesTypes:
    """The types of one version of Kubernetes.

    Attributes:
        definitions: The schemas, by name; one refers to another by `$ref`.
        shapes: Those that a SeldonDeployment contains, by the names above, ready to check values with.
    """

    definitions: Mapping[str, Schema]
    shapes: Mapping[str, Shape]

    @classmethod
    def of(cls, definitions: Mapping[str, Schema]) -> "KubernetesTypes":
        """Compile schemas.

        Args:
            definitions: What `definitions_of` returns.
        """
        resolved = _resolved(definitions)
        return cls(definitions, {name: Shape.of(resolved[name]) for name in _ROOTS})

    @classmethod
    def from_openapi(cls, documents: Iterable[Mapping[str, Any]]) -> "KubernetesTypes":
        """Take the types from what the API server answers under `OPENAPI_PATHS`.

        Args:
            documents: The decoded answers.

        Returns:
            The types; the bundled ones themselves where they are the same.

        Raises:
            ValueError: A type is missing, or described in a way that is not understood.
        """
        definitions = definitions_of(documents)
        return bundled() if definitions == bundle.DEFINITIONS else cls.of(definitions)


@cache
def bundled() -> KubernetesTypes:
    """Return the types of the version of Kubernetes that is part of this package, `BUNDLED_VERSION`."""
    return KubernetesTypes.of(bundle.DEFINITIONS)


BUNDLED_VERSION: Final = bundle.VERSION


def definitions_of(documents: Iterable[Mapping[str, Any]]) -> dict[str, Schema]:
    """Return the schemas of the types that a SeldonDeployment contains, and of the types that these consist of.

    Args:
        documents: OpenAPI v3 documents of an API server.

    Returns:
        Schemas without descriptions and defaults, by the last part of the type's name.

    Raises:
        ValueError: A type is missing, or described in a way that is not understood.
    """
    described: dict[str, Any] = {}
    for document in documents:
        try:
            described |= document["components"]["schemas"]
        except (TypeError, KeyError):
            raise ValueError("an OpenAPI document has no components.schemas") from None
    try:
        return _collected(described)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError(f"the OpenAPI description is not understood: {error!r}") from error


def _collected(described: Mapping[str, Any]) -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    waiting = list(_ROOTS.values())
    while waiting:
        name = waiting.pop()
        if name not in found:
            if not isinstance(described.get(name), dict):
                raise ValueError(f"the OpenAPI description has no type {name}")
            found[name] = _reduced(described[name], name)
            waiting += _references(found[name])
    short = _short_names(found)
    return {short[name]: _renamed(found[name], short) for name in sorted(found)}


def _reduced(schema: Any, name: str) -> Schema:
    """Return what a schema says of the form of a value."""
    if name.endswith(".Quantity"):
        return {"format": QUANTITY}
    if "oneOf" in schema:
        return {INT_OR_STRING: True}
    if "$ref" in schema:
        return {"$ref": schema["$ref"].removeprefix(_REFERENCE)}
    if "allOf" in schema:
        return _reduced(schema["allOf"][0], name)
    reduced: Schema = {key: schema[key] for key in _KEPT if key in schema}
    if schema.get("format") == _WIDE:
        reduced["format"] = _WIDE
    if "enum" in schema:
        # An empty text counts as left out, as everywhere in Kubernetes.
        reduced["enum"] = [*(word for word in schema["enum"] if word), ""]
    if "properties" in schema:
        reduced["properties"] = {key: _reduced(field, name) for key, field in sorted(schema["properties"].items())}
    for key in ("items", "additionalProperties"):
        if key in schema:
            reduced[key] = _reduced(schema[key], name)
    return reduced


def _parts(schema: Schema) -> Iterator[Schema]:
    yield from schema.get("properties", {}).values()
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield schema[key]


def _references(schema: Schema) -> Iterator[str]:
    if "$ref" in schema:
        yield schema["$ref"]
    for part in _parts(schema):
        yield from _references(part)


def _short_names(names: Iterable[str]) -> dict[str, str]:
    """Return the last part of each name; the whole name where two would share it."""
    last = {name: name.rpartition(".")[2] for name in names}
    count = Counter(last.values())
    return {name: short if count[short] == 1 else name for name, short in last.items()}


def _renamed(schema: Schema, names: Mapping[str, str]) -> Schema:
    if "$ref" in schema:
        return {"$ref": names[schema["$ref"]]}
    renamed = dict(schema)
    if "properties" in schema:
        renamed["properties"] = {key: _renamed(field, names) for key, field in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in schema:
            renamed[key] = _renamed(schema[key], names)
    return renamed


def _resolved(definitions: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return the schemas with each `$ref` replaced by the schema itself, which is one object wherever it stands."""
    made: dict[str, Schema] = {}

    def definition(name: str) -> Schema:
        if name not in made:
            # A type that contains itself is left open inside.
            made[name] = {}
            made[name] = part(definitions[name], _MORE.get(name, {}))
        return made[name]

    def part(schema: Schema, more: Mapping[str, Schema]) -> Schema:
        if "$ref" in schema:
            return definition(schema["$ref"])
        resolved = dict(schema)
        if "properties" in schema:
            resolved["properties"] = {
                key: {**field, **more[key]} if key in more else field
                for key, field in ((key, part(field, {})) for key, field in schema["properties"].items())
            }
        for key in ("items", "additionalProperties"):
            if key in schema:
                resolved[key] = part(schema[key], {})
        return resolved

    return {name: definition(name) for name in definitions}
