"""V2 requests to ordinary classes: the protocol, its content types, tensors as bytes."""

import base64
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seldon_core.protocols import v2
from seldon_core.protocols.v2_tensors import DATATYPES
from seldon_core.user_model import SeldonResponse

from .serving import M, served

FP32 = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}


class Sees(M):
    """Keeps what it was asked, and answers with it or something else."""

    def __init__(self, result: Any = None) -> None:
        self.result = result
        self.seen: list[Any] = []

    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        self.seen.append((X, names, meta))
        return X if self.result is None else self.result


async def infer(model: object, message: Any, **settings: Any) -> Any:
    async with served(model, unit="m", **settings) as service:
        response = await service.client.post("/v2/models/m/infer", json=message)
    return response.status_code, response.json()


async def test_a_class_written_for_seldon_messages_answers_v2() -> None:
    model = Sees()
    status, answer = await infer(model, {"id": "7", "parameters": {"a": 1}, "inputs": [FP32]})
    assert (status, answer) == (
        200,
        {
            "model_name": "m",
            "id": "7",
            "parameters": {"seldon_tags": '{"mytag":1}'},
            "outputs": [{"name": "output-0", "datatype": "FP32", "shape": [1, 2], "data": [1.0, 2.0]}],
        },
    )
    payload, names, meta = model.seen[0]
    assert (payload.dtype, payload.shape, names, meta) == (np.float32, (1, 2), [], {"puid": "7", "tags": {"a": 1}})


@pytest.mark.parametrize(
    ("of_tensor", "of_request", "names", "tags"),
    [
        (["a", "b"], None, ["a", "b"], None),
        ('["a", "b"]', ["c", "d"], ["a", "b"], None),
        (None, ["c", "d"], ["c", "d"], None),
        (None, "bob", [], {"names": "bob"}),
        (None, [1], [], {"names": [1]}),
    ],
    ids=["of-tensor", "as-JSON", "of-request", "another-text", "no-texts"],
)
async def test_columns_have_names_if_the_request_says_so(
    of_tensor: Any, of_request: Any, names: Any, tags: Any
) -> None:
    model = Sees()
    tensor = {**FP32, "parameters": {} if of_tensor is None else {"names": of_tensor}}
    parameters = {} if of_request is None else {"names": of_request}
    status, answer = await infer(model, {"parameters": parameters, "inputs": [tensor]})
    assert status == 200, answer
    assert model.seen[0][1:] == (names, {"tags": tags} if tags else None)


NUMERIC = [kind for kind in DATATYPES if kind not in ("BF16", "BYTES")]


@pytest.mark.parametrize("binary", [False, True], ids=["json", "binary"])
@pytest.mark.parametrize("kind", NUMERIC)
async def test_the_datatype_stays(kind: str, binary: bool) -> None:
    values = [True, False] if kind == "BOOL" else [1, 100]
    data: Any = values
    if binary:
        dtype = {"BOOL": "?", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}.get(kind)
        dtype = dtype or f"<{'u' if kind[0] == 'U' else 'i'}{DATATYPES[kind]}"
        data = memoryview(np.array(values, dtype).tobytes())
    request = v2.InferRequest((v2.Tensor("x", kind, (2, 1), data),), binary_output=binary)
    body, length = v2.encode_request(request)
    async with served(M(), unit="m") as service:
        headers = {"inference-header-content-length": str(length)} if length else {"content-type": "application/json"}
        response = await service.client.post("/v2/models/m/infer", content=body, headers=headers)
    assert response.status_code == 200, response.text
    found = response.headers.get("inference-header-content-length")
    assert (found is not None) == binary
    [output] = v2.parse_response(response.content, int(found) if found else None).outputs
    assert (output.datatype, output.shape, output.values()) == (kind, (2, 1), values)


async def test_bf16_is_widened() -> None:
    status, answer = await infer(M(), {"inputs": [{**FP32, "datatype": "BF16"}]})
    assert (status, answer["outputs"][0]["datatype"]) == (200, "FP32")


def texts(*values: str, **parameters: Any) -> Any:
    tensor = {"name": "x", "shape": [len(values)], "datatype": "BYTES", "data": list(values)}
    return {"inputs": [{**tensor, "parameters": parameters}]}


ENCODED = base64.b64encode(b"\x00\xff").decode()


@pytest.mark.parametrize(
    ("message", "seen", "output"),
    [
        pytest.param(texts("hi", content_type="str"), "hi", ("BYTES", [1], ["hi"], "str"), id="one-text"),
        pytest.param(texts("a", "b", content_type="str"), ["a", "b"], ("BYTES", [2], ["a", "b"], "str"), id="texts"),
        pytest.param(
            texts(ENCODED, content_type="base64"), b"\x00\xff", ("BYTES", [1], [ENCODED], "base64"), id="one-bytes"
        ),
        pytest.param(
            texts(ENCODED, ENCODED, content_type="base64"), [b"\x00\xff"] * 2,
            ("BYTES", [2], [ENCODED, ENCODED], "base64"), id="bytes",
        ),
        pytest.param(
            {**texts("hi"), "parameters": {"content_type": "str"}}, "hi", ("BYTES", [1], ["hi"], "str"), id="of-all",
        ),
        pytest.param(texts("a", "b", content_type="np"), np.array(["a", "b"]), ("BYTES", [2], ["a", "b"], "str"),
                     id="np"),
        pytest.param(texts("a"), np.array(["a"]), ("BYTES", [1], ["a"], "str"), id="none"),
    ],
)  # fmt: skip
async def test_content_types_of_texts(message: Any, seen: Any, output: Any) -> None:
    model = Sees()
    status, answer = await infer(model, message)
    assert status == 200, answer
    [found] = answer["outputs"]
    assert (found["datatype"], found["shape"], found["data"], found["parameters"]["content_type"]) == output
    assert type(model.seen[0][0]) is type(seen)
    np.testing.assert_array_equal(model.seen[0][0], seen)


async def test_a_data_frame_comes_and_goes_as_columns() -> None:
    class Frames:
        def predict(self, X: pd.DataFrame, names: Any) -> Any:  # noqa: N803
            assert list(X.columns) == names == ["age", "city"]
            return X.assign(older=X["age"] + 1)

    columns = [
        {"name": "age", "shape": [2, 1], "datatype": "INT64", "data": [30, 40]},
        {"name": "city", "shape": [2], "datatype": "BYTES", "data": ["Rome", "Oslo"]},
    ]
    status, answer = await infer(Frames(), {"parameters": {"content_type": "pd"}, "inputs": columns})
    assert (status, answer.get("parameters")) == (200, {"content_type": "pd"})
    assert {output["name"]: output["data"] for output in answer["outputs"]} == {
        "age": [30, 40], "city": ["Rome", "Oslo"], "older": [31, 41],
    }  # fmt: skip
    columns[1]["shape"], columns[1]["data"] = [3], ["a", "b", "c"]
    status, answer = await infer(Frames(), {"parameters": {"content_type": "pd"}, "inputs": columns})
    assert status == 400
    assert answer["error"].startswith("content_type pd: the tensors are no columns of one table")


async def test_several_tensors_are_a_dictionary() -> None:
    class Adds:
        def predict(self, X: Any, names: Any) -> Any:  # noqa: N803
            assert names == ["a", "b"]
            return {"sum": X["a"] + X["b"], "difference": X["a"] - X["b"]}

    inputs = [{"name": name, "shape": [2], "datatype": "INT32", "data": data} for name, data in
              (("a", [5, 6]), ("b", [1, 2]))]  # fmt: skip
    status, answer = await infer(Adds(), {"inputs": inputs, "outputs": [{"name": "difference"}]})
    assert (status, answer["outputs"]) == (
        200, [{"name": "difference", "datatype": "INT32", "shape": [2], "data": [4, 4]}],
    )  # fmt: skip
    status, answer = await infer(Adds(), {"inputs": inputs, "outputs": [{"name": "product"}]})
    assert (status, answer) == (
        400, {"error": "outputs: 'product': there is no such output; the model has sum, difference"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("result", "output"),
    [
        pytest.param("hi", ("BYTES", [1], ["hi"]), id="text"),
        pytest.param(b"\x00\xff", ("BYTES", [1], [ENCODED]), id="bytes"),
        pytest.param({"a": 1}, ("BYTES", [1], ['{"a":1}']), id="dictionary"),
        pytest.param([1, 2], ("INT64", [2], [1, 2]), id="list"),
        pytest.param(np.float64(3), None, id="scalar"),
        pytest.param(np.array(3), ("INT64", [1], [3]), id="no-dimension"),
        pytest.param(np.array(["2020-01-01"], "M8[D]"), ("BYTES", [1], ["2020-01-01"]), id="dates"),
        pytest.param(np.array(["a", 1], object), ("BYTES", [2], ["a", "1"]), id="objects"),
        pytest.param(SeldonResponse([1.5], tags={"t": 1}), ("FP64", [1], [1.5]), id="response"),
        pytest.param(np.empty((0, 3), np.float32), ("FP32", [0, 3], []), id="no-rows"),
    ],
)
async def test_results(result: Any, output: Any) -> None:
    status, answer = await infer(Sees(result), {"inputs": [FP32]})
    if output is None:
        assert status == 400
        assert answer["error"].startswith("Unknown data type returned as payload")
        return
    [found] = answer["outputs"]
    assert (found["datatype"], found["shape"], found["data"]) == output


async def test_outputs_have_the_names_of_the_metadata_or_the_one_asked_for() -> None:
    class Named(M):
        def init_metadata(self) -> Any:
            tensor = {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}
            return {"name": "iris", "versions": ["v3"], "outputs": [tensor], "inputs": [{"messagetype": "strData"}]}

    _, answer = await infer(Named(), {"inputs": [FP32]})
    assert (answer["outputs"][0]["name"], answer["model_version"]) == ("probabilities", "v3")
    _, answer = await infer(M(), {"inputs": [FP32], "outputs": [{"name": "mine"}]})
    assert answer["outputs"][0]["name"] == "mine"
    async with served(Named(), unit="m") as service:
        for name in ("m", "iris", "Named"):
            for path in (f"/v2/models/{name}", f"/v2/models/{name}/versions/v3"):
                described = (await service.client.get(path)).json()
                assert described == {
                    "name": "m", "versions": ["v3"], "platform": "seldon", "inputs": [],
                    "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}],
                }  # fmt: skip
            assert (await service.client.get(f"/v2/models/{name}/ready")).status_code == 200


async def test_the_server_says_what_it_is() -> None:
    async with served(M()) as service:
        server = (await service.client.get("/v2")).json()
        assert (server["name"], server["extensions"]) == ("seldon-core-microservice", ["binary_tensor_data"])
        for path in ("/v2/health/live", "/v2/health/ready"):
            assert (await service.client.get(path)).status_code == 200
    async with served(None) as service:
        assert (await service.client.get("/v2/health/live")).status_code == 200
        response = await service.client.get("/v2/health/ready")
        assert (response.status_code, response.json()) == (503, {"error": "loading: the model is not ready yet"})
        response = await service.client.post("/v2/models/m/infer", json={"inputs": [FP32]})
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert response.json() == {"error": "loading: the model is not ready yet"}


@pytest.mark.parametrize(
    ("path", "content", "status", "text"),
    [
        pytest.param("/v2/models/m/infer", b"{", 400, "Invalid JSON: ", id="json"),
        pytest.param("/v2/models/m/infer", b"", 400, "Can't find JSON in data", id="nothing"),
        pytest.param("/v2/models/m/infer", b"{}", 400, "inputs: is missing", id="no-inputs"),
        pytest.param("/v2/models/m/infer", json.dumps(texts("x", content_type="jpeg")).encode(), 400,
                     "inputs[0].parameters.content_type: 'jpeg': must be one of np, pd, str", id="content-type"),
        pytest.param("/v2/models/m/infer", json.dumps(texts("?", content_type="base64")).encode(), 400,
                     "inputs[0].data: '?': must be a base64 string", id="base64"),
        pytest.param("/v2/models/m/infer",
                     json.dumps({"parameters": {"content_type": "str"}, "inputs": [FP32]}).encode(), 400,
                     "inputs[0].datatype: FP32: content_type str takes BYTES", id="str-of-numbers"),
        pytest.param("/v2/models/n/infer", b"{}", 404, "n: there is no such model here; it is called m", id="model"),
        pytest.param("/v2/modules", b"{}", 404, "/v2/modules: there is no such path", id="path"),
    ],
)  # fmt: skip
async def test_errors_have_the_form_of_the_protocol(path: str, content: bytes, status: int, text: str) -> None:
    async with served(M(), unit="m") as service:
        response = await service.client.post(path, content=content)
        assert response.status_code == status
        assert response.json()["error"].startswith(text)
        response = await service.client.get("/v2/models/m/infer")
        assert (response.status_code, list(response.json())) == (405, ["error"])


async def test_an_error_of_the_model_has_the_form_of_the_protocol() -> None:
    class Fails:
        def predict(self, X: Any, names: Any) -> Any:  # noqa: N803
            raise ValueError("boom")

    assert await infer(Fails(), {"inputs": [FP32]}) == (500, {"error": "boom"})


class Both(M):
    def transform_input(self, X: Any, names: Any) -> Any:  # noqa: N803
        return X + 10

    def transform_output(self, X: Any, names: Any) -> Any:  # noqa: N803
        return X + 20


class Transformer:
    def transform_output(self, X: Any, names: Any) -> Any:  # noqa: N803
        return X + 30


@pytest.mark.parametrize(
    ("model", "service_type", "result"),
    [(Both(), "MODEL", 1), (Both(), "TRANSFORMER", 11), (Both(), "OUTPUT_TRANSFORMER", 21),
     (Transformer(), "MODEL", 31), (M(), "TRANSFORMER", 1)],
)  # fmt: skip
async def test_infer_asks_for_what_the_component_is_there_for(model: object, service_type: str, result: int) -> None:
    _, answer = await infer(model, {"inputs": [FP32]}, service_type=service_type)
    assert answer["outputs"][0]["data"][0] == result


async def test_routers_combiners_and_feedback() -> None:
    class All:
        def route(self, X: Any, names: Any) -> Any:  # noqa: N803
            return 1

        def aggregate(self, features_list: Any, names_list: Any) -> Any:
            return sum(features_list)

        def send_feedback(self, features: Any, names: Any, reward: Any, truth: Any, routing: Any = None) -> Any:
            return [features.sum(), reward, truth.sum(), routing]

    answer = {"model_name": "c", "outputs": [FP32], "parameters": {"seldon_routing": '{"m":1}'}}
    feedback = {"request": {"inputs": [FP32]}, "response": answer, "reward": 2, "truth": answer}
    async with served(All(), unit="m") as service:
        for action, message, data in (
            ("route", {"inputs": [FP32]}, [1]),
            ("aggregate", [answer, answer], [2, 4]),
            ("feedback", feedback, [3, 2, 3, 1]),
        ):
            response = await service.client.post(f"/v2/models/m/{action}", json=message)
            assert response.status_code == 200, response.text
            assert response.json()["outputs"][0]["data"] == data
        response = await service.client.post("/v2/models/m/aggregate", json=[answer, {"outputs": [{}]}])
        assert (response.status_code, response.json()) == (
            400, {"error": "[1]: outputs[0].name: None: must be the name of a tensor"},
        )  # fmt: skip


async def test_a_class_with_a_raw_method_alone_gets_the_decoded_message() -> None:
    class Raw:
        def predict_raw(self, msg: Any) -> Any:
            return {"model_name": "raw", "outputs": msg["inputs"]}

    tensor = v2.Tensor("x", "BYTES", (1,), memoryview(v2.pack_strings([b"hi"])))
    body, length = v2.encode_request(v2.InferRequest((tensor,)))
    async with served(Raw(), unit="m") as service:
        response = await service.client.post(
            "/v2/models/m/infer", content=body, headers={"inference-header-content-length": str(length)}
        )
    assert response.json()["outputs"] == [{"name": "x", "shape": [1], "datatype": "BYTES", "data": ["hi"]}]


@pytest.mark.parametrize(
    ("path", "message"),
    [("/v2/models/m/infer", {"inputs": [FP32]}), ("/v1/models/m:predict", {"instances": [[1.0, 2.0]]})],
    ids=["v2", "tensorflow"],
)
async def test_a_raw_method_for_seldon_messages_is_not_asked_where_there_is_another(path: str, message: Any) -> None:
    class Both(M):
        def predict_raw(self, msg: Any) -> Any:
            raise AssertionError("it is written for messages of another protocol")

        predict_rest = predict_raw

    async with served(Both(), unit="m") as service:
        response = await service.client.post(path, json=message)
    assert response.status_code == 200, response.text
