"""Whether a request is what the metadata of the model says that it takes; every difference is told at once.

Sizes of -1 stand for any. In V2 the tensors have to be those of the metadata. In a seldon message an array is compared
without its rows, whose number is the caller's business, and any of `tensor`, `ndarray` and `tftensor` will do where one
of them is described.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seldon_core.microservice.codec import Incoming
from seldon_core.protocols import v2
from seldon_core.protocols.errors import MessageError

__all__ = ["KINDS", "Check", "check_of"]

Check = Callable[[Incoming], None]
_ARRAYS = ("tensor", "ndarray", "tftensor")
KINDS = (*_ARRAYS, "jsonData", "strData", "binData")


def check_of(inputs: Sequence[Mapping[str, Any]]) -> Check | None:
    """The check of requests for inputs that valid metadata describes; None when it describes none.

    The check raises MessageError for a request that the model does not take.
    """
    tensors = {item["name"]: item for item in inputs if "name" in item}
    messages = [item for item in inputs if "messagetype" in item]
    if any(item["messagetype"] not in KINDS for item in messages):
        messages = []  # a kind of its own may be anything
    if not tensors and not messages:
        return None

    def check(incoming: Incoming) -> None:
        problems: list[str] = []
        if isinstance(incoming.form, v2.InferRequest):
            if tensors:
                problems = _of_tensors(incoming.form.inputs, tensors)
        elif messages:
            problems = _of_message(incoming, messages)
        if problems:
            raise MessageError("; ".join(problems))

    return check


def _of_tensors(sent: Sequence[v2.Tensor], described: Mapping[str, Mapping[str, Any]]) -> list[str]:
    problems = []
    for index, tensor in enumerate(sent):
        item = described.get(tensor.name)
        if item is None:
            problems.append(f"inputs[{index}].name: {tensor.name!r:.100}: the model takes {', '.join(described)}")
            continue
        if item.get("datatype", tensor.datatype) != tensor.datatype:
            problems.append(f"inputs[{index}].datatype: {tensor.datatype}: the model takes {item['datatype']}")
        if not _fits(tensor.shape, item.get("shape")):
            problems.append(f"inputs[{index}].shape: {list(tensor.shape)}: the model takes {item['shape']}")
    names = {tensor.name for tensor in sent}
    problems += [f"inputs: {name!r} is missing, which the model takes" for name in described if name not in names]
    return problems


def _of_message(incoming: Incoming, described: Sequence[Mapping[str, Any]]) -> list[str]:
    kind = incoming.form if isinstance(incoming.form, str) else "tensor"
    kinds = [item["messagetype"] for item in described]
    if kind in _ARRAYS or kind == "data":
        schemas = [item.get("schema") or {} for item in described if item["messagetype"] in _ARRAYS]
        if schemas:
            # Of several that are possible, the one that fits best says what is wrong.
            return min((_of_array(incoming, schema) for schema in schemas), key=len)
        kind = "data"
    elif kind in kinds:
        return []
    return [f"{kind}: the model takes {', '.join(dict.fromkeys(kinds))}"]


def _of_array(incoming: Incoming, schema: Mapping[str, Any]) -> list[str]:
    problems = []
    names, shape = schema.get("names"), schema.get("shape")
    if names and incoming.names and incoming.names != names:
        problems.append(f"data.names: {incoming.names!r:.200}: the model takes {names}")
    found = getattr(incoming.payload, "shape", None)
    if found is not None and shape:
        # Some describe the array, some a row of it.
        row = shape[1:] if shape[0] == -1 or len(shape) == len(found) else shape
        if not _fits(found[1:], row):
            problems.append(f"data: an array of shape {list(found)}: the model takes {shape}")
    return problems


def _fits(found: Sequence[int], described: Sequence[int] | None) -> bool:
    if described is None:
        return True
    return len(found) == len(described) and all(
        size in (-1, actual) for actual, size in zip(found, described, strict=True)
    )
