"""Istio's routes: a VirtualService for the requests, and a DestinationRule for each Service that they are led to.

See https://istio.io/latest/docs/reference/config/networking/ for what the fields mean.
"""

from typing import Any

from seldon_core.api import constants as c
from seldon_core.api.names import explainer_name, explainer_route_name, seldon_id

from .config import Config
from .explainers import explainer_port, has_explainer
from .metadata import base_labels, object_metadata, sdep_name
from .traffic import Destination, Traffic, number, rest_prefix, setting

Object = dict[str, Any]

_API_VERSION = "networking.istio.io/v1"
_GRPC_PATHS = ".*tensorflow.*|.*seldon.protos.*|.*inference.*"
_RETRY_ON = "gateway-error,connect-failure,refused-stream"


def istio_routes(sdep: Object, shared: Traffic, config: Config) -> list[Object]:
    """Return the VirtualServices and DestinationRules of a SeldonDeployment.

    Args:
        sdep: The SeldonDeployment, with its defaults.
        shared: How its requests are shared out.
        config: The operator's configuration.
    """
    if not config.istio_enabled:
        return []
    explained = [each.predictor for each in shared.everyone if has_explainer(each.predictor)]
    return [
        *(_destination_rule(sdep, each.predictor, each.service, config) for each in shared.everyone),
        *(_destination_rule(sdep, each, explainer_name(sdep_name(sdep), each["name"]), config) for each in explained),
        _virtual_service(sdep, shared, config),
        *(_explainer_service(sdep, shared, each, config) for each in explained),
    ]


def _virtual_service(sdep: Object, shared: Traffic, config: Config) -> Object:
    namespace = sdep["metadata"]["namespace"]
    headers = {"seldon": {"exact": shared.external}, "namespace": {"exact": namespace}}
    retries = _retries(sdep)

    def routed(port: str) -> Object:
        routes = [
            {"destination": _destination(sdep, each, port, config), "weight": each.percent} for each in shared.live
        ]
        return {"route": routes, **_mirror(sdep, shared.shadow, port, config), **retries}

    rest = {
        "match": [{"uri": {"prefix": f"{rest_prefix(sdep, shared.external)}/"}}],
        "rewrite": {"uri": "/"},
        **routed("http"),
    }
    grpc = {"match": [{"uri": {"regex": _GRPC_PATHS}, "headers": headers}], **routed("grpc")}
    return _object(
        sdep, "VirtualService", seldon_id(sdep_name(sdep)), {**_entrance(sdep, config), "http": [rest, grpc]}
    )


def _explainer_service(sdep: Object, shared: Traffic, predictor: Object, config: Config) -> Object:
    service = explainer_name(sdep_name(sdep), predictor["name"])
    destination = {
        "host": _host(sdep, service, config),
        "subset": predictor["name"],
        "port": {"number": explainer_port(predictor)},
    }
    rest = {
        "match": [{"uri": {"prefix": f"{rest_prefix(sdep, shared.external)}-explainer/{predictor['name']}/"}}],
        "rewrite": {"uri": "/"},
        "route": [{"destination": destination, "weight": 100}],
    }
    name = explainer_route_name(service, "http")
    return _object(sdep, "VirtualService", name, {**_entrance(sdep, config), "http": [rest]})


def _destination_rule(sdep: Object, predictor: Object, service: str, config: Config) -> Object:
    policy: Object = {"connectionPool": {"http": {"idleTimeout": "60s"}}}
    if config.istio_tls_mode:
        policy["tls"] = {"mode": config.istio_tls_mode}
    subset = {"name": predictor["name"], "labels": {c.LABEL_VERSION: predictor["labels"][c.LABEL_VERSION]}}
    spec = {"host": _host(sdep, service, config), "subsets": [subset], "trafficPolicy": policy}
    return _object(sdep, "DestinationRule", service, spec)


def _entrance(sdep: Object, config: Config) -> Object:
    hosts = [host.strip() for host in (setting(sdep, "istio-host") or "*").split(",")]
    return {"hosts": hosts, "gateways": [setting(sdep, "istio-gateway") or config.istio_gateway]}


def _destination(sdep: Object, destination: Destination, port: str, config: Config) -> Object:
    return {
        "host": _host(sdep, destination.service, config),
        "subset": destination.name,
        "port": {"number": destination.http if port == "http" else destination.grpc},
    }


def _mirror(sdep: Object, shadow: Destination | None, port: str, config: Config) -> Object:
    if shadow is None:
        return {}
    return {
        "mirror": _destination(sdep, shadow, port, config),
        "mirrorPercentage": {"value": shadow.percent},
    }


def _retries(sdep: Object) -> Object:
    attempts = number(sdep, "istio-retries")
    if not attempts:
        return {}
    seconds = number(sdep, "istio-retries-timeout") or 1
    return {"retries": {"attempts": attempts, "perTryTimeout": f"{seconds}s", "retryOn": _RETRY_ON}}


def _host(sdep: Object, service: str, config: Config) -> str:
    return f"{service}.{sdep['metadata']['namespace']}.svc.{config.cluster_domain}"


def _object(sdep: Object, kind: str, name: str, spec: Object) -> Object:
    metadata = object_metadata(sdep, name, base_labels(sdep), {})
    return {"apiVersion": _API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
