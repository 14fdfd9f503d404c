"""Objects of one SeldonDeployment that would have one name (T10)."""

import pytest

from seldon_core.api.rules.predictors import Makers
from seldon_core.api.validate import validate
from tests.api.samples import Object, component, container, node, predictor, sdep
from tests.api.verdicts import errors

OWN_POD = {"annotations": {"seldon.io/engine-separate-pod": "true"}}


def of(*containers: str, name: str | None = None) -> Object:
    return component(*map(container, containers), **({"metadata": {"name": name}} if name else {}))


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(
            sdep(predictor("a"), predictor("a-classifier", node("x"), of("x"))),
            'spec.predictors[1].name: "a-classifier": makes a Service named "mydep-a-classifier", as '
            "spec.predictors[0].componentSpecs[0].spec.containers[0].name does; rename one of the two",
            id="predictor-and-container",
        ),
        pytest.param(
            sdep(
                predictor("a"),
                {"name": "b", "graph": node(implementation="SKLEARN_SERVER", modelUri="gs://a"),
                 "annotations": {"seldon.io/svc-name": "mydep-a"}},
            ),
            'spec.predictors[1].annotations[seldon.io/svc-name]: "mydep-a": makes a Service named "mydep-a", as '
            "spec.predictors[0].name does; rename one of the two",
            id="chosen-name",
        ),
        pytest.param(
            sdep(
                {"name": "a", "graph": node("x", implementation="SKLEARN_SERVER", modelUri="gs://a")},
                predictor("a-x", node("y"), of("y")),
            ),
            'spec.predictors[1].name: "a-x": makes a Service named "mydep-a-x", as spec.predictors[0].graph.name does; '
            "rename one of the two",
            id="server-without-container",
        ),
        pytest.param(
            sdep(predictor("a", node("explainer"), of("explainer"), explainer={"type": "AnchorTabular"})),
            'spec.predictors[0].explainer: "a": makes a Service named "mydep-a-explainer", as '
            "spec.predictors[0].componentSpecs[0].spec.containers[0].name does; rename one of the two",
            id="container-named-explainer",
        ),
        pytest.param(
            sdep(
                predictor("p-0", node("z"), of("z", name="q")),
                predictor("p", node("x"), of("x", name="0-q")),
            ),
            'spec.predictors[1].componentSpecs[0]: makes a Deployment named "mydep-p-0-0-q", as '
            "spec.predictors[0].componentSpecs[0] does; set its metadata.name to a name of its own",
            id="deployments",
        ),
        pytest.param(
            sdep(
                predictor("a", node("x"), of("x", name="svc-orch")), predictor("a-0", node("y"), of("y")), **OWN_POD
            ),
            'spec.predictors[1].name: makes a Deployment named "mydep-a-0-svc-orch", as '
            "spec.predictors[0].componentSpecs[0] does; rename the predictor",
            id="engine-of-its-own",
        ),
    ],
)  # fmt: skip
def test_refused(obj: Object, expected: str) -> None:
    assert errors(obj) == [expected]


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(
            sdep(predictor("a", node("x"), of("x", name="svc-orch")), predictor("a-0", node("y"), of("y"))),
            id="no-engine-of-its-own",
        ),
        pytest.param(sdep(predictor("a", node("explainer"), of("explainer"))), id="no-explainer"),
        pytest.param(sdep(predictor("a"), predictor("b")), id="the-same-container-in-two-predictors"),
        pytest.param(sdep(predictor("a", None, of("classifier"), of("x"), of("y"))), id="pods"),
    ],
)
def test_accepted(obj: Object) -> None:
    assert errors(obj) == []


SERVICE = ("Service", "mydep-a-x")
CONTAINER = "spec.predictors[0].componentSpecs[0].spec.containers[0].name"


@pytest.mark.parametrize(
    ("makers", "expected"),
    [
        pytest.param({SERVICE: ["other"]}, [CONTAINER], id="other"),
        pytest.param({SERVICE: ["mydep", "other"]}, [CONTAINER], id="both"),
        pytest.param({SERVICE: ["mydep"]}, [], id="itself"),
        pytest.param({("Deployment", SERVICE[1]): ["other"]}, [], id="another-kind"),
        pytest.param({}, [], id="unknown"),
    ],
)
def test_names_that_another_one_of_the_namespace_takes(makers: Makers, expected: list[str]) -> None:
    found = validate(sdep(predictor("a", node("x"), of("x"))), makers=makers)
    assert [finding.path for finding in found] == expected
    for finding in found:
        assert str(finding).endswith(
            'makes a Service named "mydep-a-x", as SeldonDeployment "other" does; rename one of the two'
        )
