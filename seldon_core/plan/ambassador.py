"""Ambassador's routes: Mappings for REST and gRPC, and a TLSContext for each predictor that serves over TLS.

See https://www.getambassador.io/docs/emissary/latest/topics/using/ for what the fields mean.
"""

from collections.abc import Iterator
from typing import Any

from seldon_core.api.names import explainer_name, mapping_name

from .config import Config
from .explainers import explainer_port, has_explainer
from .metadata import base_labels, object_metadata, sdep_name
from .modes import has_tls
from .traffic import Destination, Traffic, number, setting

Object = dict[str, Any]

_API_VERSION = "getambassador.io/v2"
_GRPC_PATHS = "/(seldon.protos.*|tensorflow.serving.*|inference.*)/.*"
_TIMEOUT = 3000
_IDLE_TIMEOUT = 300_000
_LIMITS = ("max_connections", "max_pending_requests", "max_requests", "max_retries")


def ambassador_routes(sdep: Object, shared: Traffic, config: Config) -> list[Object]:
    """Return the Mappings and TLSContexts of a SeldonDeployment.

    Args:
        sdep: The SeldonDeployment, with its defaults.
        shared: How its requests are shared out.
        config: The operator's configuration.
    """
    if not config.ambassador_enabled:
        return []
    return list(_routes(sdep, shared, config))


def _routes(sdep: Object, shared: Traffic, config: Config) -> Iterator[Object]:
    scopes = [sdep["metadata"]["namespace"], *([""] if config.ambassador_single_namespace else [])]
    for each in shared.everyone:
        if each.percent == 0:
            continue  # Ambassador would give a share to a Mapping without a weight
        if has_tls(each.predictor):
            yield _tls_context(sdep, each)
        for scope in scopes:
            yield _rest_mapping(sdep, shared, each, scope)
            yield _grpc_mapping(sdep, shared, each, scope)
    for each in shared.everyone:
        if has_explainer(each.predictor):
            for scope in scopes:
                yield _explainer_mapping(sdep, shared, each.predictor, scope)


def _rest_mapping(sdep: Object, shared: Traffic, each: Destination, scope: str) -> Object:
    spec = {
        **_common(sdep, shared, "rest-timeout"),
        **_share(shared, each),
        "cluster_tag": "seldon_http",
        "prefix": f"/{_path('seldon', scope, shared.external)}/",
        "rewrite": "/",
        "service": f"{each.service}.{sdep['metadata']['namespace']}:{each.http}",
        **_tls(sdep, each),
    }
    return _object(sdep, "Mapping", mapping_name("seldon", scope, sdep_name(sdep), each.name, "rest"), spec)


def _grpc_mapping(sdep: Object, shared: Traffic, each: Destination, scope: str) -> Object:
    spec = _common(sdep, shared, "grpc-timeout")
    identity = {"seldon": shared.external, **({"namespace": scope} if scope else {})}
    spec |= {
        **_share(shared, each),
        "cluster_tag": "seldon_grpc",
        "grpc": True,
        "prefix": _GRPC_PATHS,
        "prefix_regex": True,
        "rewrite": "",
        "headers": {**spec.get("headers", {}), **identity},
        "service": f"{each.service}.{sdep['metadata']['namespace']}:{each.grpc}",
        **_tls(sdep, each),
    }
    return _object(sdep, "Mapping", mapping_name("seldon", scope, sdep_name(sdep), each.name, "grpc"), spec)


def _explainer_mapping(sdep: Object, shared: Traffic, predictor: Object, scope: str) -> Object:
    service = explainer_name(sdep_name(sdep), predictor["name"])
    spec = {
        **_common(sdep, shared, "rest-timeout"),
        "cluster_tag": "seldon_http",
        "prefix": f"/{_path('seldon', scope, f'{shared.external}-explainer', predictor['name'])}/",
        "rewrite": "/",
        "service": f"{service}.{sdep['metadata']['namespace']}:{explainer_port(predictor)}",
    }
    name = mapping_name("seldon", scope, sdep_name(sdep), f"{predictor['name']}-explainer", "rest")
    return _object(sdep, "Mapping", name, spec)


def _tls_context(sdep: Object, each: Destination) -> Object:
    spec = {"hosts": [], "secret": each.predictor["ssl"]["certSecretName"], **_id(sdep)}
    return _object(sdep, "TLSContext", _context_name(sdep, each), spec)


def _context_name(sdep: Object, each: Destination) -> str:
    return mapping_name("seldon", sdep["metadata"]["namespace"], sdep_name(sdep), each.name, "tls")


def _tls(sdep: Object, each: Destination) -> Object:
    return {"tls": _context_name(sdep, each)} if has_tls(each.predictor) else {}


def _share(shared: Traffic, each: Destination) -> Object:
    if each is not shared.shadow:
        return {"weight": each.percent}
    return {"shadow": True, **({"weight": each.percent} if each.percent < 100 else {})}


def _common(sdep: Object, shared: Traffic, timeout: str) -> Object:
    """Return the fields that the annotations of a SeldonDeployment decide."""
    milliseconds = number(sdep, timeout) or _TIMEOUT
    spec: Object = {"timeout_ms": milliseconds, **_id(sdep)}
    if milliseconds > _IDLE_TIMEOUT:
        spec["idle_timeout_ms"] = milliseconds
    if shared.headers:
        spec["headers"] = {name: True if value is None else value for name, value in shared.headers.items()}
    if shared.patterns:
        spec["regex_headers"] = dict(shared.patterns)
    if retries := number(sdep, "ambassador-retries"):
        spec["retry_policy"] = {"retry_on": "gateway-error", "num_retries": retries}
    limits = {limit: number(sdep, f"ambassador-circuit-breakers-{limit.replace('_', '-')}") for limit in _LIMITS}
    if breaker := {limit: value for limit, value in limits.items() if value is not None}:
        spec["circuit_breakers"] = [breaker]
    return spec


def _id(sdep: Object) -> Object:
    chosen = setting(sdep, "ambassador-id")
    return {"ambassador_id": [chosen]} if chosen else {}


def _path(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def _object(sdep: Object, kind: str, name: str, spec: Object) -> Object:
    metadata = object_metadata(sdep, name, base_labels(sdep), {})
    return {"apiVersion": _API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
