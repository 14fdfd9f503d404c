"""What the operator of an installation decides and the rules for SeldonDeployments depend on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from . import constants as c
from .kubernetes import KubernetesTypes


@dataclass(frozen=True, slots=True)
class Installation:
    """The part of the operator's configuration that decides whether a SeldonDeployment can be served.

    Attributes:
        servers: Implementation of a graph node -> the protocols for which its prepackaged server has an image, as in
            the value `predictor_servers`.
        engine_ports: What the engine listens on: HTTP, gRPC and metrics.
        kubernetes: The types of the cluster's Kubernetes; None where they are not known, and those that are part of
            this package stand in for them.
        ingress: Whether requests from outside are routed; None where it is not known.
        keda: Whether KEDA acts on ScaledObjects; None where it is not known.
    """

    servers: Mapping[str, frozenset[str]] = field(default_factory=lambda: c.PREPACKAGED_SERVERS)
    engine_ports: tuple[int, ...] = c.ENGINE_PORTS
    kubernetes: KubernetesTypes | None = None
    ingress: bool | None = None
    keda: bool | None = None

    def protocols(self, implementation: str) -> frozenset[str] | None:
        """Return the protocols that a prepackaged server speaks; None for one that is not configured.

        Args:
            implementation: The implementation of a graph node, for example `SKLEARN_SERVER`.
        """
        spoken = self.servers.get(implementation)
        # Two names of one protocol: an image that is configured for either serves both.
        return spoken | c.V2_PROTOCOLS if spoken and spoken & c.V2_PROTOCOLS else spoken
