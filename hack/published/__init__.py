"""The CRDs that other projects publish with their Go modules, fetched into Go's module cache when they are needed.

Nothing of those projects is built or committed; `go.mod` and `go.sum` say which version is meant and what it contains.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from hack.cache import locked
from hack.console import Failure
from hack.tools import versions
from hack.tools.build import go

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
        for path in sorted(_fetched(module).glob(pattern)):
            for document in yaml.load_all(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
                if document and document.get("kind") == "CustomResourceDefinition":
                    yield document


def _fetched(module: str) -> Path:
    """Return the folder of a module in the version that `go.mod` requires, checked against `go.sum`."""
    version = versions.required(HERE / "go.mod", module)
    with locked("published"):
        done = subprocess.run(
            [go(), "mod", "download", "-json", f"{module}@{version}"],
            cwd=HERE,
            capture_output=True,
            text=True,
            check=False,
        )
    answer = json.loads(done.stdout or "{}")
    if done.returncode != 0 or "Dir" not in answer:
        cause = answer.get("Error") or done.stderr.strip()
        raise Failure(f"{module} {version}: {cause}; the Go module proxy must be reachable (see `go env GOPROXY`)")
    if f"{module} {version} {answer['Sum']}" not in (HERE / "go.sum").read_text().splitlines():
        raise Failure(f"{module} {version}: its content is not what go.sum says")
    return Path(answer["Dir"])
