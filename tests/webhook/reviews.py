"""AdmissionReviews as the API server sends them."""

import copy
from pathlib import Path
from typing import Any

import yaml

from seldon_core.api import constants

EXAMPLE = yaml.safe_load((Path(__file__).parents[2] / "examples" / "seldon-model.yaml").read_text())


def review(obj: Any = None, **request: Any) -> dict[str, Any]:
    obj = copy.deepcopy(EXAMPLE) if obj is None else obj
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "kind": {"group": constants.GROUP, "version": "v1", "kind": constants.KIND},
            "operation": "CREATE",
            "namespace": "models",
            "name": "m",
            "userInfo": {"username": "alice"},
            "object": obj,
            **request,
        },
    }
