"""The status, from what is observed."""

from typing import Any

import pytest

from seldon_core.api.findings import Finding
from seldon_core.plan import Cause, LiveObject, Observed, Problem, invalid_status, plan, status

from .build import CONFIG, Object, component, container, live, node, predictor, sdep, single, unready

NOW, BEFORE = "2030-01-02T03:04:05Z", "2029-01-01T00:00:00Z"


def services(*names: str) -> dict[str, LiveObject]:
    return {name: LiveObject(uid=name) for name in names}


def of(obj: Object, observed: Observed, *problems: Problem) -> Object:
    return status(plan(obj, CONFIG, observed), CONFIG, observed, problems=problems, now=NOW)


def of_one(deployment: Any, *problems: Problem, obj: Object | None = None) -> Object:
    """The status of one predictor with one Deployment, its Services in place."""
    deployments = {} if deployment is None else {"m-p-0-a": deployment}
    return of(obj or single(), Observed(deployments=deployments, services=services("m-p", "m-p-a")), *problems)


def condition(made: Object, kind: str) -> Object:
    return next(entry for entry in made["conditions"] if entry["type"] == kind)


def test_everything_is_available() -> None:
    assert of_one(live()) == {
        "state": "Available",
        "description": "",
        "observedGeneration": 1,
        "predictors": 1,
        "replicas": 1,
        "selector": "app=m-p-0-a,seldon-deployment-id=m",
        "deploymentStatus": {"m-p-0-a": {"replicas": 1, "availableReplicas": 1}},
        "serviceStatus": {
            "m-p-a": {"svcName": "m-p-a", "httpEndpoint": "m-p-a.n:9000", "grpcEndpoint": "m-p-a.n:9500"},
            "m-p": {"svcName": "m-p", "httpEndpoint": "m-p.n:8000", "grpcEndpoint": "m-p.n:5001"},
        },
        "address": {"url": "http://m-p.n.svc.cluster.local:8000/api/v1.0/predictions"},
        "conditions": [
            {
                "type": kind,
                "status": "True",
                "reason": reason,
                "message": "",
                "lastTransitionTime": NOW,
                "observedGeneration": 1,
            }
            for kind, reason in (
                ("AmbassadorMappingsReady", "NoneDefined"),
                ("DeploymentsReady", "AllAvailable"),
                ("GatewayRoutesReady", "NoneDefined"),
                ("HpasReady", "NoneDefined"),
                ("KedaReady", "NoneDefined"),
                ("PdbsReady", "NoneDefined"),
                ("Ready", "AllReady"),
                ("ServicesReady", "AllCreated"),
                ("istioVirtualServicesReady", "NoneDefined"),
            )
        ],
    }


def test_nothing_exists_yet() -> None:
    made = of(single(), Observed())
    assert made["state"] == "Creating"
    assert not {"deploymentStatus", "serviceStatus", "address"} & made.keys()
    assert {c["type"]: (c["status"], c["reason"]) for c in made["conditions"] if c["reason"] != "NoneDefined"} == {
        "DeploymentsReady": ("False", "Creating"),
        "Ready": ("False", "Creating"),
        "ServicesReady": ("False", "Creating"),
    }
    assert condition(made, "ServicesReady")["message"] == (
        'Service "m-p-a" does not exist yet\nService "m-p" does not exist yet'
    )


def conditions(**values: tuple[str, str, str]) -> Object:
    return {
        "conditions": [
            {"type": kind, "status": value, "reason": reason, "message": message}
            for kind, (value, reason, message) in values.items()
        ]
    }


UNAVAILABLE = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
STUCK = ("False", "ProgressDeadlineExceeded", 'ReplicaSet "x" has timed out progressing.')
FORBIDDEN = ("True", "FailedCreate", 'pods "x" is forbidden: violates PodSecurity "restricted:latest"')


@pytest.mark.parametrize(
    ("deployment", "state", "reason", "message"),
    [
        pytest.param(None, "Creating", "Creating", "does not exist yet", id="absent"),
        pytest.param(live(0), "Available", "AllAvailable", "", id="scaled-to-nothing"),
        pytest.param(live(generation=2), "Creating", "RolloutInProgress", "1 up to date", id="not-yet-observed"),
        pytest.param(live(terminating=True), "Creating", "Terminating", "is being deleted", id="terminating"),
        pytest.param(
            unready(3, status=conditions(Available=UNAVAILABLE)),
            "Creating",
            "MinimumReplicasUnavailable",
            'Deployment "m-p-0-a": 0 of 3 pods are available, 3 up to date',
            id="starting",
        ),
        pytest.param(
            live(3, status={"updatedReplicas": 1, "replicas": 4, "unavailableReplicas": 1}),
            "Creating",
            "RolloutInProgress",
            "3 of 3 pods are available, 1 up to date",
            id="rolling",
        ),
        pytest.param(
            unready(status=conditions(Available=UNAVAILABLE, Progressing=STUCK)),
            "Failed",
            "ProgressDeadlineExceeded",
            "timed out progressing",
            id="stuck",
        ),
        pytest.param(
            live(
                status={
                    "unavailableReplicas": 1,
                    **conditions(Available=("True", "MinimumReplicasAvailable", ""), Progressing=STUCK),
                }
            ),
            "Creating",
            "ProgressDeadlineExceeded",
            "timed out progressing",
            id="stuck-but-the-old-pods-serve",
        ),
        pytest.param(
            unready(status={"replicas": 0, **conditions(Available=UNAVAILABLE, ReplicaFailure=FORBIDDEN)}),
            "Creating",
            "FailedCreate",
            "violates PodSecurity",
            id="pods-forbidden",
        ),
        pytest.param(
            unready(status=conditions(Available=UNAVAILABLE, Progressing=STUCK, ReplicaFailure=FORBIDDEN)),
            "Failed",
            "FailedCreate",
            "violates PodSecurity",
            id="pods-forbidden-for-too-long",
        ),
        pytest.param(
            unready(generation=2, status=conditions(Available=UNAVAILABLE, Progressing=STUCK)),
            "Creating",
            "MinimumReplicasUnavailable",
            "0 of 1",
            id="stuck-before-the-last-edit",
        ),
    ],
)
def test_the_state_and_cause_of_a_deployment(deployment: Any, state: str, reason: str, message: str) -> None:
    made = of_one(deployment)
    assert made["state"] == state
    for kind in ("DeploymentsReady", "Ready"):
        found = condition(made, kind)
        if kind == "Ready" and state == "Available":
            continue
        assert (found["reason"], found["status"]) == (reason, "True" if state == "Available" else "False")
        assert message in found["message"]
    assert condition(made, "ServicesReady")["status"] == "True"
    assert made["description"] == condition(made, "Ready")["message"]


def test_the_pods_tell_the_deepest_cause() -> None:
    observed = Observed(deployments={"m-p-0-a": unready()}, services=services("m-p", "m-p-a"))
    causes = {"m-p-0-a": Cause("OOMKilled", 'pod "x" ran out of memory', 3)}
    made = status(plan(single(), CONFIG, observed), CONFIG, observed, causes=causes, now=NOW)
    assert (made["state"], condition(made, "Ready")["reason"]) == ("Creating", "OOMKilled")
    assert made["description"] == (
        'Deployment "m-p-0-a": 0 of 1 pods are available, 1 up to date; pod "x" ran out of memory'
    )


def test_autoscalers_and_budgets_are_conditions_of_their_own() -> None:
    obj = single()
    obj["spec"]["predictors"][0]["componentSpecs"][0] |= {"hpaSpec": {"maxReplicas": 3}, "pdbSpec": {"minAvailable": 1}}
    made = of_one(live(), obj=obj)
    assert made["state"] == "Creating"
    for kind, message in (
        ("HpasReady", 'HorizontalPodAutoscaler "m-p-0-a" does not exist yet'),
        ("PdbsReady", 'PodDisruptionBudget "m-p-0-a" does not exist yet'),
    ):
        assert (condition(made, kind)["status"], condition(made, kind)["message"]) == ("False", message)
    there = {(kind, "m-p-0-a"): LiveObject("u") for kind in ("HorizontalPodAutoscaler", "PodDisruptionBudget")}
    observed = Observed({"m-p-0-a": live()}, services("m-p", "m-p-a"), there)
    made = of(obj, observed)
    assert made["state"] == "Available"
    assert (condition(made, "HpasReady")["reason"], condition(made, "KedaReady")["reason"]) == (
        "AllCreated",
        "NoneDefined",
    )


def test_a_deployment_that_is_held_back_is_not_available_yet() -> None:
    graph = node("a", node("b"), kind="TRANSFORMER")
    obj = sdep(predictor("p", graph, component(container("a")), component(container("b"))))
    observed = Observed({"m-p-0-a": live(carries_engine=True)}, services("m-p", "m-p-a", "m-p-b"))
    made = of(obj, observed)
    assert made["state"] == "Creating"
    assert condition(made, "Ready")["reason"] == "WaitingForOthers"


@pytest.mark.parametrize(
    ("protocol", "annotations", "address"),
    [
        ("seldon", {}, "http://m-p.n.svc.cluster.local:8000/api/v1.0/predictions"),
        ("v2", {}, "http://m-p.n.svc.cluster.local:8000/v2/models/a/infer"),
        ("kfserving", {}, "http://m-p.n.svc.cluster.local:8000/v2/models/a/infer"),
        ("tensorflow", {}, "http://m-p.n.svc.cluster.local:8000/v1/models/a:predict"),
        ("seldon", {"seldon.io/no-engine": "true"}, "http://m-p.n.svc.cluster.local:9000/api/v1.0/predictions"),
    ],
)
def test_the_address_fits_the_protocol(protocol: str, annotations: Object, address: str) -> None:
    obj = single(annotations=annotations)
    obj["spec"]["protocol"] = protocol
    assert of_one(live(), obj=obj)["address"] == {"url": address}


def test_tls_is_said_by_the_address() -> None:
    made = of_one(live(), obj=single(ssl={"certSecretName": "cert"}))
    assert made["address"]["url"].startswith("https://")


def test_an_explainer_is_told_from_what_it_explains() -> None:
    obj = single(explainer={"type": "AnchorTabular"})
    observed = Observed({"m-p-0-a": live(), "m-p-explainer": live()}, services("m-p", "m-p-a", "m-p-explainer"))
    made = of(obj, observed)
    assert made["serviceStatus"]["m-p-explainer"] == {
        "svcName": "m-p-explainer",
        "httpEndpoint": "m-p-explainer.n:9000",
        "explainerFor": "m-p",
    }
    assert made["deploymentStatus"]["m-p-explainer"]["explainerFor"] == "m-p"
    assert "explainerFor" not in made["serviceStatus"]["m-p"]


def test_one_stuck_deployment_of_several_decides() -> None:
    graph = node("a", node("b"), kind="TRANSFORMER")
    obj = sdep(predictor("p", graph, component(container("a")), component(container("b"))))
    stuck = unready(status=conditions(Available=UNAVAILABLE, Progressing=STUCK))
    observed = Observed(
        deployments={"m-p-0-a": unready(), "m-p-1-b": stuck}, services=services("m-p", "m-p-a", "m-p-b")
    )
    made = of(obj, observed)
    assert made["state"] == "Failed"
    assert made["description"].startswith('Deployment "m-p-1-b"')


def test_what_could_not_be_applied_fails() -> None:
    taken = Problem("Service", "NameTaken", 'Service "m-p" exists and belongs to somebody else; rename the predictor')
    made = of_one(live(), taken)
    assert made["state"] == "Failed"
    assert made["description"] == taken.message
    assert condition(made, "ServicesReady")["reason"] == "NameTaken"
    assert condition(made, "Ready")["message"] == taken.message
    assert condition(made, "DeploymentsReady")["status"] == "True"


def test_the_time_of_a_condition_changes_only_with_its_status() -> None:
    obj = single()
    obj["status"] = {
        "conditions": [
            {"type": "DeploymentsReady", "status": "True", "lastTransitionTime": BEFORE, "reason": "Other"},
            {"type": "Ready", "status": "False", "lastTransitionTime": BEFORE, "reason": "X"},
        ]
    }
    made = of_one(live(), obj=obj)
    times = {entry["type"]: entry["lastTransitionTime"] for entry in made["conditions"]}
    assert (times["DeploymentsReady"], times["Ready"], times["ServicesReady"]) == (BEFORE, NOW, NOW)


def test_a_status_that_holds_is_computed_again_as_it_was() -> None:
    obj = single()
    obj["status"] = of_one(live(), obj=obj)
    observed = Observed(deployments={"m-p-0-a": live()}, services=services("m-p", "m-p-a"))
    assert status(plan(obj, CONFIG, observed), CONFIG, observed, now="2031-01-01T00:00:00Z") == obj["status"]


def test_the_observed_generation_is_that_of_the_spec() -> None:
    obj = single()
    obj["metadata"]["generation"] = 7
    made = of_one(live(), obj=obj)
    assert made["observedGeneration"] == 7
    assert {entry["observedGeneration"] for entry in made["conditions"]} == {7}


def test_replicas_and_selector_describe_the_pods_that_follow_spec_replicas() -> None:
    graph = node("a", node("b", node("c")), kind="TRANSFORMER")
    graph["children"][0]["type"] = "TRANSFORMER"
    pods = (component(container("a")), component(container("b"), replicas=1), component(container("c")))
    obj = sdep(predictor("p", graph, *pods), replicas=3)
    observed = Observed(deployments={"m-p-0-a": live(3), "m-p-1-b": live(1), "m-p-2-c": live(2)})
    made = of(obj, observed)
    assert made["replicas"] == 5
    assert made["selector"] == "app in (m-p-0-a,m-p-2-c),seldon-deployment-id=m"
    assert "ScaleIneffective" not in [entry["type"] for entry in made["conditions"]]


def test_scale_without_effect_is_said() -> None:
    obj = single(replicas=2)
    assert "ScaleIneffective" not in [entry["type"] for entry in of_one(live(2), obj=obj)["conditions"]]
    obj["spec"]["replicas"] = 5
    made = of_one(live(2), obj=obj)
    assert made["state"] == "Available"
    assert condition(made, "ScaleIneffective")["status"] == "True"
    assert "kubectl scale" in condition(made, "ScaleIneffective")["message"]
    assert (made["replicas"], made["selector"]) == (2, "app=m-p-0-a,seldon-deployment-id=m")


def test_the_address_is_that_of_the_first_predictor_that_answers() -> None:
    obj = sdep(
        predictor("shadow", node("a"), component(container("a")), shadow=True),
        predictor("main", node("a"), component(container("a")), annotations={"seldon.io/svc-name": "custom"}),
    )
    made = of(obj, Observed(services=services("m-shadow", "custom")))
    assert made["address"]["url"] == "http://custom.n.svc.cluster.local:8000/api/v1.0/predictions"


def test_an_invalid_one_fails_with_the_findings_and_keeps_the_rest() -> None:
    obj = single()
    obj["status"] = of_one(live(), obj=obj)
    obj["metadata"]["generation"] = 2
    finding = Finding("spec.predictors[0].name", "P", "must be lower case", 'write "p"')
    made = invalid_status(obj, [finding, finding], now=NOW)
    assert (made["state"], made["observedGeneration"]) == ("Failed", 2)
    assert made["description"] == condition(made, "Ready")["message"] == f"{finding}\n{finding}"
    assert condition(made, "Ready")["reason"] == "InvalidSpec"
    assert condition(made, "DeploymentsReady") == condition(obj["status"], "DeploymentsReady")
    assert made["serviceStatus"] == obj["status"]["serviceStatus"]
    again = {**obj, "status": made}
    assert invalid_status(again, [finding, finding], now="later") == made


def test_an_invalid_one_of_any_shape_gets_a_status() -> None:
    obj: Object = {"metadata": {"name": "m"}, "spec": [], "status": {"conditions": ["x", {"type": 3}]}}
    made = invalid_status(obj, [Finding("spec", [], "must be a mapping", "write one")], now=NOW)
    assert (made["state"], made["predictors"]) == ("Failed", 0)
    assert [entry["type"] for entry in made["conditions"]] == ["Ready"]


def test_a_message_is_cut_to_what_a_condition_holds() -> None:
    findings = [Finding(f"spec.predictors[{i}]", i, "is wrong " * 10, "change it") for i in range(1000)]
    made = invalid_status(single(), findings, now=NOW)
    assert len(made["description"]) == 32768
    assert made["description"].endswith("...")
