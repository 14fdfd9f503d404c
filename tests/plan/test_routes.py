"""Routes through Gateway API, Istio and Ambassador: the shares that go in come out, and their CRDs admit them."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seldon_core.plan import Config, LiveObject, Observed, plan

from .build import (
    CONFIG,
    Object,
    all_ready,
    as_applied,
    component,
    container,
    live,
    node,
    planned,
    predictor,
    sdep,
    unready,
)
from .published import check

GATEWAY = replace(CONFIG, gateway_enabled=True, gateways=(("infra", "public", "web"),))
BOTH = replace(GATEWAY, grpc_gateways=(("infra", "public", "grpc"),))
ISTIO = replace(CONFIG, istio_enabled=True)
AMBASSADOR = replace(CONFIG, ambassador_enabled=True)
ALL = replace(BOTH, istio_enabled=True, ambassador_enabled=True, ambassador_single_namespace=True, keda_enabled=True)
ROUTES = ("HTTPRoute", "GRPCRoute", "VirtualService", "DestinationRule", "Mapping", "TLSContext")


def model(name: str, **fields: Any) -> Object:
    return predictor(name, node("a"), component(container("a")), **fields)


def canary(**spec: Any) -> Object:
    """Three quarters to p1, one quarter to p2, and a tenth of everything copied to p3."""
    shadow = model("p3", traffic=10, shadow=True)
    return sdep(model("p1", traffic=75), model("p2", traffic=25), shadow, **spec)


def routes(obj: Object, config: Config) -> dict[tuple[str, str], Object]:
    return {place: item for place, item in planned(obj, config).items() if place[0] in ROUTES}


def test_there_are_no_routes_where_no_ingress_is_switched_on() -> None:
    assert routes(canary(), CONFIG) == {}


def test_a_canary_with_a_shadow_through_gateway_api() -> None:
    found = routes(canary(), GATEWAY)
    assert list(found) == [("HTTPRoute", "m")]
    route = found["HTTPRoute", "m"]
    assert route["spec"] == {
        "parentRefs": [
            {
                "group": "gateway.networking.k8s.io",
                "kind": "Gateway",
                "namespace": "infra",
                "name": "public",
                "sectionName": "web",
            }
        ],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/seldon/n/m"}}],
                "filters": [
                    {
                        "type": "URLRewrite",
                        "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}},
                    },
                    {
                        "type": "RequestMirror",
                        "requestMirror": {"backendRef": {"name": "m-p3", "port": 8000}, "percent": 10},
                    },
                ],
                "backendRefs": [
                    {"name": "m-p1", "port": 8000, "weight": 75},
                    {"name": "m-p2", "port": 8000, "weight": 25},
                ],
            }
        ],
    }
    assert route["metadata"]["labels"]["seldon-deployment-id"] == "m"


def test_grpc_has_a_route_of_its_own_where_it_has_a_listener_of_its_own() -> None:
    found = routes(canary(), BOTH)
    assert list(found) == [("HTTPRoute", "m"), ("GRPCRoute", "m")]
    spec = found["GRPCRoute", "m"]["spec"]
    assert [parent["sectionName"] for parent in spec["parentRefs"]] == ["grpc"]
    (rule,) = spec["rules"]
    assert rule["matches"] == [
        {
            "headers": [
                {"type": "Exact", "name": "seldon", "value": "m"},
                {"type": "Exact", "name": "namespace", "value": "n"},
            ]
        }
    ]
    assert [(item["name"], item["port"], item["weight"]) for item in rule["backendRefs"]] == [
        ("m-p1", 5001, 75),
        ("m-p2", 5001, 25),
    ]
    assert rule["filters"][0]["requestMirror"]["backendRef"] == {"name": "m-p3", "port": 5001}


def test_a_listener_gets_routes_of_one_kind_only() -> None:
    assert list(routes(canary(transport="grpc"), GATEWAY)) == [("GRPCRoute", "m")]


def test_a_canary_with_a_shadow_through_istio() -> None:
    obj = canary(annotations={"seldon.io/istio-retries": "3"})
    found = routes(obj, ISTIO)
    assert list(found) == [
        ("DestinationRule", "m-p1"),
        ("DestinationRule", "m-p2"),
        ("DestinationRule", "m-p3"),
        ("VirtualService", "m"),
    ]

    def to(name: str, port: int) -> Object:
        return {"host": f"m-{name}.n.svc.cluster.local", "subset": name, "port": {"number": port}}

    def rule(port: int) -> Object:
        return {
            "route": [
                {"destination": to("p1", port), "weight": 75},
                {"destination": to("p2", port), "weight": 25},
            ],
            "mirror": to("p3", port),
            "mirrorPercentage": {"value": 10},
            "retries": {
                "attempts": 3,
                "perTryTimeout": "1s",
                "retryOn": "gateway-error,connect-failure,refused-stream",
            },
        }

    assert found["VirtualService", "m"]["spec"] == {
        "hosts": ["*"],
        "gateways": ["istio-system/seldon-gateway"],
        "http": [
            {"match": [{"uri": {"prefix": "/seldon/n/m/"}}], "rewrite": {"uri": "/"}, **rule(8000)},
            {
                "match": [
                    {
                        "uri": {"regex": ".*tensorflow.*|.*seldon.protos.*|.*inference.*"},
                        "headers": {"seldon": {"exact": "m"}, "namespace": {"exact": "n"}},
                    }
                ],
                **rule(5001),
            },
        ],
    }
    assert found["DestinationRule", "m-p2"]["spec"] == {
        "host": "m-p2.n.svc.cluster.local",
        "subsets": [{"name": "p2", "labels": {"version": "p2"}}],
        "trafficPolicy": {"connectionPool": {"http": {"idleTimeout": "60s"}}},
    }


def test_istio_settings() -> None:
    annotations = {
        "seldon.io/istio-host": "a.example, b.example",
        "seldon.io/istio-gateway": "infra/gate",
        "seldon.io/istio-retries": "2",
        "seldon.io/istio-retries-timeout": "7",
    }
    found = routes(sdep(model("p1"), annotations=annotations), replace(ISTIO, istio_tls_mode="ISTIO_MUTUAL"))
    spec = found["VirtualService", "m"]["spec"]
    assert (spec["hosts"], spec["gateways"]) == (["a.example", "b.example"], ["infra/gate"])
    assert [rule["retries"]["perTryTimeout"] for rule in spec["http"]] == ["7s", "7s"]
    assert found["DestinationRule", "m-p1"]["spec"]["trafficPolicy"] == {
        "connectionPool": {"http": {"idleTimeout": "60s"}},
        "tls": {"mode": "ISTIO_MUTUAL"},
    }


def test_a_canary_with_a_shadow_through_ambassador() -> None:
    found = routes(canary(), AMBASSADOR)
    assert list(found) == [
        ("Mapping", f"seldon-n-m-{name}-{kind}") for name in ("p1", "p2", "p3") for kind in ("rest", "grpc")
    ]
    assert found["Mapping", "seldon-n-m-p1-rest"]["spec"] == {
        "cluster_tag": "seldon_http",
        "prefix": "/seldon/n/m/",
        "rewrite": "/",
        "service": "m-p1.n:8000",
        "timeout_ms": 3000,
        "weight": 75,
    }
    assert found["Mapping", "seldon-n-m-p2-grpc"]["spec"] == {
        "cluster_tag": "seldon_grpc",
        "grpc": True,
        "headers": {"seldon": "m", "namespace": "n"},
        "prefix": "/(seldon.protos.*|tensorflow.serving.*|inference.*)/.*",
        "prefix_regex": True,
        "rewrite": "",
        "service": "m-p2.n:5001",
        "timeout_ms": 3000,
        "weight": 25,
    }
    shadow = found["Mapping", "seldon-n-m-p3-rest"]["spec"]
    assert (shadow["shadow"], shadow["weight"]) == (True, 10)


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param(
            {"ambassador-retries": "2"}, {"retry_policy": {"retry_on": "gateway-error", "num_retries": 2}}, id="A8"
        ),
        pytest.param({"ambassador-retries": "0"}, {}, id="A8-none"),
        pytest.param({"ambassador-id": "blue"}, {"ambassador_id": ["blue"]}, id="A7"),
        pytest.param(
            {
                "ambassador-circuit-breakers-max-connections": "10",
                "ambassador-circuit-breakers-max-pending-requests": "15",
                "ambassador-circuit-breakers-max-requests": "20",
                "ambassador-circuit-breakers-max-retries": "5",
            },
            {
                "circuit_breakers": [
                    {"max_connections": 10, "max_pending_requests": 15, "max_requests": 20, "max_retries": 5}
                ]
            },
            id="A9",
        ),
        pytest.param(
            {"ambassador-circuit-breakers-max-retries": "5"}, {"circuit_breakers": [{"max_retries": 5}]}, id="A9-one"
        ),
        pytest.param({"rest-timeout": "5000"}, {"timeout_ms": 5000}, id="timeout"),
        pytest.param({"rest-timeout": "400000"}, {"timeout_ms": 400000, "idle_timeout_ms": 400000}, id="idle-timeout"),
        pytest.param({"ambassador-header": "x-team: a:b"}, {"headers": {"x-team": "a:b"}}, id="T14-header"),
        pytest.param({"ambassador-header": "x-team"}, {"headers": {"x-team": True}}, id="T14-any-value"),
        pytest.param(
            {"ambassador-regex-header": "x-a: ^b|c$\nx-d: e.*"},
            {"regex_headers": {"x-a": "^b|c$", "x-d": "e.*"}},
            id="T14-patterns",
        ),
        pytest.param({"ambassador-service-name": "main"}, {"prefix": "/seldon/n/main/"}, id="another-name"),
    ],
)
def test_ambassador_settings(annotations: dict[str, str], expected: Object) -> None:
    obj = sdep(model("p1"), annotations={f"seldon.io/{key}": value for key, value in annotations.items()})
    plain = routes(sdep(model("p1")), AMBASSADOR)["Mapping", "seldon-n-m-p1-rest"]["spec"]
    found = routes(obj, AMBASSADOR)["Mapping", "seldon-n-m-p1-rest"]["spec"]
    assert found == {**plain, **expected}
    moved = {**sdep(model("p1"))}
    moved["metadata"] = {**moved["metadata"], "annotations": obj["spec"]["annotations"]}
    assert routes(moved, AMBASSADOR)["Mapping", "seldon-n-m-p1-rest"]["spec"] == found, "read from the metadata as well"


def test_grpc_has_a_timeout_of_its_own_in_ambassador() -> None:
    annotations = {"seldon.io/rest-timeout": "5000", "seldon.io/grpc-timeout": "6000"}
    found = routes(sdep(model("p1"), annotations=annotations), AMBASSADOR)
    assert [item["spec"]["timeout_ms"] for item in found.values()] == [5000, 6000]


def test_ambassador_speaks_tls_to_a_predictor_that_does() -> None:
    found = routes(sdep(model("p1", ssl={"certSecretName": "certificate"})), AMBASSADOR)
    assert found["TLSContext", "seldon-n-m-p1-tls"]["spec"] == {"hosts": [], "secret": "certificate"}
    mappings = [item["spec"]["tls"] for (kind, _), item in found.items() if kind == "Mapping"]
    assert mappings == ["seldon-n-m-p1-tls"] * 2


def test_paths_without_the_namespace_are_added_for_a_single_one() -> None:
    found = routes(sdep(model("p1")), replace(AMBASSADOR, ambassador_single_namespace=True))
    assert {name: item["spec"]["prefix"] for (_, name), item in found.items() if name.endswith("rest")} == {
        "seldon-n-m-p1-rest": "/seldon/n/m/",
        "seldon-m-p1-rest": "/seldon/m/",
    }
    assert found["Mapping", "seldon-m-p1-grpc"]["spec"]["headers"] == {"seldon": "m"}


def test_headers_choose_between_two_of_one_name_in_gateway_api() -> None:
    annotations = {
        "seldon.io/ambassador-service-name": "main",
        "seldon.io/ambassador-header": "x-team: blue",
        "seldon.io/ambassador-regex-header": "x-user: a.*",
        "seldon.io/rest-timeout": "90500",
    }
    (rule,) = routes(sdep(model("p1"), annotations=annotations), GATEWAY)["HTTPRoute", "m"]["spec"]["rules"]
    assert rule["matches"] == [
        {
            "path": {"type": "PathPrefix", "value": "/seldon/n/main"},
            "headers": [
                {"type": "Exact", "name": "x-team", "value": "blue"},
                {"type": "RegularExpression", "name": "x-user", "value": "a.*"},
            ],
        }
    ]
    assert rule["timeouts"] == {"request": "90s500ms"}


def test_an_explainer_is_reached_below_a_path_of_its_own() -> None:
    obj = sdep(model("p1", explainer={"type": "AnchorTabular", "modelUri": "gs://a/b"}))
    found = routes(obj, ALL)
    http = found["HTTPRoute", "m-p1-explainer-http"]["spec"]["rules"][0]
    assert http["matches"][0]["path"]["value"] == "/seldon/n/m-explainer/p1"
    assert http["backendRefs"] == [{"name": "m-p1-explainer", "port": 9000}]
    istio = found["VirtualService", "m-p1-explainer-http"]["spec"]["http"][0]
    assert istio["match"] == [{"uri": {"prefix": "/seldon/n/m-explainer/p1/"}}]
    mapping = found["Mapping", "seldon-n-m-p1-explainer-rest"]["spec"]
    assert (mapping["prefix"], mapping["service"]) == ("/seldon/n/m-explainer/p1/", "m-p1-explainer.n:9000")
    assert ("DestinationRule", "m-p1-explainer") in found


def test_a_predictor_without_an_engine_is_reached_on_the_ports_of_its_model() -> None:
    obj = sdep(model("p1", annotations={"seldon.io/no-engine": "true"}))
    (backend,) = routes(obj, GATEWAY)["HTTPRoute", "m"]["spec"]["rules"][0]["backendRefs"]
    assert backend["port"] == 9000


def shared(config: Config, obj: Object) -> list[list[tuple[str, int]]]:
    """Predictors and weights of each rule of each route, as the ingress is told them."""
    found = []
    for (kind, _), item in routes(obj, config).items():
        spec = item["spec"]
        if kind in ("HTTPRoute", "GRPCRoute"):
            found += [
                [(backend["name"], backend["weight"]) for backend in rule["backendRefs"]] for rule in spec["rules"]
            ]
        elif kind == "VirtualService":
            found += [
                [(route["destination"]["host"].partition(".")[0], route["weight"]) for route in rule["route"]]
                for rule in spec["http"]
            ]
    if config.ambassador_enabled:
        for tag in ("seldon_http", "seldon_grpc"):
            specs = [item["spec"] for item in routes(obj, config).values()]
            live_ones = [spec for spec in specs if spec["cluster_tag"] == tag and not spec.get("shadow")]
            found.append([(spec["service"].partition(".")[0], spec["weight"]) for spec in live_ones])
    return found


@given(st.lists(st.integers(0, 100), min_size=1, max_size=4), st.booleans(), st.sampled_from([BOTH, ISTIO, AMBASSADOR]))
@settings(max_examples=60)
def test_weights_out_are_weights_in(cuts: list[int], with_shadow: bool, config: Config) -> None:
    edges = [0, *sorted(cuts), 100]
    weights = [high - low for low, high in itertools.pairwise(edges)]
    predictors = [model(f"p{index}", traffic=weight) for index, weight in enumerate(weights)]
    obj = sdep(*predictors, *([model("s", shadow=True)] if with_shadow else []))
    expected = [(f"m-p{index}", weight) for index, weight in enumerate(weights)]
    if config is AMBASSADOR:  # which would give a share to a Mapping without one
        expected = [(name, weight) for name, weight in expected if weight > 0]
    for rule in shared(config, obj):
        assert rule == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param([None], [100], id="one"),
        pytest.param([0], [100], id="one-of-nothing"),
        pytest.param([None, None], [50, 50], id="A4-two-evenly"),
        pytest.param([None, None, None], [34, 33, 33], id="A6-three-evenly"),
        pytest.param([100, None], [100, 0], id="the-rest-has-none"),
        pytest.param([100, 0], [100, 0], id="everything-and-nothing"),
        pytest.param([20, 80], [20, 80], id="A3"),
        pytest.param([60, 20, 20], [60, 20, 20], id="A5"),
    ],
)
def test_shares(written: list[int | None], expected: list[int]) -> None:
    given_ = [{} if share is None else {"traffic": share} for share in written]
    obj = sdep(*(model(f"p{index}", **fields) for index, fields in enumerate(given_)))
    for rule in shared(BOTH, obj):
        assert [weight for _, weight in rule] == expected


ANNOTATED = {
    "seldon.io/istio-retries": "3",
    "seldon.io/rest-timeout": "400000",
    "seldon.io/ambassador-retries": "1",
    "seldon.io/ambassador-id": "blue",
    "seldon.io/ambassador-header": "x-team",
    "seldon.io/ambassador-regex-header": "x-user: a.*",
    "seldon.io/ambassador-circuit-breakers-max-retries": "5",
}
EXPLAINED = model("p1", explainer={"type": "AnchorTabular"}, ssl={"certSecretName": "c"})
SCALED = predictor(
    "p1",
    node("a"),
    component(
        container("a"),
        kedaSpec={
            "pollingInterval": 15,
            "minReplicaCount": 0,
            "maxReplicaCount": 5,
            "idleReplicaCount": 0,
            "fallback": {"failureThreshold": 3, "replicas": 2},
            "triggers": [{"type": "prometheus", "metadata": {"query": "q", "threshold": "10"}}],
        },
    ),
)


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(sdep(model("p1")), id="one"),
        pytest.param(canary(), id="canary"),
        pytest.param(canary(annotations=ANNOTATED), id="annotated"),
        pytest.param(sdep(EXPLAINED), id="explained"),
        pytest.param(sdep(SCALED), id="scaled"),
    ],
)
def test_the_published_definitions_admit_every_object(obj: Object) -> None:
    foreign = [item for item in planned(obj, ALL).values() if "." in item["apiVersion"].partition("/")[0]]
    foreign = [item for item in foreign if not item["apiVersion"].startswith(("apps/", "policy/", "autoscaling/"))]
    assert {"HTTPRoute", "GRPCRoute", "VirtualService", "DestinationRule", "Mapping"} <= {
        item["kind"] for item in foreign
    }
    for item in foreign:
        check(item)


def test_the_check_against_definitions_can_fail() -> None:
    (route,) = routes(canary(), GATEWAY).values()
    route["spec"]["rules"][0]["backendRefs"][0]["wieght"] = 1
    with pytest.raises(AssertionError, match="wieght"):
        check(route)


def waiting(obj: Object, observed: Observed) -> set[str]:
    return {kind for kind, _ in plan(obj, replace(GATEWAY, istio_enabled=True), observed).waiting}


def test_routes_wait_for_the_predictors_that_they_lead_to() -> None:
    two = sdep(model("p1", traffic=100), model("p2", traffic=0))
    ready = all_ready(plan(two, CONFIG, Observed()))
    assert waiting(two, Observed()) == {"HTTPRoute", "VirtualService", "DestinationRule"}
    assert waiting(two, Observed(deployments=ready)) == set()
    assert waiting(two, Observed(deployments={**ready, "m-p2-0-a": unready()})) == set(), "p2 gets nothing"
    half = sdep(model("p1", traffic=50), model("p2", traffic=50))
    assert "HTTPRoute" in waiting(half, Observed(deployments={**ready, "m-p2-0-a": unready()}))


def test_routes_do_not_wait_for_pods_that_nobody_wants_nor_for_explainers() -> None:
    obj = sdep(model("p1", replicas=0, explainer={"type": "ALE"}))
    assert waiting(obj, Observed(deployments={"m-p1-0-a": live(0)})) == set()


def separate(obj: Object) -> Object:
    return {**obj, "spec": {**obj["spec"], "annotations": {"seldon.io/engine-separate-pod": "true"}}}


def test_pods_keep_their_engine_until_the_one_in_pods_of_its_own_is_ready() -> None:
    obj = separate(sdep(model("p1")))
    beside = live(carries_engine=True)
    services = {"m-p1": LiveObject(uid="s", ports=(8000, 5001))}
    before = plan(obj, CONFIG, Observed(deployments={"m-p1-0-a": beside}, services=services))
    assert before.waiting == {("Deployment", "m-p1-0-a")}
    assert [item["metadata"]["name"] for item in before.due()] == ["m-p1-a", "m-p1", "m-p1-svc-orch"]
    own = as_applied(before).deployments["m-p1-svc-orch"]
    both = {"m-p1-0-a": beside, "m-p1-svc-orch": own}
    assert plan(obj, CONFIG, Observed(deployments=both, services=services)).waiting == frozenset()


def test_a_service_changes_its_ports_last_where_an_engine_comes_and_first_where_it_goes() -> None:
    with_engine, without = sdep(model("p1")), sdep(model("p1", annotations={"seldon.io/no-engine": "true"}))
    bare = {"m-p1": LiveObject(uid="s", ports=(9000, 9500))}
    coming = Observed(deployments={"m-p1-0-a": unready()}, services=bare)
    assert plan(with_engine, CONFIG, coming).waiting == {("Service", "m-p1")}
    arrived = Observed(deployments=as_applied(plan(with_engine, CONFIG, Observed())).deployments, services=bare)
    assert plan(with_engine, CONFIG, arrived).waiting == frozenset()
    engined = {"m-p1": LiveObject(uid="s", ports=(8000, 5001))}
    going = Observed(deployments={"m-p1-0-a": unready(carries_engine=True)}, services=engined)
    assert plan(without, CONFIG, going).waiting == frozenset()
