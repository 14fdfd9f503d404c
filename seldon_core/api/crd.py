"""The CustomResourceDefinition of SeldonDeployments."""

from typing import Any

from . import constants as c
from .schema import Schema, crd_schema

CRD_NAME = f"{c.PLURAL}.{c.GROUP}"

_COLUMNS = (
    ("State", "string", ".status.state", "Whether all predictors serve requests."),
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "Whether everything is in place."),
    # Of a list, a column shows the first item only: the controller counts.
    ("Predictors", "integer", ".status.predictors", "Number of predictors."),
    ("Replicas", "integer", ".status.replicas", "Number of pods that follow spec.replicas."),
    ("URL", "string", ".status.address.url", "Where predictions are served inside the cluster."),
    ("Age", "date", ".metadata.creationTimestamp", "Time since creation."),
)


def custom_resource_definition() -> dict[str, Any]:
    """Return the CRD: all versions share one schema, so that converting between them changes nothing."""
    schema = crd_schema()
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": CRD_NAME},
        "spec": {
            "group": c.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": c.KIND,
                "listKind": c.LIST_KIND,
                "plural": c.PLURAL,
                "singular": c.SINGULAR,
                "shortNames": [c.SHORT_NAME],
                "categories": [c.CATEGORY],
            },
            "conversion": {"strategy": "None"},
            "versions": [_version(name, schema) for name in c.VERSIONS],
        },
    }


def _version(name: str, schema: Schema) -> dict[str, Any]:
    return {
        "name": name,
        "served": True,
        "storage": name == c.STORAGE_VERSION,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [
            {"name": title, "type": kind, "jsonPath": path, "description": text} for title, kind, path, text in _COLUMNS
        ],
    }
