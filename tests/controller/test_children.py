"""What is kept of children, and which version of one counts."""

import copy
from typing import Any

import pytest

from controller.children import Child, Children, content, digest, is_newer
from controller.sdeps import SeldonDeployments, trim
from seldon_core.kube.children import owner_of
from seldon_core.plan import LiveDeployment

Object = dict[str, Any]
KEY = ("n", "m")


def deployment(name: str = "d", *, version: str = "5", uid: str = "u", owner: str | None = "m") -> Object:
    reference = {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "name": owner,
        "uid": f"uid-of-{owner}",
        "controller": True,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": "n",
            "uid": uid,
            "resourceVersion": version,
            "generation": 2,
            "labels": {"seldon-deployment-contains-svcorch": "true"},
            "ownerReferences": [reference] if owner else [],
            "managedFields": [
                {
                    "manager": "seldon-controller",
                    "operation": "Apply",
                    "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {}}},
                }
            ],
        },
        "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "a"}]}}},
        "status": {
            "observedGeneration": 2,
            "replicas": 3,
            "collisionCount": 1,
            "conditions": [{"type": "Available", "status": "True", "lastUpdateTime": "now"}],
        },
    }


def changed(path: str, value: Any) -> Object:
    obj = deployment()
    *parents, last = path.split("/")
    holder: Any = obj
    for key in parents:
        holder = holder.setdefault(key, {})
    holder[last] = value
    return obj


@pytest.mark.parametrize(
    ("path", "value", "same"),
    [
        ("status/replicas", 1, True),
        ("metadata/resourceVersion", "9", True),
        ("metadata/generation", 9, True),
        ("metadata/managedFields", [], True),
        ("metadata/annotations", {"deployment.kubernetes.io/revision": "1"}, True),
        ("spec/replicas", 9, True),
        ("spec/paused", True, False),
        ("metadata/labels", {}, False),
        ("metadata/annotations", {"x": "1"}, False),
        ("metadata/ownerReferences", [], False),
        ("metadata/deletionTimestamp", "now", False),
    ],
)
def test_the_content_is_what_was_asked_for(path: str, value: Any, same: bool) -> None:
    assert (content(changed(path, value)) == content(deployment())) == same


def test_the_order_of_keys_does_not_matter() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"b": [2, 1]}) != digest({"b": [1, 2]})


def test_a_deployment_is_reduced_to_what_decides() -> None:
    obj = deployment()
    before = copy.deepcopy(obj)
    child = Child.of(obj)
    assert obj == before
    assert child.owner == ("m", "uid-of-m")
    assert child.live == LiveDeployment(
        uid="u",
        generation=2,
        replicas=3,
        sole_owner_of_replicas=True,
        status={"observedGeneration": 2, "replicas": 3, "conditions": [{"type": "Available", "status": "True"}]},
        carries_engine=True,
    )


@pytest.mark.parametrize(
    ("managers", "sole"),
    [
        ([("seldon-controller", "Apply")], True),
        ([("seldon-controller", "Apply"), ("hpa", "Update")], False),
        ([("hpa", "Update")], False),
        ([("seldon-controller", "Update")], False),
        ([], False),
    ],
)
def test_who_has_set_the_replicas(managers: list[tuple[str, str]], sole: bool) -> None:
    fields = {"f:spec": {"f:replicas": {}}}
    entries = [{"manager": name, "operation": how, "fieldsV1": fields} for name, how in managers]
    entries.append({"manager": "other", "operation": "Update", "fieldsV1": {"f:status": {"f:replicas": {}}}})
    live = Child.of(changed("metadata/managedFields", entries)).live
    assert isinstance(live, LiveDeployment)
    assert live.sole_owner_of_replicas == sole


@pytest.mark.parametrize(
    "reference",
    [
        {"apiVersion": "apps/v1", "kind": "SeldonDeployment", "controller": True},
        {"apiVersion": "machinelearning.seldon.io/v1", "kind": "Other", "controller": True},
        {"apiVersion": "machinelearning.seldon.io/v1", "kind": "SeldonDeployment"},
    ],
    ids=["other-group", "other-kind", "not-the-controller"],
)
def test_only_a_seldondeployment_that_controls_it_is_its_owner(reference: Object) -> None:
    obj = changed("metadata/ownerReferences", [{**reference, "name": "m", "uid": "x"}])
    assert owner_of(obj) is None


def test_children_are_found_by_their_owner() -> None:
    children = Children()
    assert children.put(Child.of(deployment("a"))) == {KEY}
    assert children.put(Child.of(deployment("b", owner="other"))) == {("n", "other")}
    assert children.put(Child.of(deployment("c", owner=None))) == set()
    assert [child.name for child in children.of(KEY, "uid-of-m")] == ["a"]
    assert list(children.observed(KEY, "uid-of-m").deployments) == ["a"]
    assert list(children.of(KEY, "uid-of-an-earlier-one")) == []


def test_a_version_alone_is_no_change_and_an_older_one_is_ignored() -> None:
    children = Children()
    children.put(Child.of(deployment(version="10")))
    assert children.put(Child.of(deployment(version="11"))) == set()
    older = deployment(version="9")
    older["spec"]["replicas"] = 1
    assert children.put(Child.of(older)) == set()
    (kept,) = children.of(KEY, "uid-of-m")
    assert kept.resource_version == "11"
    newer = deployment(version="12")
    newer["spec"]["replicas"] = 1
    assert children.put(Child.of(newer)) == {KEY}


def test_a_change_of_owner_concerns_both() -> None:
    children = Children()
    children.put(Child.of(deployment(version="1")))
    assert children.put(Child.of(deployment(version="2", owner="other"))) == {KEY, ("n", "other")}
    assert list(children.of(KEY, "uid-of-m")) == []


def test_the_end_of_an_earlier_object_of_the_same_name_is_ignored() -> None:
    children = Children()
    first, second = Child.of(deployment(uid="1", version="1")), Child.of(deployment(uid="2", version="3"))
    children.put(first)
    assert children.put(second) == {KEY}
    assert children.remove(first) == set()
    assert children.remove(second) == {KEY}
    assert children.remove(second) == set()
    assert list(children.of(KEY, "uid-of-m")) == []


@pytest.mark.parametrize(
    ("version", "than", "newer"), [("10", "9", True), ("9", "10", False), ("9", "9", False), ("x", "9", False)]
)
def test_versions_are_compared_as_numbers(version: str, than: str, newer: bool) -> None:
    assert is_newer(version, than) == newer


def sdep(version: str = "1", uid: str = "u", **metadata: Any) -> Object:
    return {"metadata": {"name": "m", "namespace": "n", "uid": uid, "resourceVersion": version, **metadata}, "spec": {}}


def test_a_seldondeployment_is_kept_without_what_nobody_reads() -> None:
    last = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "1"}
    kept = trim(sdep(managedFields=[{}], annotations=last))
    assert "managedFields" not in kept["metadata"]
    assert kept["metadata"]["annotations"] == {"mine": "1"}


def test_the_newest_seldondeployment_counts() -> None:
    sdeps = SeldonDeployments("", lambda namespace: "")
    assert sdeps.put(sdep("10"))
    assert not sdeps.put(sdep("11"))
    assert not sdeps.put(sdep("9", labels={"old": "1"}))
    assert sdeps.get(KEY) == sdep("11")
    assert sdeps.put(sdep("12", labels={"new": "1"}))
    assert sdeps.put(sdep("3", uid="another"))
    sdeps.remove(KEY, "u")
    assert sdeps.get(KEY) is not None
    sdeps.remove(KEY, "another")
    assert sdeps.get(KEY) is None


def test_keys_by_namespace() -> None:
    sdeps = SeldonDeployments("", lambda namespace: "")
    sdeps.put(sdep())
    assert list(sdeps.keys()) == [KEY]
    assert list(sdeps.keys("n")) == [KEY]
    assert list(sdeps.keys("o")) == []
