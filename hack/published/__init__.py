"""The CRDs that other projects publish with their Go modules, fetched into Go's module cache when they are needed.

Nothing of those projects is built or committed; `go.mod` and `go.sum` say which version is meant and what it contains.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from hack.tools import module_folder

HERE = Path(__file__).resolve().parent

# Module -> the files with its CRDs.
_FILES = {
    "sigs.k8s.io/gateway-api": "config/crd/standard/*.yaml",
    "istio.io/api": "kubernetes/customresourcedefinitions.gen.yaml",
    "github.com/emissary-ingress/emissary/v3": "pkg/api/getambassador.io/crds.yaml",
    "github.com/kedacore/keda/v2": "config/crd/bases/keda.sh_scaledobjects.yaml",
}


def definitions() -> Iterator[dict[str, Any]]:
    """Yield the CustomResourceDefinitions of Gateway API, Istio, Emissary-ingress (Ambassador) and KEDA.

    Raises:
        Failure: a module cannot be fetched; says what to do.
    """
    for module, pattern in _FILES.items():
        for path in sorted(module_folder(HERE, module).glob(pattern)):
            for document in yaml.load_all(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
                if document and document.get("kind") == "CustomResourceDefinition":
                    yield document
