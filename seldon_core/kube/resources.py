"""The kinds of objects that are read or written, and where the API server keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from seldon_core.api import constants


@dataclass(frozen=True)
class Resource:
    """One kind of object as the API server serves it; `group` is empty for the core API."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """What objects of this kind carry as ``apiVersion``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the URL path of the collection, of one object, or of its subresource.

        Args:
            namespace: the namespace; None means all of them, which only a collection can span.
            name: the object's name, or None for the collection.
            subresource: such as ``status``.

        Raises:
            ValueError: an object of a namespaced kind was asked for without its namespace.
        """
        if name is not None and self.namespaced and not namespace:
            raise ValueError(f"{self.kind} {name!r} needs a namespace")
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/" + "/".join(quote(part, safe="") for part in parts)


SELDONDEPLOYMENTS = Resource(constants.GROUP, constants.STORAGE_VERSION, constants.PLURAL, constants.KIND)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
SERVICES = Resource("", "v1", "services", "Service")
PODS = Resource("", "v1", "pods", "Pod")
SECRETS = Resource("", "v1", "secrets", "Secret")
EVENTS = Resource("", "v1", "events", "Event")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
DISRUPTION_BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
SCALED_OBJECTS = Resource("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject")
HTTP_ROUTES = Resource("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute")
GRPC_ROUTES = Resource("gateway.networking.k8s.io", "v1", "grpcroutes", "GRPCRoute")
DESTINATION_RULES = Resource("networking.istio.io", "v1", "destinationrules", "DestinationRule")
VIRTUAL_SERVICES = Resource("networking.istio.io", "v1", "virtualservices", "VirtualService")
TLS_CONTEXTS = Resource("getambassador.io", "v2", "tlscontexts", "TLSContext")
MAPPINGS = Resource("getambassador.io", "v2", "mappings", "Mapping")
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
MUTATING_WEBHOOKS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    False,
)
VALIDATING_WEBHOOKS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    False,
)

_KNOWN = {
    (resource.group, resource.kind): resource
    for resource in (
        SELDONDEPLOYMENTS,
        DEPLOYMENTS,
        SERVICES,
        PODS,
        SECRETS,
        EVENTS,
        LEASES,
        AUTOSCALERS,
        DISRUPTION_BUDGETS,
        SCALED_OBJECTS,
        HTTP_ROUTES,
        GRPC_ROUTES,
        DESTINATION_RULES,
        VIRTUAL_SERVICES,
        TLS_CONTEXTS,
        MAPPINGS,
        NAMESPACES,
        MUTATING_WEBHOOKS,
        VALIDATING_WEBHOOKS,
    )
}


def resource_for(obj: Mapping[str, Any]) -> Resource:
    """Return the resource of `obj`, in the version that `obj` is written in.

    Raises:
        ValueError: the kind is not one of those above.
    """
    api_version, kind = str(obj.get("apiVersion") or ""), str(obj.get("kind") or "")
    group, _, version = api_version.rpartition("/")
    known = _KNOWN.get((group, kind))
    if known is None:
        raise ValueError(f"unknown kind of object: apiVersion {api_version!r}, kind {kind!r}")
    return known if known.version == version else replace(known, version=version)
