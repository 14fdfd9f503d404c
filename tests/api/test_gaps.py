"""What the reference implementation admits and then cannot run, and what it does not warn of."""

from typing import Any

import pytest

from seldon_core.api.defaults import stored_defaults
from seldon_core.api.findings import Finding
from seldon_core.api.installation import Installation
from seldon_core.api.validate import validate
from tests.api.samples import UNSERVED, Object, changed, component, container, node, predictor, sdep
from tests.api.test_reference_verdicts import KAFKA, NO_ENGINE, ab_test, kafka, server, with_node

P0 = "spec.predictors[0]"
POD = f"{P0}.componentSpecs[0]"
C0 = f"{POD}.spec.containers[0]"


def found(obj: Any, severity: str, installation: Installation | None = None) -> list[Finding]:
    """Errors or warnings of the rules; what this version does not serve is refused beside that."""
    findings = validate(obj, None, installation) if installation else validate(obj)
    return [finding for finding in findings if finding.severity == severity and UNSERVED not in finding.rule]


def paths(obj: Any, severity: str = "error") -> list[str]:
    return [finding.path for finding in found(obj, severity)]


def of_pods(**fields: Any) -> Object:
    """One predictor whose componentSpec has more fields."""
    return sdep(predictor("p1", None, component(**fields)))


def of_type(kind: str, *children: str, **spec: Any) -> Object:
    graph = node("classifier", *map(node, children), type=kind)
    return sdep(predictor("p1", graph, component(*map(container, ["classifier", *children]))), **spec)


def mounting(*mounts: str, volumes: Any = None) -> Object:
    fields = [{"name": name, "mountPath": f"/{index}"} for index, name in enumerate(mounts)]
    pod = component(container(volumeMounts=fields))
    if volumes is not None:
        pod["spec"]["volumes"] = volumes
    return sdep(predictor("p1", None, pod))


def built_in(implementation: str, **spec: Any) -> Object:
    return sdep({"name": "p1", "graph": node("stub", implementation=implementation)}, **spec)


def annotated(place: str, key: str, value: Any) -> Object:
    """A SeldonDeployment with one annotation: of the spec, its metadata, its predictor or its pods."""
    annotations = {f"seldon.io/{key}": value}
    match place:
        case "spec":
            return sdep(annotations=annotations)
        case "metadata":
            return changed(sdep(), ("metadata.annotations", annotations))
        case "predictor":
            return sdep(predictor(annotations=annotations))
    return of_pods(metadata={"annotations": annotations})


WHERE = {
    "spec": "spec.annotations",
    "metadata": "metadata.annotations",
    "predictor": f"{P0}.annotations",
    "pod": f"{POD}.metadata.annotations",
}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        *[
            pytest.param(
                server(implementation, protocol=protocol),
                [f"{P0}.graph.implementation"],
                id=f"1-{implementation}-{protocol}",
            )
            for implementation, protocol in (
                ("TRITON_SERVER", "seldon"),
                ("TRITON_SERVER", "tensorflow"),
                ("HUGGINGFACE_SERVER", "seldon"),
                ("TEMPO_SERVER", "seldon"),
                ("TENSORFLOW_SERVER", "v2"),
                ("TENSORFLOW_SERVER", "kfserving"),
            )
        ],
        pytest.param(sdep(predictor("P1")), [f"{P0}.name"], id="2-predictor-name"),
        pytest.param(sdep(name="9.models"), ["metadata.name"], id="2-name"),
        pytest.param(
            sdep({"name": "p1", "graph": node("My_Model", implementation="SKLEARN_SERVER", modelUri="gs://a")}),
            [f"{P0}.graph.name"],
            id="2-name-of-a-server",
        ),
        pytest.param(built_in("SIMPLE_MODEL"), [f"{P0}.graph"], id="3-SIMPLE_MODEL-alone"),
        pytest.param(
            sdep(predictor("p1", node("stub", implementation="SIMPLE_MODEL"), {"spec": {"containers": []}})),
            [f"{P0}.graph"],
            id="3-SIMPLE_MODEL-in-an-empty-pod",
        ),
        pytest.param(ab_test(), [f"{P0}.graph", f"{P0}.graph.children"], id="4-ab-test-of-nothing"),
        pytest.param(ab_test("a"), [f"{P0}.graph.children"], id="4-ab-test-of-one"),
        pytest.param(ab_test("a", "b", "c"), [f"{P0}.graph.children"], id="4-ab-test-of-three"),
        *[
            pytest.param(
                ab_test("a", "b", parameters=[{"name": "ratioA", "value": value, "type": "FLOAT"}]),
                [f"{P0}.graph.parameters[0].value"],
                id=f"4-ratio-{value}",
            )
            for value in ("1.5", "-0.1", "half", "")
        ],
        pytest.param(of_type("ROUTER"), [f"{P0}.graph.children"], id="4-router-of-nothing"),
        *[
            pytest.param(with_node(**fields, type="MODEL"), [f"{P0}.graph.children"], id=f"4-{name}-of-nothing")
            for name in ("SIMPLE_ROUTER", "AVERAGE_COMBINER")
            for fields in [{"implementation": name}]
        ],
        *[
            pytest.param(
                sdep(predictor("p1", node("built-in", node(), implementation=name)), protocol=protocol),
                [f"{P0}.graph.implementation"],
                id=f"12-{name}-{protocol}",
            )
            for name, protocol in (("SIMPLE_MODEL", "v2"), ("AVERAGE_COMBINER", "tensorflow"))
        ],
        pytest.param(of_type("COMBINER"), [f"{P0}.graph.children"], id="4-combiner-of-nothing"),
        pytest.param(with_node(methods=["ROUTE"]), [f"{P0}.graph.children"], id="4-routing-method-without-children"),
        pytest.param(
            with_node(parameters=[{"name": "n", "value": "two", "type": "INT"}]),
            [f"{P0}.graph.parameters[0].value"],
            id="4-parameter",
        ),
        pytest.param(with_node(methods=["PREDICT"]), [f"{P0}.graph.methods[0]"], id="4-method"),
        pytest.param(with_node(type="SERVER"), [f"{P0}.graph.type"], id="4-type"),
        pytest.param(with_node(endpoint={"type": "HTTP"}), [f"{P0}.graph.endpoint.type"], id="4-endpoint"),
        pytest.param(
            with_node(parameters=[{"name": "n", "value": "2", "type": "NUMBER"}]),
            [f"{P0}.graph.parameters[0].type"],
            id="4-type-of-a-parameter",
        ),
        *[
            pytest.param(with_node(logger=logger), [f"{P0}.graph.logger.{field}"], id=f"4-logger-{name}")
            for name, field, logger in (
                ("mode", "mode", {"mode": "some"}),
                ("without-mode", "mode", {"url": "http://broker"}),
                ("url", "url", {"mode": "all", "url": "broker:80/path"}),
            )
        ],
        pytest.param(sdep(predictor(explainer={"type": "Guess"})), [f"{P0}.explainer.type"], id="4-explainer"),
        pytest.param(
            sdep(predictor(explainer={"type": "AnchorTabular", "initParameters": "threshold=1"}), protocol="v2"),
            [f"{P0}.explainer.initParameters"],
            id="4-explainer-parameters",
        ),
        pytest.param(
            sdep(predictor(explainer={"type": "AnchorTabular", "initParameters": "[1]"}), protocol="v2"),
            [f"{P0}.explainer.initParameters"],
            id="4-explainer-parameters-list",
        ),
        pytest.param(
            sdep(predictor("p1", None, traffic=150), predictor("p2", None, traffic=-50)),
            [f"{P0}.traffic", "spec.predictors[1].traffic"],
            id="5-150-and-minus-50",
        ),
        pytest.param(sdep(predictor(traffic=101)), [f"{P0}.traffic"], id="5-above-100"),
        pytest.param(
            sdep(predictor("p1", None, traffic=50), predictor("p2", None, shadow=True)),
            [f"{P0}.traffic"],
            id="5-half-beside-a-shadow",
        ),
        pytest.param(kafka("KAFKA_BROKER", "KAFKA_BROKER", "KAFKA_BROKER"), [f"{P0}.svcOrchSpec.env"], id="6-kafka"),
        pytest.param(
            of_pods(hpaSpec={"minReplicas": 5, "maxReplicas": 3}), [f"{POD}.hpaSpec.minReplicas"], id="7-hpa-order"
        ),
        pytest.param(
            of_pods(hpaSpec={"maxReplicas": 3}, kedaSpec={"triggers": []}), [f"{POD}.kedaSpec"], id="7-hpa-and-keda"
        ),
        pytest.param(
            of_pods(kedaSpec={"minReplicaCount": 2, "maxReplicaCount": 1, "triggers": []}),
            [f"{POD}.kedaSpec.minReplicaCount"],
            id="7-keda-order",
        ),
        pytest.param(
            of_pods(pdbSpec={"minAvailable": 1, "maxUnavailable": "50%"}), [f"{POD}.pdbSpec"], id="7-pdb-both"
        ),
        pytest.param(of_pods(pdbSpec={}), [f"{POD}.pdbSpec"], id="7-pdb-none"),
        pytest.param(sdep(predictor(labels={"app": "x"})), [f"{P0}.labels[app]"], id="9-label"),
        *[
            pytest.param(
                of_type(kind, "a", protocol="tensorflow", transport="grpc"), [f"{P0}.graph"], id=f"12-{kind}-tensorflow"
            )
            for kind in ("ROUTER", "COMBINER")
        ],
        pytest.param(
            kafka(*KAFKA, annotations=NO_ENGINE), [f"{P0}.annotations[seldon.io/no-engine]"], id="12-kafka-no-engine"
        ),
        pytest.param(kafka(*KAFKA, explainer={"type": "AnchorTabular"}), [f"{P0}.explainer"], id="12-kafka-explainer"),
        pytest.param(mounting("data"), [f"{C0}.volumeMounts[0].name"], id="mount-without-volume"),
        pytest.param(
            mounting("data", "other", volumes=[{"name": "data", "emptyDir": {}}]),
            [f"{C0}.volumeMounts[1].name"],
            id="mount-of-another-volume",
        ),
        pytest.param(
            sdep(predictor("p1", None, component(container(ports=[{"containerPort": 8000, "name": "http"}])))),
            [f"{C0}.ports[0].containerPort"],
            id="port-of-the-engine",
        ),
    ],
)
def test_refused(obj: Object, expected: list[str]) -> None:
    assert paths(obj) == expected
    assert paths(stored_defaults(obj)) == expected


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(server("TRITON_SERVER", protocol="kfserving"), id="1-two-names-of-one-protocol"),
        pytest.param(built_in("SIMPLE_MODEL", annotations={"seldon.io/engine-separate-pod": "true"}), id="3-own-pod"),
        pytest.param(
            sdep(predictor("p1", node("My_Stub", node("classifier"), implementation="SIMPLE_ROUTER"))),
            id="3-name-of-a-built-in",
        ),
        *[
            pytest.param(
                ab_test("a", "b", parameters=[{"name": "ratioA", "value": value, "type": "FLOAT"}]),
                id=f"4-ratio-{value}",
            )
            for value in ("0", "0.25", "1")
        ],
        pytest.param(
            ab_test(
                "a",
                "b",
                parameters=[
                    {"name": "seed", "value": "7", "type": "INT"},
                    {"name": "ratioA", "value": ".5", "type": "DOUBLE"},
                ],
            ),
            id="4-ratio-among-others",
        ),
        pytest.param(of_type("ROUTER", "a"), id="4-router"),
        pytest.param(of_type("COMBINER", "a", "b"), id="4-combiner"),
        pytest.param(
            sdep(predictor(explainer={"type": "AnchorTabular", "initParameters": '{"a": 1}'}), protocol="v2"),
            id="4-explainer-parameters",
        ),
        pytest.param(of_pods(hpaSpec={"minReplicas": 3, "maxReplicas": 3}), id="7-hpa"),
        pytest.param(of_pods(pdbSpec={"maxUnavailable": "50%"}), id="7-pdb"),
        pytest.param(of_pods(pdbSpec={"minAvailable": 0, "maxUnavailable": None}), id="7-pdb-null"),
        pytest.param(of_type("ROUTER", "a", protocol="tensorflow"), id="12-router-over-rest"),
        pytest.param(
            changed(ab_test("a", "b"), ("spec.protocol", "tensorflow"), ("spec.transport", "grpc")),
            id="12-built-in-router",
        ),
        pytest.param(mounting("data", volumes=[{"name": "data", "emptyDir": {}}]), id="mount"),
        pytest.param(mounting("seldon-podinfo", "podinfo", "classifier-provision-location"), id="mounts-of-ours"),
        pytest.param(
            sdep(predictor("p1", None, component(container(ports=[{"containerPort": 8000}])), annotations=NO_ENGINE)),
            id="port-without-engine",
        ),
        pytest.param(
            changed(
                sdep(predictor("p1", None, component(container(ports=[{"containerPort": 8000}])))),
                ("spec.annotations", {"seldon.io/engine-separate-pod": "true"}),
            ),
            id="port-with-the-engine-elsewhere",
        ),
    ],
)
def test_accepted(obj: Object) -> None:
    assert paths(obj) == []
    assert paths(stored_defaults(obj)) == []


@pytest.mark.parametrize("place", WHERE)
@pytest.mark.parametrize(
    ("key", "bad", "good", "places"),
    [
        ("rest-timeout", ["soon", "0", "-1", "1.5", "", "2147483648"], ["1", "60000"], set(WHERE)),
        ("grpc-timeout", ["5s"], ["5000"], set(WHERE)),
        ("grpc-max-message-size", ["4MiB", "99999999999"], ["2147483647"], set(WHERE)),
        ("rest-max-body-size", ["1GiB", "0"], ["1073741824"], set(WHERE)),
        ("executor-logger-queue-size", ["many"], ["10000"], {"spec", "metadata"}),
        ("executor-logger-write-timeout-ms", ["2s"], ["2000"], {"spec", "metadata"}),
        ("istio-retries", ["twice"], ["0", "3"], {"spec", "metadata"}),
        ("istio-retries-timeout", ["0"], ["1"], {"spec", "metadata"}),
        ("ambassador-retries", ["x"], ["0"], {"spec", "metadata"}),
        ("ambassador-circuit-breakers-max-connections", ["x"], ["1"], {"spec", "metadata"}),
        ("istio-gateway", ["a/b/c", "A", ""], ["istio-system/seldon-gateway", "gateway"], {"spec", "metadata"}),
        ("istio-host", ["a b", "a,", "http://a"], ["*", "a.example.com", "a, *.b"], {"spec", "metadata"}),
        ("ambassador-header", ["", ": x"], ["x-team", "x-team: blue:green"], {"spec", "metadata"}),
        ("ambassador-regex-header", ["x-team", "", "x:"], ["x-team: blue|gr.*", "a: b\nc: d"], {"spec", "metadata"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_8_annotations_that_are_settings(
    place: str, key: str, bad: list[str], good: list[str], places: set[str]
) -> None:
    """Refused where they cannot be read, and named where nothing reads them."""
    path = f"{WHERE[place]}[seldon.io/{key}]"
    for value in bad + good:
        obj = annotated(place, key, value)
        wrong = place in places and value in bad
        assert paths(obj) == ([path] if wrong else [])
        assert paths(obj, "warning") == ([] if place in places else [path])


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(
            annotated("metadata", "engine-separate-pod", "true"),
            'metadata.annotations[seldon.io/engine-separate-pod]: "true": is ignored here; move it to spec.annotations',
            id="8-annotation-in-the-wrong-place",
        ),
        pytest.param(
            annotated("spec", "no-engine", "true"),
            'spec.annotations[seldon.io/no-engine]: "true": is ignored here; '
            "move it to the annotations of the predictor",
            id="8-annotation-of-a-predictor",
        ),
        pytest.param(
            annotated("predictor", "no-engine", "yes"),
            f'{P0}.annotations[seldon.io/no-engine]: "yes": is neither true nor false, and counts as false; '
            'write "true" or "false"',
            id="8-switch",
        ),
        pytest.param(
            of_type("MODEL", "a", "b"),
            f"{P0}.graph.children: all 2 children are called, and only the answer of the first is used; "
            "make the node a COMBINER of the answers or a ROUTER to one child, or keep one child",
            id="4-children-of-a-model",
        ),
        pytest.param(
            of_pods(hpaSpec={"maxReplicas": 2, "metrics": [{"type": "Pods"}], "metricsv2": [{"type": "Pods"}]}),
            f"{POD}.hpaSpec.metricsv2: is ignored, as metrics is given; keep metricsv2, and remove metrics",
            id="7-two-lists-of-metrics",
        ),
        pytest.param(
            sdep(predictor(explainer={"type": "AnchorTabular", "initParameters": "{}"})),
            f'{P0}.explainer.initParameters: "{{}}": is used with protocol v2 only, and is ignored with "seldon"; '
            "write the parameters into config",
            id="14-explainer-parameters",
        ),
        pytest.param(
            changed(server("SKLEARN_SERVER"), ("spec.predictors.0.graph.type", "ROUTER")),
            f'{P0}.graph.type: "ROUTER": is ignored, as a prepackaged server is a MODEL; leave type out',
            id="14-type-of-a-server",
        ),
        pytest.param(
            sdep(protocol="kfserving"), 'spec.protocol: "kfserving": is the old name of v2; write v2', id="14-kfserving"
        ),
    ],
)
def test_warnings(obj: Object, expected: str) -> None:
    assert list(map(str, found(obj, "warning"))) == [expected]
    assert paths(obj) == []


@pytest.mark.parametrize(
    ("key", "good"),
    [("engine-log-level", True), ("engine-_x", True), ("engine-1x", False), ("engine-", None)],
)
def test_8_annotations_that_become_variables_of_the_engine(key: str, good: bool | None) -> None:
    expected = [] if good else [f"spec.annotations[seldon.io/{key}]"] * (2 if good is None else 1)
    assert paths(annotated("spec", key, "x")) == expected


def test_the_operator_decides_which_servers_and_ports_there_are() -> None:
    own = Installation(servers={"MY_SERVER": frozenset({"seldon"}), "EMPTY": frozenset()}, engine_ports=(9001,))
    assert found(server("MY_SERVER"), "error", own) == []
    assert [str(finding) for finding in found(server("EMPTY"), "error", own)] == [
        f'{P0}.graph.implementation: "EMPTY": does not serve the protocol seldon (it serves none); '
        "configure an image for it"
    ]
    (refusal,) = found(server("SKLEARN_SERVER"), "error", own)
    assert str(refusal) == (
        f'{P0}.graph.implementation: "SKLEARN_SERVER": is no server of this installation; '
        "write one of EMPTY, MY_SERVER, SIMPLE_MODEL, SIMPLE_ROUTER, RANDOM_ABTEST, AVERAGE_COMBINER, "
        "or have the operator add it to predictor_servers"
    )
    listening = [
        sdep(predictor("p1", None, component(container(ports=[{"containerPort": port}])))) for port in (8000, 9001)
    ]
    assert [len(found(obj, "error", own)) for obj in listening] == [0, 1]
