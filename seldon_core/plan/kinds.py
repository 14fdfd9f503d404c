"""The kinds of objects that are planned: where the API server keeps them, and the condition that tells of them.

Whoever applies, watches or prunes children goes through `KINDS`: a kind that is added there is handled everywhere.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .config import Config


@dataclass(frozen=True, slots=True)
class ChildKind:
    """A kind of object that a SeldonDeployment can have.

    Attributes:
        kind: Its name, for example `Deployment`.
        group: Its API group; empty for the core API.
        version: The version in which it is written.
        plural: Its name in paths and roles.
        condition: The condition of the SeldonDeployment that tells of objects of this kind.
        planned: Whether this installation plans objects of this kind. Where it does not, those that exist are pruned.
        built_in: Whether every cluster knows the kind; another project's kind is there only where that is installed.
        routes: Whether it leads requests from outside to predictors, so that it is applied once those can answer.
    """

    kind: str
    group: str
    version: str
    plural: str
    condition: str
    planned: Callable[[Config], bool] = lambda config: True
    built_in: bool = True
    routes: bool = False

    @property
    def api_version(self) -> str:
        """What objects of this kind carry as `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version


def _gateway(kind: str, plural: str) -> ChildKind:
    return ChildKind(
        kind,
        "gateway.networking.k8s.io",
        "v1",
        plural,
        "GatewayRoutesReady",
        lambda config: config.gateway_enabled,
        built_in=False,
        routes=True,
    )


def _istio(kind: str, plural: str) -> ChildKind:
    return ChildKind(
        kind,
        "networking.istio.io",
        "v1",
        plural,
        "istioVirtualServicesReady",
        lambda config: config.istio_enabled,
        built_in=False,
        routes=True,
    )


def _ambassador(kind: str, plural: str) -> ChildKind:
    return ChildKind(
        kind,
        "getambassador.io",
        "v2",
        plural,
        "AmbassadorMappingsReady",
        lambda config: config.ambassador_enabled,
        built_in=False,
        routes=True,
    )


# In the order in which objects are applied; they are deleted in the reverse order. Services come first, as a pod finds
# those that exist when it starts; what names a destination comes before the routes to it.
KINDS: tuple[ChildKind, ...] = (
    ChildKind("Service", "", "v1", "services", "ServicesReady"),
    ChildKind("Deployment", "apps", "v1", "deployments", "DeploymentsReady"),
    ChildKind("HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers", "HpasReady"),
    ChildKind(
        "ScaledObject",
        "keda.sh",
        "v1alpha1",
        "scaledobjects",
        "KedaReady",
        lambda config: config.keda_enabled,
        built_in=False,
    ),
    ChildKind("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets", "PdbsReady"),
    _gateway("HTTPRoute", "httproutes"),
    _gateway("GRPCRoute", "grpcroutes"),
    _istio("DestinationRule", "destinationrules"),
    _istio("VirtualService", "virtualservices"),
    _ambassador("TLSContext", "tlscontexts"),
    _ambassador("Mapping", "mappings"),
)

KIND: dict[str, ChildKind] = {child.kind: child for child in KINDS}
# Those that decide how many pods a Deployment has, or may lose; each has the name of its Deployment.
SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
OF_DEPLOYMENT = (*SCALERS, "PodDisruptionBudget")
ROUTES = tuple(child.kind for child in KINDS if child.routes)
