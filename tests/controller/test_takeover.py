"""Making what the reference implementation wrote ours."""

from typing import Any

import pytest

from controller.takeover import managed_fields

Object = dict[str, Any]


def entry(manager: str, operation: str = "Update", subresource: str = "", **fields: Any) -> Object:
    made = {"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsV1": {"f:spec": fields}}
    return made | ({"subresource": subresource} if subresource else {})


def test_its_fields_become_ours_and_those_of_others_stay_theirs() -> None:
    kubelet = entry("kube-controller-manager", subresource="status")
    person = entry("kubectl-edit", a={})
    theirs = [entry("manager", x={"y": {}}), person, kubelet, entry("manager", x={"z": {}}, w={})]
    assert managed_fields({"managedFields": theirs}) == [
        entry("seldon-controller", "Apply", x={"y": {}, "z": {}}, w={}),
        person,
        kubelet,
    ]


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([], id="nobody"),
        pytest.param([entry("kubectl-edit")], id="somebody-else"),
        pytest.param([entry("manager", subresource="status")], id="its-status"),
        pytest.param([entry("manager", "Apply")], id="another-program-of-that-name"),
        pytest.param([entry("seldon-controller", "Apply"), entry("manager")], id="after-the-first-contact"),
    ],
)
def test_nothing_is_moved_where_it_left_nothing(entries: list[Object]) -> None:
    assert managed_fields({"managedFields": entries}) is None
