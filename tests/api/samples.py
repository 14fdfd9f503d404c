"""SeldonDeployments that the tests of the API begin with, and JSON of any shape."""

import copy
from typing import Any

from hypothesis import strategies as st

Object = dict[str, Any]

# In the rule of every finding about what the API has and this version does not serve.
UNSERVED = "not served by this version"


def container(name: str = "classifier", **fields: Any) -> Object:
    return {"name": name, "image": "seldonio/mock_classifier:1.0", **fields}


def component(*containers: Object, **fields: Any) -> Object:
    return {"spec": {"containers": list(containers) or [container()]}, **fields}


def node(name: str = "classifier", *children: Object, **fields: Any) -> Object:
    return {"name": name, **fields, **({"children": list(children)} if children else {})}


def predictor(name: str = "p1", graph: Object | None = None, *components: Object, **fields: Any) -> Object:
    return {"name": name, "graph": graph or node(), "componentSpecs": list(components) or [component()], **fields}


def sdep(*predictors: Object, name: str = "mydep", **spec: Any) -> Object:
    return {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"predictors": list(predictors) or [predictor()], **spec},
    }


def two(first: Object | None = None, second: Object | None = None) -> Object:
    """Two predictors with one model each."""
    return sdep(predictor("p1", None, **(first or {})), predictor("p2", None, **(second or {})))


def pod_of(*containers: Object, graph: Object | None = None, **fields: Any) -> Object:
    """One predictor with one pod."""
    return sdep(predictor("p1", graph or node(containers[0]["name"]), component(*containers), **fields))


def chain_in_two_pods(**spec: Any) -> Object:
    graph = node("classifier", node("classifier2"))
    return sdep(predictor("p1", graph, component(), component(container("classifier2"))), **spec)


def changed(obj: Object, *changes: tuple[str, Any]) -> Object:
    """A copy of `obj` with values set at paths such as `spec.predictors.0.name`; `...` removes one."""
    result = copy.deepcopy(obj)
    for path, value in changes:
        target: Any = result
        *parents, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
        for part in parents:
            target = target[part]
        if value is ...:
            del target[last]
        else:
            target[last] = value
    return result


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
# Words of the API among the keys and values, so that what is generated gets past the first check.
VOCABULARY = (
    ["apiVersion", "kind", "metadata", "spec", "name", "predictors", "componentSpecs", "containers", "initContainers",
     "graph", "children", "type", "endpoint", "labels", "annotations", "replicas", "traffic", "shadow", "ports", "env",
     "image", "version", "methods", "implementation", "parameters", "value", "protocol", "transport", "containerPort",
     "MODEL", "ROUTER", "GRPC", "seldon", "rest", "a", "classifier", "seldon.io/svc-name", "hpaSpec", "minReplicas",
     "maxReplicas", "kedaSpec", "pdbSpec", "maxUnavailable", "svcOrchSpec", "explainer", "initParameters", "modelUri",
     "volumeMounts", "volumes", "mountPath", "logger", "serverType", "kafka", "tensorflow", "grpc", "SKLEARN_SERVER",
     "RANDOM_ABTEST", "ratioA", "FLOAT", "ROUTE", "UNKNOWN_TYPE", "seldon.io/no-engine", "seldon.io/rest-timeout",
     "seldon.io/engine-separate-pod", "true"]
)  # fmt: skip
WORDS = st.sampled_from(VOCABULARY)
JSON = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=6),
    max_leaves=40,
)

NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)


@st.composite
def graphs(draw: st.DrawFn, names: list[str]) -> Object:
    """A tree over the given names, each once."""
    root = node(names[0])
    nodes = [root]
    for name in names[1:]:
        child = node(name)
        parent = draw(st.sampled_from(nodes))
        parent.setdefault("children", []).append(child)
        nodes.append(child)
    return root


@st.composite
def predictors(draw: st.DrawFn, name: str) -> Object:
    """A predictor with up to five containers in up to three pods; most are nodes of its graph."""
    # Few names, so that predictors share some.
    names = draw(st.lists(st.sampled_from("abcdef") | NAMES, min_size=1, max_size=5, unique=True))
    pods: list[Object] = [component() for _ in range(draw(st.integers(1, 3)))]
    for pod in pods:
        pod["spec"]["containers"] = []
    ports = st.fixed_dictionaries(
        {"containerPort": st.integers(8999, 9003) | st.integers(9499, 9502) | st.integers(5999, 6003)},
        optional={"name": st.sampled_from(["http", "grpc", "metrics", "other"]), "protocol": st.just("TCP")},
    )
    unique = ("containerPort", lambda port: port.get("name"))
    for each in names:
        fields = {"ports": draw(st.lists(ports, max_size=3, unique_by=(lambda p: p["containerPort"], unique[1])))}
        draw(st.sampled_from(pods))["spec"]["containers"].append(container(each, **fields))
    in_graph = names[: draw(st.integers(1, len(names)))]
    return predictor(name, draw(graphs(in_graph)), *pods)


@st.composite
def seldon_deployments(draw: st.DrawFn) -> Object:
    """A SeldonDeployment with the right shape."""
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    return sdep(*[draw(predictors(name)) for name in names], name=draw(NAMES))


@st.composite
def broken(draw: st.DrawFn) -> Any:
    """A SeldonDeployment with a few of its values replaced by whatever."""
    obj: Any = {"": copy.deepcopy(draw(seldon_deployments()))}
    for _ in range(draw(st.integers(0, 4))):
        parent, key = obj, ""
        while isinstance(parent[key], dict | list) and parent[key] and draw(st.integers(0, 9)):
            parent = parent[key]
            key = draw(st.sampled_from(list(parent) if isinstance(parent, dict) else range(len(parent))))
        parent[key] = draw(JSON)
    return obj[""]
