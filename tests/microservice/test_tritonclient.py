"""Triton's HTTP client, which nobody here wrote, takes the wrapper for a V2 server."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from .serving import DEADLINE, Process, running

SOURCE = """
import numpy as np

class MyModel:
    def init_metadata(self):
        return {
            "name": "echo",
            "versions": ["3"],
            "platform": "test",
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
        }

    def predict(self, X, names, meta=None):
        if isinstance(X, dict):
            return {"sum": X["a"] + X["b"], "difference": X["a"] - X["b"]}
        if X.size == 0:
            raise ValueError("there is nothing to echo")
        return X
"""
SHAPE = (2, 2)
ARRAYS = {
    "BOOL": np.array([[True, False], [False, True]]),
    **{f"UINT{bits}": np.array([[0, 1], [2, 2**bits - 1]], f"uint{bits}") for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": np.array([[0, -1], [2, 2 ** (bits - 1) - 1]], f"int{bits}") for bits in (8, 16, 32, 64)},
    "FP16": np.array([[0.5, -1], [65504, 6e-5]], np.float16),
    "FP32": np.array([[0.1, -1], [3.4e38, 1e-30]], np.float32),
    "FP64": np.array([[0.1, -1], [1.7e308, 1e-300]], np.float64),
    "BYTES": np.array([["one", "zwei"], ["drei €", ""]], object),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with running(tmp_path_factory.mktemp("model"), SOURCE, "--threads", "2", PREDICTIVE_UNIT_ID="node") as started:
        yield started


@pytest.fixture
def client(service: Process) -> Iterator[Any]:
    from tritonclient import http as triton

    url = service.http.removeprefix("http://")
    with triton.InferenceServerClient(url, concurrency=4, connection_timeout=DEADLINE, network_timeout=DEADLINE) as one:
        yield one


def tensor(name: str, array: Any, kind: str, *, binary: bool) -> Any:
    from tritonclient import http as triton

    asked = triton.InferInput(name, list(array.shape), kind)
    asked.set_data_from_numpy(array, binary_data=binary)
    return asked


def test_the_server_and_the_model_are_ready(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    for name in ("node", "echo", "MyModel"):
        assert client.is_model_ready(name)
    assert client.is_model_ready("node", "3")
    assert not client.is_model_ready("another")


def test_metadata(client: Any) -> None:
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    assert client.get_model_metadata("echo", "3") == {
        "name": "node",
        "versions": ["3"],
        "platform": "test",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
    }


@pytest.mark.parametrize("binary_answer", [True, False], ids=["answer-in-bytes", "answer-in-JSON"])
@pytest.mark.parametrize("binary", [True, False], ids=["asked-in-bytes", "asked-in-JSON"])
@pytest.mark.parametrize("kind", ARRAYS)
def test_every_datatype(client: Any, kind: str, binary: bool, binary_answer: bool) -> None:
    from tritonclient import http as triton

    array = ARRAYS[kind]
    asked = triton.InferRequestedOutput("y", binary_data=binary_answer)
    result = client.infer("node", [tensor("x", array, kind, binary=binary)], outputs=[asked], request_id="7")
    answer = result.get_response()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("node", "3", "7")
    [output] = answer["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("y", kind, list(SHAPE))
    assert ("data" in output) != binary_answer
    found = result.as_numpy("y")
    if kind == "BYTES":
        found = np.vectorize(lambda value: value.decode() if isinstance(value, bytes) else value, "O")(found)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_several_tensors(client: Any) -> None:
    from tritonclient import http as triton

    a, b = np.array([[1.5, 2]], np.float32), np.array([[1, 0.5]], np.float32)
    inputs = [tensor("a", a, "FP32", binary=True), tensor("b", b, "FP32", binary=False)]
    outputs = [triton.InferRequestedOutput("difference", binary_data=True), triton.InferRequestedOutput("sum", False)]
    result = client.infer("node", inputs, outputs=outputs)
    assert [output["name"] for output in result.get_response()["outputs"]] == ["difference", "sum"]
    np.testing.assert_array_equal(result.as_numpy("sum"), a + b)
    np.testing.assert_array_equal(result.as_numpy("difference"), a - b)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests(client: Any, algorithm: str) -> None:
    array = np.zeros((100, 100), np.float32)
    inputs = [tensor("x", array, "FP32", binary=True)]
    result = client.infer("node", inputs, request_compression_algorithm=algorithm)
    np.testing.assert_array_equal(result.as_numpy("y"), array)


def test_requests_side_by_side(client: Any) -> None:
    asked = [
        client.async_infer("node", [tensor("x", np.full((1, 2), number, np.int64), "INT64", binary=True)])
        for number in range(20)
    ]
    assert [int(one.get_result().as_numpy("y")[0, 0]) for one in asked] == list(range(20))


def test_errors(client: Any) -> None:
    from tritonclient import http as triton
    from tritonclient.utils import InferenceServerException

    one = np.ones((1, 2), np.float32)
    cases = [
        ("another", one, "y", "404", "another: there is no such model here; it is called node"),
        ("node", one, "z", "400", "outputs: 'z': there is no such output; the model has y"),
        ("node", np.ones((0, 2), np.float32), "y", "500", "there is nothing to echo"),
    ]
    for name, array, output, status, text in cases:
        with pytest.raises(InferenceServerException) as caught:
            client.infer(name, [tensor("x", array, "FP32", binary=True)], outputs=[triton.InferRequestedOutput(output)])
        assert (caught.value.status(), caught.value.message()) == (status, text)
