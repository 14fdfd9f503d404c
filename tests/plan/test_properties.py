"""What holds for whatever is planned."""

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from seldon_core.api.graph import walk
from seldon_core.plan import LiveObject, Observed, plan
from seldon_core.plan.kinds import OF_DEPLOYMENT

from .build import CONFIG, Object, all_ready, component, container, live, predictor, sdep

# Lists that the API server merges by key: path -> the key, as in its OpenAPI schema.
_POD = "/spec/template/spec"
_CONTAINERS = (f"{_POD}/containers/*", f"{_POD}/initContainers/*")
LIST_MAPS: dict[str, tuple[str, ...]] = {
    "/metadata/ownerReferences": ("uid",),
    f"{_POD}/containers": ("name",),
    f"{_POD}/initContainers": ("name",),
    f"{_POD}/volumes": ("name",),
    f"{_POD}/imagePullSecrets": ("name",),
    f"{_POD}/hostAliases": ("ip",),
    f"{_POD}/topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "/spec/ports": ("port", "protocol"),
    **{f"{path}/env": ("name",) for path in _CONTAINERS},
    **{f"{path}/ports": ("containerPort", "protocol") for path in _CONTAINERS},
    **{f"{path}/volumeMounts": ("mountPath",) for path in _CONTAINERS},
}
_DEFAULTS = {"protocol": "TCP"}

names = st.sampled_from(["a", "b", "a-b", "b-c", "model", "p-0-a", "x1"])
# Predictors and containers whose names add up to the same name of an object are refused at the door.
predictor_names = st.sampled_from(["p", "q", "main", "q1"])
long_names = st.one_of(names, st.sampled_from(["l" * 49, "m" * 63, "n-" * 31 + "n"]))
env_names = st.sampled_from(["A", "B", "PREDICTIVE_UNIT_ID", "MLSERVER_HTTP_PORT", "PREDICTIVE_UNIT_HTTP_SERVICE_PORT"])
values = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
env_entries = st.fixed_dictionaries({"name": env_names, "value": values})
# What the validator lets through: no number and no name twice in a container.
ports = st.fixed_dictionaries(
    {"containerPort": st.sampled_from([6000, 7000, 9000, 9001, 9500, 9501])},
    optional={"name": st.sampled_from(["http", "grpc", "metrics"]), "protocol": st.just("TCP")},
)
port_lists = st.lists(ports, max_size=4, unique_by=(lambda p: p["containerPort"], lambda p: p.get("name", id(p))))
replicas = st.one_of(st.none(), st.integers(0, 5))
ignored = st.sampled_from([{}, {"env": None}, {"volumeMounts": None, "ports": []}])


@st.composite
def containers(draw: st.DrawFn, name: str) -> Object:
    fields: Object = draw(ignored)
    if draw(st.booleans()):
        fields |= {"env": draw(st.lists(env_entries, max_size=6)), "ports": draw(port_lists)}
    return container(name, **fields)


@st.composite
def predictors(draw: st.DrawFn, name: str) -> Object:
    """A chain of nodes over one or more pods, with containers outside the graph here and there."""
    nodes = draw(st.lists(long_names, min_size=1, max_size=4, unique=True))
    graph: Object | None = None
    for position, node_name in enumerate(reversed(nodes)):
        kind = "MODEL" if position == 0 else "TRANSFORMER"
        graph = {"name": node_name, "type": kind, "children": [graph] if graph else draw(st.sampled_from([[], None]))}
    cuts = draw(st.lists(st.booleans(), min_size=len(nodes) - 1, max_size=len(nodes) - 1))
    pods: list[list[Object]] = [[]]
    for index, node_name in enumerate(nodes):
        if index and cuts[index - 1]:
            pods.append([])
        pods[-1].append(draw(containers(node_name)))
    if draw(st.booleans()):
        pods[0].append(draw(containers("aside")))
    labels = draw(st.dictionaries(st.sampled_from(["app", "seldon-app", "version", "team"]), names))
    assert graph is not None
    specs = [component(*pod, replicas=draw(replicas)) for pod in pods]
    return predictor(name, graph, *specs, replicas=draw(replicas), labels=draw(st.sampled_from([labels, None])))


@st.composite
def sdeps(draw: st.DrawFn) -> Object:
    listed = draw(st.lists(predictor_names, min_size=1, max_size=3, unique=True))
    made = sdep(*[draw(predictors(name)) for name in listed], name=draw(long_names), replicas=draw(replicas))
    made["spec"]["annotations"] = draw(st.sampled_from([None, {"seldon.io/engine-x": "1", "note": "é"}]))
    return made


@st.composite
def rich_sdeps(draw: st.DrawFn) -> Object:
    """With everything that adds objects, containers, volumes or environment."""
    made = draw(sdeps())
    annotations = {"seldon.io/engine-separate-pod": "true"} if draw(st.booleans()) else {}
    made["spec"]["annotations"] = {**(made["spec"]["annotations"] or {}), **annotations}
    for each in made["spec"]["predictors"]:
        for _, found in walk(each["graph"]):
            found |= draw(
                st.sampled_from([{}, {"modelUri": "gs://b/x"}, {"modelUri": "pvc://c/x"}, {"logger": {"mode": "all"}}])
            )
            found |= draw(
                st.sampled_from([{}, {"implementation": "SKLEARN_SERVER"}, {"implementation": "TENSORFLOW_SERVER"}])
            )
        for part in each["componentSpecs"]:
            part |= draw(st.sampled_from([{}, {"pdbSpec": {"maxUnavailable": 1}}, {"hpaSpec": {"maxReplicas": 3}}]))
            part |= draw(st.sampled_from([{}, {"kedaSpec": {"triggers": []}}]))
        each |= draw(st.sampled_from([{}, {"explainer": {"type": "ALE", "modelUri": "gs://e"}}]))
        each |= draw(st.sampled_from([{}, {"ssl": {"certSecretName": "c"}}]))
    return made


ALL = replace(
    CONFIG,
    keda_enabled=True,
    gateway_enabled=True,
    gateways=(("infra", "gate", ""),),
    istio_enabled=True,
    ambassador_enabled=True,
)


def lists(value: Any, path: str = "") -> Iterator[tuple[str, list[Any]]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from lists(item, f"{path}/{key}")
    elif isinstance(value, list):
        yield path, value
        for item in value:
            yield from lists(item, f"{path}/*")


@given(sdeps())
@settings(max_examples=60)
def test_server_side_apply_accepts_every_list(obj: Object) -> None:
    for item in plan(obj, CONFIG, Observed()).objects:
        for path, entries in lists(item):
            if keys := LIST_MAPS.get(path):
                found = [tuple(entry.get(key, _DEFAULTS.get(key)) for key in keys) for entry in entries]
                assert len(found) == len(set(found)), (path, found)


@given(sdeps())
@settings(max_examples=60)
def test_selectors_find_the_pods_they_are_meant_for_and_no_others(obj: Object) -> None:
    made = plan(obj, CONFIG, Observed()).objects
    pods = {
        item["metadata"]["name"]: item["spec"]["template"]["metadata"]["labels"]
        for item in made
        if item["kind"] == "Deployment"
    }

    def selected(labels: dict[str, str]) -> list[str]:
        return [name for name, have in pods.items() if labels.items() <= have.items()]

    for item in made:
        name = item["metadata"]["name"]
        if item["kind"] == "Deployment":
            assert selected(item["spec"]["selector"]["matchLabels"]) == [name]
        else:
            assert len(selected(item["spec"]["selector"])) == 1, name


@given(rich_sdeps())
@settings(max_examples=60)
def test_whatever_is_asked_for_server_side_apply_and_selectors_work(obj: Object) -> None:
    made = plan(obj, ALL, Observed()).objects
    places = [(item["kind"], item["metadata"]["name"]) for item in made]
    assert len(places) == len(set(places))
    assert [place for place in places if place[0] in OF_DEPLOYMENT and ("Deployment", place[1]) not in places] == []
    for item in made:
        for path, found in lists(item):
            keys = LIST_MAPS.get(path)
            if keys is not None:
                present = [tuple(entry.get(key, _DEFAULTS.get(key)) for key in keys) for entry in found]
                assert len(present) == len(set(present)), (path, present)
    pods = {
        item["metadata"]["name"]: item["spec"]["template"]["metadata"]["labels"]
        for item in made
        if item["kind"] == "Deployment"
    }
    for item in made:
        if item["kind"] in ("Deployment", "PodDisruptionBudget", "Service"):
            selecting = item["spec"]["selector"]
            selecting = selecting.get("matchLabels", selecting)
            assert sum(selecting.items() <= labels.items() for labels in pods.values()) == 1, item["metadata"]["name"]


@given(sdeps())
@settings(max_examples=60)
def test_names_labels_and_identities_are_within_limits(obj: Object) -> None:
    made = plan(obj, CONFIG, Observed()).objects
    keys = [(item["kind"], item["metadata"]["name"]) for item in made]
    assert len(keys) == len(set(keys))
    for item in made:
        metadata = item["metadata"]
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", metadata["name"])
        for key, value in metadata["labels"].items():
            assert len(key.rpartition("/")[2]) <= 63
            assert len(value) <= 63
        assert [owner["uid"] for owner in metadata["ownerReferences"]] == ["uid-of-m"]


@given(sdeps())
@settings(max_examples=60)
def test_a_plan_is_plain_json_the_same_each_time_and_leaves_its_argument_alone(obj: Object) -> None:
    before = copy.deepcopy(obj)
    first = plan(obj, CONFIG, Observed()).objects
    assert obj == before
    assert json.dumps(first) == json.dumps(plan(json.loads(json.dumps(obj)), CONFIG, Observed()).objects)


@given(sdeps())
@settings(max_examples=60)
def test_ports_of_one_pod_never_collide(obj: Object) -> None:
    for predictor_ in obj["spec"]["predictors"]:  # only ports that are given out: users may declare what they like
        for spec in predictor_["componentSpecs"]:
            for item in spec["spec"]["containers"]:
                item.pop("ports", None)
    for item in plan(obj, CONFIG, Observed()).objects:
        if item["kind"] == "Deployment":
            found = [
                port["containerPort"]
                for each in item["spec"]["template"]["spec"]["containers"]
                for port in each.get("ports", [])
            ]
            assert len(found) == len(set(found))


@given(sdeps())
@settings(max_examples=60)
def test_the_engine_can_reach_every_node(obj: Object) -> None:
    made = plan(obj, CONFIG, Observed())
    services = {
        f"{item['metadata']['name']}.n.svc.cluster.local": item for item in made.objects if item["kind"] == "Service"
    }
    for each in made.sdep["spec"]["predictors"]:
        hosts = []
        for _, found in walk(each["graph"]):
            endpoint = found["endpoint"]
            hosts.append(endpoint["service_host"])
            if endpoint["service_host"] != "localhost":
                ports = [port["port"] for port in services[endpoint["service_host"]]["spec"]["ports"]]
                assert ports == [endpoint["httpPort"], endpoint["grpcPort"]]
        assert "localhost" in hosts


@given(sdeps(), st.data())
@settings(max_examples=60)
def test_from_any_world_deletions_never_touch_what_is_planned(obj: Object, data: st.DataObject) -> None:
    made = plan(obj, CONFIG, Observed())
    strays = {f"old-{i}": live(carries_engine=data.draw(st.booleans())) for i in range(data.draw(st.integers(0, 3)))}
    ready = {name: value for name, value in all_ready(made).items() if data.draw(st.booleans())}
    observed = Observed(deployments={**ready, **strays}, services={"old-service": LiveObject(uid="s")})
    wanted = {item["metadata"]["name"] for item in made.objects}
    gone = plan(obj, CONFIG, observed).superseded
    assert not wanted & {ref.name for ref in gone}
    if len(ready) < len(made.names("Deployment")):
        assert gone == []
