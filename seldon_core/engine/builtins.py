"""The nodes that the engine itself runs: a fixed model, two routers and a combiner, in the seldon protocol.

The routers never look at a message, so they serve every protocol.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from seldon_core.api.findings import ABSENT
from seldon_core.protocols.errors import MessageError
from seldon_core.protocols.json_codec import loads

SIMPLE_MODEL = "SIMPLE_MODEL"
AVERAGE_COMBINER = "AVERAGE_COMBINER"

MAX_DIMENSIONS = 32

# What the fixed model answers.
CLASSES = ["class0", "class1", "class2"]
VALUES = [0.1, 0.9, 0.5]
METRICS = [
    {"key": "mymetric_counter", "type": "COUNTER", "value": 1},
    {"key": "mymetric_gauge", "type": "GAUGE", "value": 100},
    {"key": "mymetric_timer", "type": "TIMER", "value": 22.1},
]


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """What a built-in node does; a part that is None is none of its business.

    Attributes:
        implementation: its name.
        predict: a message's body -> the answer's.
        route: -> the branch.
        aggregate: the JSON array of the children's answers -> the answer's body. A MessageError says what is wrong.
    """

    implementation: str
    predict: Callable[[bytes], bytes] | None = None
    route: Callable[[], int] | None = None
    aggregate: Callable[[bytes], bytes] | None = None


class BuiltInError(Exception):
    """A node is not what its implementation needs.

    Attributes:
        field: of the node.
        value, rule, remedy: as in a finding.
    """

    def __init__(self, field: str, value: object, rule: str, remedy: str) -> None:
        super().__init__(rule)
        self.field = field
        self.value = value
        self.rule = rule
        self.remedy = remedy


def _simple_model(_: object, __: int) -> BuiltIn:
    return BuiltIn(SIMPLE_MODEL, predict=simple_model)


def simple_model(body: bytes) -> bytes:
    """Answer the same three classes to everything; text and bytes are given back."""
    try:
        message = loads(body)
    except MessageError:
        message = None
    echoed = {}
    if isinstance(message, dict):
        echoed = {name: message[name] for name in ("binData", "strData") if isinstance(message.get(name), str)}
    data = {"names": CLASSES, "tensor": {"shape": [1, len(VALUES)], "values": VALUES}}
    answer: dict[str, Any] = {"status": {"status": "SUCCESS"}, "meta": {"metrics": METRICS}}
    return msgspec.json.encode({**answer, **(echoed or {"data": data})})


def _simple_router(_: object, children: int) -> BuiltIn:
    if not children:
        raise BuiltInError("children", ABSENT, "SIMPLE_ROUTER needs a child", "list the nodes to choose from")
    return BuiltIn("SIMPLE_ROUTER", route=lambda: 0)


def _random_abtest(parameters: object, children: int) -> BuiltIn:
    if children != 2:
        rule = f"RANDOM_ABTEST chooses between two children, the node has {children}"
        raise BuiltInError("children", ABSENT, rule, "list two nodes")
    ratio = _ratio(parameters)
    draw = random.Random().random  # noqa: S311 - a coin, no secret
    return BuiltIn("RANDOM_ABTEST", route=lambda: 0 if draw() < ratio else 1)


def _ratio(parameters: object) -> float:
    """The parameter `ratioA`: the share of requests that the first child gets."""
    for index, parameter in enumerate(parameters if isinstance(parameters, list) else []):
        if isinstance(parameter, dict) and parameter.get("name") == "ratioA":
            value = parameter.get("value")
            try:
                ratio = float(value)  # type: ignore[arg-type]
            except (TypeError, ValueError):
                ratio = math.nan
            if not 0 <= ratio <= 1:
                rule = "the share of requests that the first child gets must be a number from 0 to 1"
                raise BuiltInError(f"parameters[{index}].value", value, rule, 'write "0.5" for one half')
            return ratio
    return 0.5


def _average_combiner(_: object, children: int) -> BuiltIn:
    if not children:
        raise BuiltInError("children", ABSENT, "AVERAGE_COMBINER needs children", "list the nodes to average")
    return BuiltIn(AVERAGE_COMBINER, aggregate=average)


def average(body: bytes) -> bytes:
    """The mean of arrays of the same shape, element by element, in the form of the first answer.

    Args:
        body: JSON array of seldon messages with `data`, at least one.

    Raises:
        MessageError: an answer holds no array of numbers, or one of another shape.
    """
    messages = loads(body)
    arrays = [_array(message, index) for index, message in enumerate(messages)]
    shape, _ = arrays[0]
    for index, (other, _) in enumerate(arrays):
        if other != shape:
            raise MessageError(f"child {index} answers an array of shape {other}, child 0 one of {shape}")
    mean = [sum(column) / len(arrays) for column in zip(*(values for _, values in arrays), strict=True)]
    data = {name: value for name, value in messages[0]["data"].items() if name not in ("tensor", "ndarray")}
    if "tensor" in messages[0]["data"]:
        data["tensor"] = {"shape": shape, "values": mean}
    else:
        data["ndarray"] = _nested(mean, shape)
    return msgspec.json.encode({**messages[0], "data": data})


def _array(message: object, index: int) -> tuple[list[int], list[float]]:
    """Shape and elements of the array of an answer."""
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(data, dict):
        raise MessageError(f"child {index} answers no data; AVERAGE_COMBINER needs data.tensor or data.ndarray")
    tensor = data.get("tensor")
    values: Any
    shape: Any
    if isinstance(tensor, dict):
        values = tensor.get("values") or []
        shape = tensor.get("shape") or ([len(values)] if isinstance(values, list) else None)
    else:
        shape, values = _flattened(data.get("ndarray"), index)
    sizes: list[Any] = shape if isinstance(shape, list) else [None]
    numbers: list[Any] = values if isinstance(values, list) else [None]
    if (
        not all(type(size) is int and size >= 0 for size in sizes)
        or not all(type(value) in (int, float) for value in numbers)
        or math.prod(sizes) != len(numbers)
    ):
        raise MessageError(f"child {index} answers no array of numbers; AVERAGE_COMBINER needs one")
    try:
        return sizes, [float(value) for value in numbers]
    except OverflowError:
        raise MessageError(f"child {index} answers a number beyond the range of floats") from None


def _flattened(ndarray: Any, index: int) -> tuple[list[int], list[Any]]:
    if not isinstance(ndarray, list):
        raise MessageError(f"child {index} answers neither data.tensor nor data.ndarray")
    shape, values = [len(ndarray)], ndarray
    while values and all(isinstance(value, list) for value in values):
        if len({len(value) for value in values}) > 1:
            raise MessageError(f"child {index} answers rows of different lengths")
        if len(shape) == MAX_DIMENSIONS:
            raise MessageError(f"child {index} answers an array of more than {MAX_DIMENSIONS} dimensions")
        shape.append(len(values[0]))
        values = [item for inner in values for item in inner]
    return shape, values


def _nested(values: list[float], shape: list[int]) -> list[Any]:
    if len(shape) == 1:
        return values
    size = math.prod(shape[1:])
    return [_nested(values[row * size : (row + 1) * size], shape[1:]) for row in range(shape[0])]


# They look into messages.
OF_SELDON_ONLY = frozenset({SIMPLE_MODEL, AVERAGE_COMBINER})
IMPLEMENTATIONS: dict[str, Callable[[object, int], BuiltIn]] = {
    SIMPLE_MODEL: _simple_model,
    "SIMPLE_ROUTER": _simple_router,
    "RANDOM_ABTEST": _random_abtest,
    AVERAGE_COMBINER: _average_combiner,
}
