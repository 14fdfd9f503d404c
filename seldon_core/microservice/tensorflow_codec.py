"""The predict API of TensorFlow Serving for the data plane: rows or columns to what a model works on, and back."""

import base64
from collections.abc import Mapping
from typing import Any

from seldon_core.microservice.codec import (
    JSON,
    Feedback,
    Incoming,
    Outcome,
    is_json_number,
    routing_of,
)
from seldon_core.microservice.frames import is_frame
from seldon_core.protocols import tensorflow
from seldon_core.protocols.errors import MessageError
from seldon_core.protocols.json_codec import dumps
from seldon_core.protocols.seldon import array_of, array_of_json, decode_base64, is_array
from seldon_core.transport.messages import Block

__all__ = ["TENSORFLOW", "TensorflowCodec"]

_ROWS = tensorflow.PredictRequest([])


class TensorflowCodec:
    """Messages are the parsed requests of the protocol."""

    raw_first = False
    native = False

    def parse(self, message: tensorflow.PredictRequest) -> Incoming:
        """Take a request apart: an array, or a dictionary of arrays where tensors have names."""
        meta = {"tags": {"signature_name": message.signature_name}} if message.signature_name else None
        return _incoming(message.values, message.columnar, meta, message)

    def parse_list(self, message: Any) -> list[Incoming]:
        """Take a list of answers apart."""
        if not isinstance(message, list) or not message:
            raise MessageError(f"{message!r:.200}: must be a list of at least one answer")
        return [self._answered(item, f"[{index}]") for index, item in enumerate(message)]

    def parse_feedback(self, message: Any) -> Feedback:
        """Take `{"request": ..., "response": ..., "reward": ..., "truth": ...}` apart, with requests and answers in it.

        The branches that were taken are in `routing`, as the header `Seldon-Routing` of the answer has them.
        """
        if not isinstance(message, dict):
            raise MessageError(f"{message!r:.200}: feedback must be an object with request, response, reward and truth")
        reward = message.get("reward", 0.0)
        if not is_json_number(reward):
            raise MessageError(f"reward: {reward!r:.200}: must be a number")
        request = Incoming(array_of([]), form=_ROWS)
        if message.get("request") is not None:
            request = self.parse(tensorflow.parse_request(dumps(message["request"])))
        truth = message.get("truth")
        payload = array_of([]) if truth is None else self._answered(truth, "truth").payload
        return Feedback(request, routing_of(message.get("routing")), float(reward), payload)

    def _answered(self, message: Any, path: str) -> Incoming:
        if isinstance(message, dict):
            for key, columnar in (("predictions", False), ("outputs", True), ("instances", False), ("inputs", True)):
                if key in message:
                    return _incoming(message[key], columnar, None, tensorflow.PredictRequest([], columnar))
        raise MessageError(f"{path}: {message!r:.200}: must be an object with predictions or outputs")

    def whole(self, message: Any) -> Any:
        """A request as decoded JSON."""
        if not isinstance(message, tensorflow.PredictRequest):
            return message
        signature = {"signature_name": message.signature_name} if message.signature_name else {}
        return {**signature, "inputs" if message.columnar else "instances": message.values}

    def encode(self, incoming: Incoming, outcome: Outcome) -> tuple[bytes, Block]:
        """The answer: rows to a request of rows, columns to one of columns."""
        columnar = incoming.form.columnar
        result = outcome.result
        if is_frame(result):
            result = {str(column): result[column].to_numpy() for column in result.columns}
        values: Any
        if isinstance(result, Mapping):
            columns = {str(name): _plain(value) for name, value in result.items()}
            values = columns if columnar else _by_row(columns)
        else:
            values = _plain(result)
            if not columnar and not isinstance(values, list):
                values = [values]
        return dumps({"outputs" if columnar else "predictions": values}), JSON

    def error(self, info: str, reason: str) -> bytes:
        """An object with the text."""
        return tensorflow.error_body(info)


def _incoming(values: Any, columnar: bool, meta: dict[str, Any] | None, form: Any) -> Incoming:
    if not columnar and isinstance(values, list) and values and all(_is_named(row) for row in values):
        names = list(values[0])
        for index, row in enumerate(values):
            if list(row) != names and set(row) != set(names):
                raise MessageError(f"instances[{index}]: has {', '.join(row)}; the rows before have {', '.join(names)}")
        values = {name: [row[name] for row in values] for name in names}
    if _is_named(values):
        arrays = {name: _array(column, name) for name, column in values.items()}
        return Incoming(arrays, list(arrays), meta, form)
    return Incoming(_array(values, "inputs" if columnar else "instances"), [], meta, form)


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and set(value) != {"b64"}


def _array(value: Any, path: str) -> Any:
    value = _with_bytes(value, path)
    return array_of_json(value if isinstance(value, list) else [value])


def _with_bytes(value: Any, path: str) -> Any:
    """`{"b64": ...}` is how the protocol writes bytes."""
    if isinstance(value, dict):
        if set(value) != {"b64"}:
            raise MessageError(f"{path}: {value!r:.200}: an object here must be {{'b64': ...}}")
        return decode_base64(value["b64"], path)
    if isinstance(value, list) and _holds_objects(value):
        return [_with_bytes(item, path) for item in value]
    return value


def _holds_objects(values: list[Any]) -> bool:
    """Whether there may be objects in nested lists; numbers are told by their first element."""
    first: Any = values
    while isinstance(first, list) and first:
        first = first[0]
    return isinstance(first, dict)


def _plain(value: Any) -> Any:
    if is_array(value):
        value = value.astype(str) if value.dtype.kind in "mM" else value
        value = value.tolist()
    if isinstance(value, bytes | bytearray):
        return {"b64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, list):
        return [_plain(item) for item in value] if _holds_bytes(value) else value
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    raise MessageError(
        f"Unknown data type returned as payload (must be list or np array):{value!r:.200}; "
        "str, bytes, dict and DataFrame are possible too"
    )


def _holds_bytes(values: list[Any]) -> bool:
    return any(isinstance(item, bytes | bytearray | dict) or (isinstance(item, list) and _holds_bytes(item)) or
               is_array(item) for item in values)  # fmt: skip


def _by_row(columns: dict[str, Any]) -> list[Any]:
    """Rows out of columns that are all as long; a dictionary of anything else is one row."""
    lengths = {len(column) if isinstance(column, list) else -1 for column in columns.values()}
    if len(lengths) != 1 or -1 in lengths:
        return [columns]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


TENSORFLOW = TensorflowCodec()
