"""Routes of Gateway API: an HTTPRoute for REST, a GRPCRoute for gRPC, and an HTTPRoute for each explainer.

See https://gateway-api.sigs.k8s.io/reference/spec/ for what the fields mean.
"""

from typing import Any

from seldon_core.api.names import explainer_name, explainer_route_name, seldon_id

from .config import Config
from .explainers import explainer_port, has_explainer
from .metadata import base_labels, object_metadata, sdep_name
from .traffic import Destination, Traffic, number, rest_prefix

Object = dict[str, Any]

_GROUP = "gateway.networking.k8s.io"


def gateway_routes(sdep: Object, shared: Traffic, config: Config) -> list[Object]:
    """Return the routes of a SeldonDeployment.

    A listener takes routes of one of the two kinds only. Where gRPC has no listener of its own, the transport of the
    SeldonDeployment decides which of the two it gets.

    Args:
        sdep: The SeldonDeployment, with its defaults.
        shared: How its requests are shared out.
        config: The operator's configuration.
    """
    if not config.gateway_enabled:
        return []
    grpc_only = sdep["spec"]["transport"] == "grpc" and not config.grpc_gateways
    explained = [each.predictor for each in shared.everyone if has_explainer(each.predictor)]
    routes = [] if grpc_only else [_http_route(sdep, shared, config)]
    routes += [_explainer_route(sdep, shared, predictor, config) for predictor in explained]
    if grpc_only or config.grpc_gateways:
        routes.append(_grpc_route(sdep, shared, config))
    return routes


def _http_route(sdep: Object, shared: Traffic, config: Config) -> Object:
    rule: Object = {
        "matches": [{"path": _prefix(rest_prefix(sdep, shared.external)), **_header_matches(shared)}],
        "filters": [_rewrite(), *_mirror(shared.shadow, "http")],
        "backendRefs": [_backend(each, each.http) for each in shared.live],
        **_timeouts(sdep),
    }
    return _route(sdep, "HTTPRoute", seldon_id(sdep_name(sdep)), rule, config.gateways)


def _explainer_route(sdep: Object, shared: Traffic, predictor: Object, config: Config) -> Object:
    service = explainer_name(sdep_name(sdep), predictor["name"])
    path = f"{rest_prefix(sdep, shared.external)}-explainer/{predictor['name']}"
    rule: Object = {
        "matches": [{"path": _prefix(path), **_header_matches(shared)}],
        "filters": [_rewrite()],
        "backendRefs": [{"name": service, "port": explainer_port(predictor)}],
        **_timeouts(sdep),
    }
    return _route(sdep, "HTTPRoute", explainer_route_name(service, "http"), rule, config.gateways)


def _grpc_route(sdep: Object, shared: Traffic, config: Config) -> Object:
    identity = {"seldon": shared.external, "namespace": sdep["metadata"]["namespace"]}
    exact = [{"type": "Exact", "name": name, "value": value} for name, value in identity.items()]
    headers = [*exact, *_header_matches(shared).get("headers", [])]
    rule: Object = {
        "matches": [{"headers": headers}],
        "backendRefs": [_backend(each, each.grpc) for each in shared.live],
    }
    if mirror := _mirror(shared.shadow, "grpc"):
        rule["filters"] = mirror
    return _route(sdep, "GRPCRoute", seldon_id(sdep_name(sdep)), rule, config.grpc_gateways or config.gateways)


def _route(sdep: Object, kind: str, name: str, rule: Object, gateways: tuple[tuple[str, str, str], ...]) -> Object:
    parents = [
        {
            "group": _GROUP,
            "kind": "Gateway",
            "namespace": namespace,
            "name": gateway,
            **({"sectionName": listener} if listener else {}),
        }
        for namespace, gateway, listener in gateways
    ]
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": kind,
        "metadata": object_metadata(sdep, name, base_labels(sdep), {}),
        "spec": {"parentRefs": parents, "rules": [rule]},
    }


def _prefix(path: str) -> Object:
    return {"type": "PathPrefix", "value": path}


def _header_matches(shared: Traffic) -> Object:
    matches = [
        {"type": "Exact", "name": name, "value": value}
        if value is not None
        else {"type": "RegularExpression", "name": name, "value": ".*"}
        for name, value in shared.headers.items()
    ]
    matches += [
        {"type": "RegularExpression", "name": name, "value": value}
        for name, value in shared.patterns.items()
        if name not in shared.headers
    ]
    return {"headers": matches} if matches else {}


def _rewrite() -> Object:
    return {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}


def _backend(destination: Destination, port: int) -> Object:
    return {"name": destination.service, "port": port, "weight": destination.percent}


def _mirror(shadow: Destination | None, kind: str) -> list[Object]:
    if shadow is None:
        return []
    backend = {"name": shadow.service, "port": shadow.http if kind == "http" else shadow.grpc}
    percent = {"percent": shadow.percent} if shadow.percent < 100 else {}
    return [{"type": "RequestMirror", "requestMirror": {"backendRef": backend, **percent}}]


def _timeouts(sdep: Object) -> Object:
    milliseconds = number(sdep, "rest-timeout")
    return {} if milliseconds is None else {"timeouts": {"request": _duration(milliseconds)}}


def _duration(milliseconds: int) -> str:
    """Return a duration as GEP-2257 writes it: at most five digits before each unit."""
    hours, rest = divmod(milliseconds, 3_600_000)
    seconds, left = divmod(rest, 1000)
    parts = ((hours, "h"), (seconds, "s"), (left, "ms"))
    return "".join(f"{value}{unit}" for value, unit in parts if value)
