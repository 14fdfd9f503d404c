"""The webhook, given AdmissionReviews whose objects are like real ones with other values in a few places."""

import copy
import json
from typing import Any

import yaml

from tests.api.samples import VOCABULARY
from tests.fuzz.fuzzing import ROOT
from tests.webhook.reviews import review
from tests.webhook.verdicts import hold

OBJECTS = [
    obj
    for path in sorted(ROOT.glob("examples/**/*.yaml"))
    for obj in yaml.safe_load_all(path.read_text())
    if obj["kind"] == "SeldonDeployment"
]
SCALARS: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    100,
    2**31,
    2**63,
    1.5,
    -0.0,
    1e300,
    "",
    " ",
    "é",
    "\ud800",
    "0",
    "-",
]
SEEDS = [bytes(range(start, start + 24)) for start in range(0, 240, 24)]


class Choices:
    """Decisions taken from bytes; the first of each when there are none left."""

    def __init__(self, data: bytes) -> None:
        self._data = iter(data)

    def below(self, count: int) -> int:
        number = next(self._data, 0)
        return (number << 8 | next(self._data, 0)) % count if count > 256 else number % count

    def value(self, depth: int = 0) -> Any:
        """Any JSON value, made of words of the API for the most part."""
        kind = self.below(8 if depth < 3 else 4)
        if kind == 0:
            return SCALARS[self.below(len(SCALARS))]
        if kind < 4:
            return VOCABULARY[self.below(len(VOCABULARY))]
        if kind < 6:
            return [self.value(depth + 1) for _ in range(self.below(4))]
        return {VOCABULARY[self.below(len(VOCABULARY))]: self.value(depth + 1) for _ in range(self.below(4))}


def check(data: bytes) -> None:
    """Decide on an object that has been changed in as many places as the data says."""
    choices = Choices(data)
    obj = copy.deepcopy(OBJECTS[choices.below(len(OBJECTS))])
    before = copy.deepcopy(obj)
    for _ in range(1 + choices.below(6)):
        _change(obj, choices)
    if choices.below(3) == 0:
        hold(json.dumps(review(obj, operation="UPDATE", oldObject=before)).encode())
    elif choices.below(3) == 1:
        hold(json.dumps(review(before, operation="UPDATE", oldObject=obj)).encode())
    else:
        hold(json.dumps(review(obj)).encode())


def _change(obj: Any, choices: Choices) -> None:
    """Set, add or remove something somewhere in the object."""
    here = obj
    while True:
        inner = list(here.values()) if isinstance(here, dict) else here
        deeper = [each for each in inner if isinstance(each, dict | list) and each]
        if not deeper or choices.below(4) == 0:
            break
        here = deeper[choices.below(len(deeper))]
    action = choices.below(4)
    if isinstance(here, dict):
        keys = list(here)
        key = VOCABULARY[choices.below(len(VOCABULARY))] if action == 0 or not keys else keys[choices.below(len(keys))]
        if action == 1:
            here.pop(key, None)
        else:
            here[key] = copy.deepcopy(obj["spec"]) if action == 2 and "spec" in obj else choices.value()
    elif action == 0:
        here.append(choices.value())
    elif here:
        here[choices.below(len(here))] = choices.value()
