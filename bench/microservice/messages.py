"""The requests that are sent, and whether an answer is the right one."""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass

from bench.microservice.servers import MODEL

SMALL = [[1.0, 2.0]]
JSON = {"Content-Type": "application/json"}
V2_PATH = f"/v2/models/{MODEL}/infer"


@dataclass(frozen=True, slots=True)
class Message:
    """A request.

    Attributes:
        name: in the table.
        protocol: "seldon" or "V2".
        path: that it is posted to.
        headers: of the request.
        body: of the request.
        is_answered_by: whether the headers and the body of an answer hold the doubled numbers.
    """

    name: str
    protocol: str
    path: str
    headers: dict[str, str]
    body: bytes
    is_answered_by: Callable[[dict[str, str], bytes], bool]


def seldon(name: str, rows: list[list[float]]) -> Message:
    """An ndarray in a seldon message."""
    doubled = [[2 * number for number in row] for row in rows]
    body = json.dumps({"data": {"ndarray": rows}}).encode()
    return Message(
        name, "seldon", "/predict", JSON, body, lambda _, answer: bool(json.loads(answer)["data"]["ndarray"] == doubled)
    )


def v2(name: str, rows: list[list[float]]) -> Message:
    """A tensor in a V2 message of JSON alone."""
    numbers = [number for row in rows for number in row]
    doubled = [2 * number for number in numbers]
    tensor = {"name": "x", "shape": [len(rows), len(rows[0])], "datatype": "FP64", "data": numbers}
    return Message(
        name,
        "V2",
        V2_PATH,
        JSON,
        json.dumps({"inputs": [tensor]}).encode(),
        lambda _, answer: _v2_numbers(answer) == doubled,
    )


def v2_binary(name: str, numbers: list[float]) -> Message:
    """A tensor in a V2 message with the binary extension, in both directions."""
    raw = struct.pack(f"<{len(numbers)}d", *numbers)
    doubled = struct.pack(f"<{len(numbers)}d", *(2 * number for number in numbers))
    tensor = {
        "name": "x", "shape": [1, len(numbers)], "datatype": "FP64", "parameters": {"binary_data_size": len(raw)},
    }  # fmt: skip
    text = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(text))}
    return Message(name, "V2", V2_PATH, headers, text + raw, lambda answer, body: _binary_part(answer, body) == doubled)


def _v2_numbers(answer: bytes) -> list[float]:
    data = json.loads(answer)["outputs"][0]["data"]
    return [number for row in data for number in row] if data and isinstance(data[0], list) else list(data)


def _binary_part(headers: dict[str, str], body: bytes) -> bytes:
    return body[int(headers.get("inference-header-content-length", len(body))) :]
