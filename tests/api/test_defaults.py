import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seldon_core.api.defaults import PortSettings, node_type, plan_defaults, stored_defaults, with_servers
from seldon_core.api.graph import containers, is_server, walk
from seldon_core.api.objects import as_list, as_map
from tests.api.samples import (
    JSON,
    Object,
    broken,
    chain_in_two_pods,
    changed,
    component,
    container,
    node,
    predictor,
    sdep,
    seldon_deployments,
)

PORTS = PortSettings()


def endpoint(obj: Object, name: str, *, of: int = 0) -> Object:
    each = obj["spec"]["predictors"][of]
    found: Object = next(node["endpoint"] for _, node in walk(each["graph"]) if node["name"] == name)
    return found


def container_of(obj: Object, name: str, *, of: int = 0) -> Object:
    return next(ref.container for ref in containers(obj["spec"]["predictors"][of]) if ref.container["name"] == name)


def numbers(obj: Object, name: str, *, of: int = 0) -> tuple[int, int, int]:
    """The HTTP, gRPC and metrics ports of a node."""
    where = endpoint(obj, name, of=of)
    metrics = next(p["containerPort"] for p in container_of(obj, name, of=of)["ports"] if p["name"] == "metrics")
    return where["httpPort"], where["grpcPort"], metrics


# What is stored


def test_the_stored_form_of_a_single_model() -> None:
    spec = stored_defaults(sdep(predictor("p1", node())))["spec"]
    assert (spec["protocol"], spec["transport"], spec["serverType"]) == ("seldon", "rest", "rpc")
    assert spec["predictors"][0]["labels"] == {"version": "p1"}
    assert spec["predictors"][0]["graph"] == {"name": "classifier", "type": "MODEL"}
    assert spec["predictors"][0]["componentSpecs"] == [component()]


def test_without_the_graph_only_the_spec_is_filled_in() -> None:
    obj = sdep()
    spec = stored_defaults(obj, graph=False)["spec"]
    assert spec == {**obj["spec"], "protocol": "seldon", "transport": "rest", "serverType": "rpc"}


def test_what_is_written_stays() -> None:
    graph = node("classifier", node("b", type="OUTPUT_TRANSFORMER"), type="TRANSFORMER")
    obj = sdep(
        predictor("p1", graph, labels={"version": "v7", "team": "x"}),
        protocol="v2",
        transport="grpc",
        serverType="kafka",
    )
    assert stored_defaults(obj) == obj


def test_nothing_that_later_edits_would_collide_with_is_stored() -> None:
    stored = stored_defaults(sdep(predictor("p1", None, traffic=40), predictor("p2")))
    first, second = stored["spec"]["predictors"]
    assert set(first) == {"name", "graph", "componentSpecs", "traffic", "labels"}
    assert set(second) == {"name", "graph", "componentSpecs", "labels"}
    assert "replicas" not in stored["spec"]
    assert "endpoint" not in first["graph"]


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_value_counts_as_left_out(empty: Any) -> None:
    obj = sdep(predictor("p1", node(type=empty), labels=None), protocol=empty, transport=empty, serverType=empty)
    stored = stored_defaults(obj)
    assert stored["spec"]["protocol"] == "seldon"
    assert stored["spec"]["predictors"][0]["graph"]["type"] == "MODEL"
    assert list(stored["spec"]) == list(obj["spec"])


def test_a_grpc_endpoint_decides_the_transport() -> None:
    obj = sdep(predictor("p1", node(endpoint={"type": "GRPC"})))
    assert "transport" not in stored_defaults(obj)["spec"]
    assert plan_defaults(obj, PORTS)["spec"]["transport"] == "grpc"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, "MODEL", id="nothing"),
        pytest.param({"type": "COMBINER", "methods": ["ROUTE"]}, "COMBINER", id="type-wins"),
        pytest.param({"implementation": "UNKNOWN_IMPLEMENTATION"}, "MODEL", id="unknown-implementation"),
        pytest.param({"implementation": "SKLEARN_SERVER"}, "MODEL", id="D12-prepackaged"),
        pytest.param({"implementation": "MY_SERVER"}, "MODEL", id="custom-server"),
        pytest.param({"implementation": ["a"]}, "MODEL", id="no-implementation"),
        pytest.param({"implementation": "RANDOM_ABTEST"}, "ROUTER", id="W13-ab-test"),
        pytest.param({"implementation": "SIMPLE_ROUTER"}, "ROUTER", id="simple-router"),
        pytest.param({"implementation": "SIMPLE_MODEL"}, "MODEL", id="simple-model"),
        pytest.param({"implementation": "AVERAGE_COMBINER"}, "COMBINER", id="average-combiner"),
        pytest.param({"methods": ["SEND_FEEDBACK", "ROUTE"]}, "ROUTER", id="routes"),
        pytest.param({"methods": ["AGGREGATE"]}, "COMBINER", id="aggregates"),
        pytest.param({"methods": ["TRANSFORM_INPUT", "TRANSFORM_OUTPUT"]}, "TRANSFORMER", id="transforms-both"),
        pytest.param({"methods": ["TRANSFORM_OUTPUT"]}, "OUTPUT_TRANSFORMER", id="transforms-output"),
        pytest.param({"methods": ["SEND_FEEDBACK"]}, None, id="only-feedback"),
        pytest.param({"methods": []}, "MODEL", id="no-methods"),
    ],
)
def test_the_type_of_a_node(fields: Object, expected: str | None) -> None:
    assert node_type(node(**fields)) == expected
    stored = stored_defaults(sdep(predictor("p1", node(**fields))))
    assert stored["spec"]["predictors"][0]["graph"].get("type") == expected


# What is planned with


def test_d1_a_single_container() -> None:
    planned = plan_defaults(sdep(), PORTS)
    assert endpoint(planned, "classifier") == {
        "service_host": "localhost",
        "service_port": 9000,
        "httpPort": 9000,
        "grpcPort": 9500,
    }
    assert container_of(planned, "classifier") == {
        "name": "classifier",
        "image": "seldonio/mock_classifier:1.0",
        "imagePullPolicy": "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [{"name": "seldon-podinfo", "mountPath": "/etc/podinfo"}],
        "ports": [{"name": "metrics", "containerPort": 6000, "protocol": "TCP"}],
    }


def test_d2_two_containers_in_one_pod() -> None:
    pod = component(container("a"), container("b"))
    planned = plan_defaults(sdep(predictor("p1", node("a", node("b")), pod)), PORTS)
    assert numbers(planned, "a") == (9000, 9500, 6000)
    assert numbers(planned, "b") == (9001, 9501, 6001)
    assert {endpoint(planned, name)["service_host"] for name in "ab"} == {"localhost"}


def test_d3_two_pods() -> None:
    planned = plan_defaults(chain_in_two_pods(), PORTS)
    assert numbers(planned, "classifier") == (9000, 9500, 6000)
    assert numbers(planned, "classifier2") == (9001, 9501, 6001)
    assert endpoint(planned, "classifier")["service_host"] == "localhost"
    assert endpoint(planned, "classifier2")["service_host"] == "mydep-p1-classifier2.default.svc.cluster.local"


def test_d5_declared_ports_are_used() -> None:
    ports = [{"name": "metrics", "containerPort": 1234}, {"name": "http", "containerPort": 5678}]
    planned = plan_defaults(sdep(predictor("p1", None, component(container(ports=ports)))), PORTS)
    assert numbers(planned, "classifier") == (5678, 9500, 1234)
    assert container_of(planned, "classifier")["ports"] == ports
    assert endpoint(planned, "classifier")["service_port"] == 5678


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"transport": "grpc"}, id="D7-transport"),
        pytest.param({"transport": "rest", "endpoint": {"type": "GRPC"}}, id="endpoint"),
    ],
)
def test_a_grpc_node_is_called_on_its_grpc_port(fields: Object) -> None:
    written = fields.pop("endpoint", None)
    obj = sdep(predictor("p1", node(**({"endpoint": written} if written else {}))), **fields)
    assert endpoint(plan_defaults(obj, PORTS), "classifier")["service_port"] == 9500


def test_d13_first_ports_are_settings() -> None:
    settings = PortSettings(http=9700, grpc=9800, metrics=6500, metrics_name="mine", cluster_domain="corp.example")
    planned = plan_defaults(chain_in_two_pods(), settings)
    ports = [
        (endpoint(planned, n)["httpPort"], endpoint(planned, n)["grpcPort"]) for n in ("classifier", "classifier2")
    ]
    assert ports == [(9700, 9800), (9701, 9801)]
    assert container_of(planned, "classifier")["ports"] == [{"name": "mine", "containerPort": 6500, "protocol": "TCP"}]
    assert endpoint(planned, "classifier2")["service_host"].endswith(".default.svc.corp.example")


def server(name: str = "classifier", *children: Object, **fields: Any) -> Object:
    return node(name, *children, implementation="TENSORFLOW_SERVER", modelUri="gs://a", **fields)


def test_d4_d6_d12_a_server_gets_a_container() -> None:
    obj = sdep({"name": "p1", "graph": server(endpoint={"type": "REST"})})
    planned = plan_defaults(obj, PortSettings(metrics_name="myMetricsPort"))
    assert container_of(planned, "classifier")["ports"] == [
        {"name": "myMetricsPort", "containerPort": 6000, "protocol": "TCP"}
    ]
    assert container_of(planned, "classifier")["volumeMounts"] == [
        {"name": "seldon-podinfo", "mountPath": "/etc/podinfo"}
    ]
    assert endpoint(planned, "classifier") == {
        "type": "REST",
        "service_host": "localhost",
        "service_port": 9000,
        "httpPort": 9000,
        "grpcPort": 9500,
    }
    assert planned["spec"]["predictors"][0]["graph"]["type"] == "MODEL"


@pytest.mark.parametrize(
    "written",
    [
        pytest.param({"name": "classifier"}, id="D8-without-image"),
        pytest.param({"name": "classifier", "image": "myimage:0.1"}, id="D10-with-image"),
    ],
)
def test_d7_d8_d10_a_container_of_a_server_that_is_written_is_kept(written: Object) -> None:
    planned = plan_defaults(sdep(predictor("p1", server(), component(written)), transport="grpc"), PORTS)
    (pod,) = planned["spec"]["predictors"][0]["componentSpecs"]
    (kept,) = pod["spec"]["containers"]
    assert kept.items() >= written.items()
    assert endpoint(planned, "classifier")["service_port"] == 9500
    assert endpoint(planned, "classifier")["service_host"] == "localhost"


def test_d9_a_custom_server_called_by_grpc() -> None:
    graph = node(implementation="CUSTOM_SERVER", modelUri="gs://a")
    planned = plan_defaults(sdep({"name": "p1", "graph": graph}, transport="grpc"), PORTS)
    assert numbers(planned, "classifier") == (9000, 9500, 6000)
    assert endpoint(planned, "classifier")["service_port"] == 9500


def test_d11_two_servers_share_the_pod_that_is_made_for_them() -> None:
    planned = plan_defaults(sdep({"name": "p1", "graph": server("a", server("b"))}), PORTS)
    assert numbers(planned, "a") == (9000, 9500, 6000)
    assert numbers(planned, "b") == (9001, 9501, 6001)
    assert len(planned["spec"]["predictors"][0]["componentSpecs"]) == 1
    assert {endpoint(planned, name)["service_host"] for name in "ab"} == {"localhost"}


def test_containers_that_are_written_get_their_ports_before_those_of_servers() -> None:
    """Also where they are in a later pod than the one that a server is added to."""
    graph = node("a", node("b"), server("s"))
    planned = plan_defaults(sdep(predictor("p1", graph, component(container("a")), component(container("b")))), PORTS)
    assert [numbers(planned, name) for name in "abs"] == [(9000 + n, 9500 + n, 6000 + n) for n in range(3)]
    assert [ref.container["name"] for ref in containers(planned["spec"]["predictors"][0])] == ["a", "s", "b"]


@pytest.mark.parametrize(
    "component_specs",
    [
        pytest.param("x", id="no-list"),
        pytest.param([7], id="no-component"),
        pytest.param([{"spec": []}], id="no-pod"),
        pytest.param([{"spec": {"containers": "x"}}], id="no-containers"),
    ],
)
def test_no_container_is_added_where_there_is_no_place_for_it(component_specs: Any) -> None:
    obj = sdep({"name": "p1", "graph": server(), "componentSpecs": component_specs})
    assert plan_defaults(obj, PORTS)["spec"]["predictors"][0]["componentSpecs"] == component_specs


def test_a_server_is_a_model_whatever_is_written() -> None:
    obj = sdep({"name": "p1", "graph": server(type="ROUTER")})
    assert stored_defaults(obj)["spec"]["predictors"][0]["graph"] == obj["spec"]["predictors"][0]["graph"]
    assert plan_defaults(obj, PORTS)["spec"]["predictors"][0]["graph"]["type"] == "MODEL"


def test_a_name_has_the_same_ports_in_every_predictor_and_metrics_ports_of_its_own() -> None:
    planned = plan_defaults(sdep(predictor("p1"), predictor("p2")), PORTS)
    assert [numbers(planned, "classifier", of=index) for index in (0, 1)] == [(9000, 9500, 6000), (9000, 9500, 6001)]


def test_containers_outside_the_graph_use_up_numbers_and_stay_as_they_are() -> None:
    planned = plan_defaults(sdep(predictor("p1", None, component(container("log"), container()))), PORTS)
    assert numbers(planned, "classifier") == (9001, 9501, 6000)
    assert container_of(planned, "log") == container("log")


def test_the_engine_stays_with_the_graph_when_the_first_pod_has_no_node() -> None:
    planned = plan_defaults(sdep(predictor("p1", None, component(container("cache")), component())), PORTS)
    assert endpoint(planned, "classifier")["service_host"] == "localhost"


def test_an_engine_of_its_own_reaches_every_node_by_its_service() -> None:
    planned = plan_defaults(sdep(annotations={"seldon.io/engine-separate-pod": "True"}), PORTS)
    assert endpoint(planned, "classifier")["service_host"] == "mydep-p1-classifier.default.svc.cluster.local"


def test_written_endpoints_are_replaced_but_for_their_type() -> None:
    written = {"type": "REST", "service_host": "0.0.0.0", "httpPort": 1, "grpcPort": 2, "service_port": 3}
    planned = plan_defaults(sdep(predictor("p1", node(endpoint=written))), PORTS)
    assert endpoint(planned, "classifier") == {
        "type": "REST",
        "service_host": "localhost",
        "httpPort": 9000,
        "grpcPort": 9500,
        "service_port": 9000,
    }


@pytest.mark.parametrize(
    "mount",
    [
        pytest.param({"name": "seldon-podinfo", "mountPath": "/elsewhere"}, id="same-name"),
        pytest.param({"name": "mine", "mountPath": "/etc/podinfo"}, id="same-path"),
    ],
)
def test_a_users_mount_of_the_annotations_is_kept(mount: Object) -> None:
    planned = plan_defaults(sdep(predictor("p1", None, component(container(volumeMounts=[mount])))), PORTS)
    assert container_of(planned, "classifier")["volumeMounts"] == [mount]


@pytest.mark.parametrize("graph", [True, False], ids=["graph", "spec-only"])
def test_what_is_filled_in_already_is_returned_as_it_is(graph: bool) -> None:
    obj = stored_defaults(chain_in_two_pods(), graph=graph)
    assert stored_defaults(obj, graph=graph) is obj


@given(seldon_deployments(), st.booleans())
def test_nothing_but_the_five_fields_is_stored(obj: Object, graph: bool) -> None:
    stored = copy.deepcopy(stored_defaults(obj, graph=graph))
    for field in ("protocol", "transport", "serverType"):
        stored["spec"].pop(field)
    for each in stored["spec"]["predictors"] if graph else ():
        assert each.pop("labels") == {"version": each["name"]}
        for _, part in walk(each["graph"]):
            assert part.pop("type") == "MODEL"
    assert stored == obj


@given(broken())
def test_what_is_stored_plans_the_same(value: Any) -> None:
    assert repr(plan_defaults(stored_defaults(value), PORTS)) == repr(plan_defaults(value, PORTS))


def test_the_namespace_is_default_where_none_is_given() -> None:
    planned = plan_defaults(changed(chain_in_two_pods(), ("metadata.namespace", ...)), PORTS)
    assert planned["metadata"]["namespace"] == "default"


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        pytest.param([[("x", 9001)], []], [(9000, 9500, 6000), (9002, 9501, 6001)], id="declared-by-another"),
        pytest.param([[], [("x", 9000)]], [(9001, 9500, 6000), (9002, 9501, 6001)], id="declared-by-a-later-one"),
        pytest.param([[("http", 9000)], []], [(9000, 9500, 6000), (9001, 9501, 6001)], id="declared-where-it-would-be"),
        pytest.param([[("http", 9001)], []], [(9001, 9500, 6000), (9002, 9501, 6001)], id="declared-as-the-next"),
        pytest.param([[("metrics", 6001)], [("x", 6000)]], [(9000, 9500, 6001), (9001, 9501, 6002)], id="metrics"),
        pytest.param([[("x", 9500)], []], [(9000, 9501, 6000), (9001, 9502, 6001)], id="http-number-for-grpc"),
    ],
)
def test_declared_ports_are_given_to_nobody_else(
    ports: list[list[tuple[str, int]]], expected: list[tuple[int, int, int]]
) -> None:
    pods = [
        container(name, ports=[{"name": port, "containerPort": number} for port, number in declared])
        for name, declared in zip("ab", ports, strict=True)
    ]
    planned = plan_defaults(sdep(predictor("p1", node("a", node("b")), component(*pods))), PORTS)
    assert [numbers(planned, "a"), numbers(planned, "b")] == expected


def test_reserved_ports_are_given_to_nobody() -> None:
    planned = plan_defaults(sdep(), PortSettings(reserved=frozenset({9000, 9500, 6000})))
    assert numbers(planned, "classifier") == (9001, 9501, 6001)


def test_six_hundred_containers_have_ports_of_their_own() -> None:
    names = [f"c{index}" for index in range(600)]
    graph = node(names[0], *[node(name) for name in names[1:]])
    planned = plan_defaults(sdep(predictor("p1", graph, component(*map(container, names)))), PORTS)
    used = [number for name in names for number in numbers(planned, name)]
    assert len(set(used)) == len(used)


# Properties


def test_what_goes_in_is_not_changed() -> None:
    obj = chain_in_two_pods()
    before = copy.deepcopy(obj)
    stored_defaults(obj)
    plan_defaults(obj, PORTS)
    assert obj == before


@given(seldon_deployments(), st.sampled_from([PORTS, PortSettings(9000, 9001, 9002)]))
def test_planning_again_changes_nothing(obj: Object, settings: PortSettings) -> None:
    planned = plan_defaults(obj, settings)
    assert plan_defaults(planned, settings) == planned
    assert plan_defaults(stored_defaults(obj), settings) == planned


@given(seldon_deployments(), st.sampled_from([PORTS, PortSettings(9000, 9001, 9002)]))
def test_no_port_is_given_out_that_is_in_use_in_the_pod(obj: Object, settings: PortSettings) -> None:
    planned = plan_defaults(obj, settings)
    for before, after in zip(obj["spec"]["predictors"], planned["spec"]["predictors"], strict=True):
        nodes = {node["name"]: node for _, node in walk(after["graph"])}
        users: dict[tuple[int, int], list[bool]] = {}
        for old, new in zip(containers(before), containers(after), strict=True):
            declared = {port["containerPort"] for port in old.container["ports"]}
            served = nodes.get(new.container["name"], {}).get("endpoint", {})
            given = [served.get("httpPort"), served.get("grpcPort")]
            given += [port["containerPort"] for port in new.container["ports"]]
            fresh = [number for number in given if number is not None and number not in declared]
            assert len(set(fresh)) == len(fresh)
            for number in {*declared, *fresh}:
                users.setdefault((new.spec_index, number), []).append(number in declared)
        clashes = {place: by for place, by in users.items() if len(by) > 1 and not all(by)}
        assert not clashes


def assert_kept(before: Any, after: Any, path: str = "") -> None:
    """What was there is there, in its order; where something was empty, something may be."""
    if isinstance(before, dict) and isinstance(after, dict):
        assert list(after)[: len(before)] == list(before), path
        for key, value in before.items():
            # Set by the controller, whatever is written.
            server = key == "type" and is_server(before)
            if key not in ("service_host", "service_port", "httpPort", "grpcPort") and not server:
                assert_kept(value, after[key], f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list):
        for index, value in enumerate(before):
            assert_kept(value, after[index], f"{path}[{index}]")
    elif before not in (None, ""):
        assert before is after or before == after, path


@given(JSON | broken())
def test_nothing_is_dropped_or_reordered(value: Any) -> None:
    assert_kept(value, stored_defaults(value))
    assert_kept(value, plan_defaults(value, PORTS))


def predictors_of(value: Any) -> list[Object]:
    listed = as_list(as_map(as_map(value).get("spec")).get("predictors"))
    return [each for each in listed if isinstance(each, dict)]


@given(JSON | broken())
def test_anything_is_accepted_and_storing_again_changes_nothing(value: Any) -> None:
    stored = stored_defaults(value)
    planned = plan_defaults(value, PORTS)
    assert repr(stored_defaults(stored)) == repr(stored)
    if all(with_servers(each) is each for each in predictors_of(value)):
        assert repr(plan_defaults(planned, PORTS)) == repr(planned)
    assert repr(stored_defaults(value, graph=False)) == repr(
        stored_defaults(stored_defaults(value, graph=False), graph=False)
    )
