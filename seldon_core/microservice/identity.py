"""Which component of which predictor this process is, as the controller says in the environment."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Identity", "split_image"]

UNKNOWN = "NOT_IMPLEMENTED"


def split_image(image: str) -> tuple[str, str]:
    """Name and version of an image: the tag, else the digest, else `latest`, which is what is pulled then.

    A colon before the last slash belongs to the registry's port.
    """
    name, _, digest = image.partition("@")
    repository, colon, tag = name.rpartition(":")
    if colon and "/" not in tag:
        return repository, tag
    return name, digest or "latest"


@dataclass(frozen=True, slots=True)
class Identity:
    """Names for the request path and the labels of metrics; "" for those that are not known."""

    unit: str = ""
    image: str = ""
    deployment: str = ""
    predictor: str = ""
    predictor_version: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Identity":
        """Read PREDICTIVE_UNIT_ID, PREDICTIVE_UNIT_IMAGE, SELDON_DEPLOYMENT_ID, PREDICTOR_ID, PREDICTOR_LABELS."""
        return cls(
            unit=environment.get("PREDICTIVE_UNIT_ID", ""),
            image=environment.get("PREDICTIVE_UNIT_IMAGE", ""),
            deployment=environment.get("SELDON_DEPLOYMENT_ID", ""),
            predictor=environment.get("PREDICTOR_ID", ""),
            predictor_version=_version(environment.get("PREDICTOR_LABELS", "")),
        )

    def request_path(self) -> dict[str, str]:
        """The component's entry of `meta.requestPath`; empty outside of a graph."""
        if not self.unit:
            return {}
        return {self.unit: self.image or f"{UNKNOWN}:{UNKNOWN}"}

    def labels(self) -> dict[str, str]:
        """The labels that every custom metric carries."""
        image, version = split_image(self.image) if self.image else (UNKNOWN, UNKNOWN)
        deployment = self.deployment or UNKNOWN
        return {
            "deployment_name": deployment,
            "model_name": self.unit or UNKNOWN,
            "model_image": image,
            "model_version": version,
            "predictor_name": self.predictor or UNKNOWN,
            "predictor_version": self.predictor_version or UNKNOWN,
            "seldon_deployment_name": deployment,
            "image_name": image,
            "image_version": version,
        }


def _version(labels: str) -> str:
    try:
        decoded: Any = json.loads(labels)
    except ValueError:
        return ""
    version = decoded.get("version", "") if isinstance(decoded, dict) else ""
    return version if isinstance(version, str) else ""
