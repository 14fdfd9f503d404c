"""Patches: applying one to the old value gives the new one, and nothing more is named than changed."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.patch import Operation, diff

keys = st.sampled_from(["a", "b", "a/b", "~", "~1", "", "é", "0", "-"]) | st.text(max_size=3)
scalars = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 1.5]) | st.text(max_size=3)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=25
)


def apply(document: Any, operations: list[Operation]) -> Any:
    """Apply a patch as RFC 6902 says."""
    document = copy.deepcopy(document)
    for operation in operations:
        tokens = [token.replace("~1", "/").replace("~0", "~") for token in operation["path"].split("/")[1:]]
        value = copy.deepcopy(operation.get("value"))
        if not tokens:
            document = value
            continue
        parent = document
        for token in tokens[:-1]:
            parent = parent[int(token)] if isinstance(parent, list) else parent[token]
        key = tokens[-1]
        if isinstance(parent, list):
            if operation["op"] == "add":
                parent.insert(len(parent) if key == "-" else int(key), value)
            elif operation["op"] == "replace":
                parent[int(key)] = value
            else:
                del parent[int(key)]
        elif operation["op"] == "add":
            parent[key] = value
        elif operation["op"] == "replace":
            assert key in parent
            parent[key] = value
        else:
            del parent[key]
    return document


def written(value: Any) -> str:
    """JSON text tells 1 from true and from 1.0, which Python's equality does not."""
    return json.dumps(value, sort_keys=True)


@given(old=json_values, new=json_values)
def test_applying_the_patch_gives_the_new_value(old: Any, new: Any) -> None:
    assert written(apply(old, diff(old, new))) == written(new)


@given(old=json_values, new=json_values)
def test_a_patch_is_empty_exactly_when_nothing_changed(old: Any, new: Any) -> None:
    assert (diff(old, new) == []) == (written(old) == written(new))
    assert diff(old, copy.deepcopy(old)) == []


@given(old=json_values, new=json_values)
def test_the_values_are_left_alone(old: Any, new: Any) -> None:
    before = written([old, new])
    diff(old, new)
    assert written([old, new]) == before


@pytest.mark.parametrize(
    ("old", "new", "operations"),
    [
        pytest.param({}, {"a": 1}, [{"op": "add", "path": "/a", "value": 1}], id="add"),
        pytest.param({"a": 1}, {}, [{"op": "remove", "path": "/a"}], id="remove"),
        pytest.param({"a": 1}, {"a": None}, [{"op": "replace", "path": "/a", "value": None}], id="null is a value"),
        pytest.param({"a": 1}, {"a": True}, [{"op": "replace", "path": "/a", "value": True}], id="1 is not true"),
        pytest.param([1], [1, 2], [{"op": "add", "path": "/-", "value": 2}], id="append"),
        pytest.param(
            [1, 2, 3], [1], [{"op": "remove", "path": "/2"}, {"op": "remove", "path": "/1"}], id="cut from the end"
        ),
        pytest.param(
            {"a": {"x/y": [{"k~": 1}]}},
            {"a": {"x/y": [{"k~": 2}]}},
            [{"op": "replace", "path": "/a/x~1y/0/k~0", "value": 2}],
            id="escapes",
        ),
        pytest.param([], {}, [{"op": "replace", "path": "", "value": {}}], id="the whole"),
    ],
)
def test_what_a_patch_says(old: Any, new: Any, operations: list[Operation]) -> None:
    assert diff(old, new) == operations


def test_depth_is_no_limit() -> None:
    old: Any = 1
    new: Any = 2
    for _ in range(50_000):
        old, new = {"c": [old]}, {"c": [new]}
    (operation,) = diff(old, new)
    assert operation["path"] == "/c/0" * 50_000
    for _ in range(50_000):  # taken apart by hand, for the interpreter would do it recursively
        old, new = old.pop("c")[0], new.pop("c")[0]
