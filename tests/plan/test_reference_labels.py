"""Which labels tell shadows, canaries and explainers apart, and the engines of two predictors in pods of their own."""

import pytest

from tests.plan.build import Object, component, container, node, planned, predictor, sdep

SHARES = {
    "R23-all": [{"traffic": 100}],
    "R23-halves": [{"traffic": 50}, {"traffic": 50}],
    "R23-three-quarters": [{"traffic": 75}, {"traffic": 25}],
    "R23-canary": [{"traffic": 48}, {"traffic": 52}],
    "R23-nothing": [{"traffic": 100}, {"traffic": 0}],
    "R23-empty-explainer": [{"explainer": {}}],
    "R23-shadow": [{"traffic": 100}, {"shadow": True}],
    "R23-explainer": [{"explainer": {"type": "AnchorTabular"}}],
}


def parts(name: str, **fields: Object) -> Object:
    return predictor(name, node("a"), component(container("a")), **fields)


@pytest.mark.parametrize("shares", SHARES.values(), ids=SHARES)
def test_only_a_shadow_is_labelled_as_one_and_only_an_explainer_as_such(shares: list[Object]) -> None:
    made = planned(sdep(*(parts(f"p{number}", **fields) for number, fields in enumerate(shares))))
    for (kind, name), obj in made.items():
        labels = obj["metadata"]["labels"]
        fields = shares[int(name.removeprefix("m-p")[0])]
        of_a_node = kind == "Deployment" or name.endswith("-a")
        assert ("seldon.io/shadow" in labels) == (of_a_node and fields.get("shadow", False)), name
        assert labels.get("seldon.io/explainer") == ("true" if "explainer" in name else None), name
    explains = bool(shares[0].get("explainer"))
    assert any("explainer" in name for _, name in made) == explains


@pytest.mark.parametrize("separate", ["true", "false", None], ids=lambda value: f"R17-{value}")
def test_two_predictors_have_an_engine_each(separate: str | None) -> None:
    settings = {} if separate is None else {"seldon.io/engine-separate-pod": separate}
    made = planned(sdep(parts("p1", traffic=70), parts("p2", traffic=30), annotations=settings))
    beside = [] if separate == "true" else ["seldon-container-engine"]
    for name in ("p1", "p2"):
        pod = made["Deployment", f"m-{name}-0-a"]["spec"]["template"]["spec"]
        assert [one["name"] for one in pod["containers"]] == ["a", *beside]
        assert (("Deployment", f"m-{name}-svc-orch") in made) == (separate == "true")
        assert {("Service", f"m-{name}"), ("Service", f"m-{name}-a")} <= made.keys()
