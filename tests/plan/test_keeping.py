"""Pods stay as they were built until their manifest changes."""

import base64
import copy
import random
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from seldon_core.plan import Config, Observed, Plan, plan, status
from seldon_core.plan.status import OUTDATED

from .build import CONFIG, Object, as_applied, component, container, node, predictor, sdep

UPGRADED = replace(CONFIG, engine_image="engine:2", engine_http_port=8001)


def pair() -> Object:
    graph = node("a", node("b"), kind="TRANSFORMER")
    return sdep(predictor("p", graph, component(container("a")), component(container("b")), replicas=2, traffic=100))


def templates(made: Plan) -> dict[str, Any]:
    return {
        obj["metadata"]["name"]: obj["spec"]["template"] if obj["kind"] == "Deployment" else obj["spec"]["ports"]
        for obj in made.objects
        if obj["kind"] in ("Deployment", "Service")
    }


@pytest.fixture
def before() -> Plan:
    return plan(pair(), CONFIG, Observed())


def test_an_upgrade_rolls_nothing_by_itself(before: Plan) -> None:
    after = plan(pair(), UPGRADED, as_applied(before))
    assert after.objects == before.objects
    assert after.outdated == ["p"]
    made = status(after, UPGRADED, as_applied(before), now="now")
    (found,) = (entry for entry in made["conditions"] if entry["type"] == OUTDATED)
    assert (found["status"], found["reason"]) == ("True", "BuiltEarlier")
    assert 'predictor "p"' in found["message"]
    assert "seldon.io/refresh" in found["message"]
    assert made["state"] == "Available"


def test_what_is_built_as_it_would_be_now_is_not_outdated(before: Plan) -> None:
    again = plan(pair(), CONFIG, as_applied(before))
    assert (again.objects, again.outdated) == (before.objects, [])
    assert plan(pair(), replace(CONFIG, controller_id="x"), as_applied(before)).outdated == []


@pytest.mark.parametrize("settings", [{"roll": True}, {"roll": None}], ids=["this-one", "all"])
def test_it_does_where_that_is_wished(before: Plan, settings: dict[str, Any]) -> None:
    config = replace(UPGRADED, rolls_on_upgrade=settings["roll"] is None)
    after = plan(pair(), config, as_applied(before), **settings)
    assert after.outdated == []
    assert templates(after) == templates(plan(pair(), UPGRADED, Observed()))


def edited(path: str, value: Any) -> Callable[[Object], None]:
    def edit(obj: Object) -> None:
        *parents, last = path.split("/")
        holder: Any = obj
        for key in parents:
            holder = holder[int(key)] if isinstance(holder, list) else holder.setdefault(key, {})
        holder[last] = value

    return edit


PREDICTOR = "spec/predictors/0"


@pytest.mark.parametrize(
    ("edit", "stays"),
    [
        pytest.param(edited(f"{PREDICTOR}/replicas", 5), True, id="replicas"),
        pytest.param(edited("spec/replicas", 5), True, id="replicas-of-all"),
        pytest.param(edited(f"{PREDICTOR}/traffic", 50), True, id="traffic"),
        pytest.param(edited(f"{PREDICTOR}/componentSpecs/0/hpaSpec", {"maxReplicas": 3}), True, id="autoscaler"),
        pytest.param(edited(f"{PREDICTOR}/componentSpecs/0/pdbSpec", {"minAvailable": 1}), True, id="budget"),
        pytest.param(edited("metadata/labels", {"x": "y"}), True, id="labels-of-its-own"),
        pytest.param(edited(f"{PREDICTOR}/labels", {"x": "y"}), False, id="labels-of-pods"),
        pytest.param(edited("spec/annotations", {"x": "y"}), False, id="annotations-of-pods"),
        pytest.param(edited(f"{PREDICTOR}/componentSpecs/1/spec/containers/0/image", "b:2"), False, id="image"),
        pytest.param(edited("metadata/annotations", {"seldon.io/refresh": "1"}), False, id="refresh"),
    ],
)
def test_what_keeps_pods_as_they_are(before: Plan, edit: Callable[[Object], None], stays: bool) -> None:
    obj = copy.deepcopy(pair())
    edit(obj)
    after = plan(obj, UPGRADED, as_applied(before))
    assert after.outdated == (["p"] if stays else [])
    fresh = templates(plan(obj, UPGRADED, Observed()))
    kept = templates(before)
    changed = [name for name, part in templates(after).items() if part != (kept if stays else fresh).get(name, part)]
    assert changed == []


def test_replicas_are_those_asked_for_now(before: Plan) -> None:
    obj = pair()
    obj["spec"]["predictors"][0]["replicas"] = 5
    after = plan(obj, UPGRADED, as_applied(before))
    assert [item["spec"]["replicas"] for item in after.objects if item["kind"] == "Deployment"] == [5, 5]


def packed(text: bytes) -> str:
    return base64.b64encode(zlib.compress(text, 9)).decode()


@pytest.mark.parametrize(
    "record",
    [
        pytest.param("", id="none"),
        pytest.param("nonsense", id="nonsense"),
        pytest.param("{print}.b", id="spoilt"),
        pytest.param("{print}." + packed(b"[1]"), id="no-template"),
        pytest.param("{print}." + packed(b"[" * 100_000), id="deep"),
        pytest.param("{print}." + packed(b" " * 50_000_000 + b"{}"), id="more-than-an-object-holds"),
        pytest.param(None, id="cut"),
    ],
)
def test_a_predictor_is_kept_as_a_whole_or_built_as_a_whole(before: Plan, record: str | None) -> None:
    observed = as_applied(before)
    kept = observed.deployments["m-p-1-b"]
    spoilt = kept.record[:-9] if record is None else record.replace("{print}", kept.record.partition(".")[0])
    deployments = {**observed.deployments, "m-p-1-b": replace(kept, record=spoilt)}
    after = plan(pair(), UPGRADED, replace(observed, deployments=deployments))
    assert after.outdated == []
    assert templates(after) == templates(plan(pair(), UPGRADED, Observed()))


def test_predictors_are_kept_one_by_one() -> None:
    obj = sdep(*(predictor(name, node("a"), component(container("a")), traffic=50) for name in ("p", "q")))
    observed = as_applied(plan(obj, CONFIG, Observed()))
    obj["spec"]["predictors"][1]["componentSpecs"][0]["spec"]["containers"][0]["image"] = "a:2"
    after = plan(obj, UPGRADED, observed)
    assert after.outdated == ["p"]


def test_a_record_that_would_be_too_long_is_left_out() -> None:
    noise = "".join(random.Random(1).choices("0123456789abcdefghijklmnopqrstuvwxyz", k=300_000))
    obj = sdep(predictor("p", node("a"), component(container("a", env=[{"name": "X", "value": noise}]))))
    made = plan(obj, CONFIG, Observed())
    (deployment,) = (item for item in made.objects if item["kind"] == "Deployment")
    assert "seldon.io/built" not in (deployment["metadata"].get("annotations") or {})


def test_by_default_pods_are_kept() -> None:
    assert Config().rolls_on_upgrade is False
    environ = {"EXECUTOR_CONTAINER_IMAGE_AND_VERSION": "e", "ROLLOUT_ON_UPGRADE": "roll", "ROLLOUT_CONCURRENCY": "3"}
    config = Config.from_env(environ)
    assert (config.rolls_on_upgrade, config.rolls_at_once) == (True, 3)
