"""Models on DataFrames, images and texts answer with the right numbers in every protocol that can carry their input."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from sklearn.datasets import load_digits

from examples.models.DigitClassifier import DigitClassifier
from examples.models.PenguinClassifier import PenguinClassifier
from examples.models.SentimentClassifier import SentimentClassifier

from ..microservice.serving import served
from .pages import ROOT, Page, free_ports

MODELS = ROOT / "examples" / "models"
IMAGES, DIGITS = load_digits(return_X_y=True)
NAMES = ["island", "bill_mm", "mass_g"]
BIRDS = [["Torgersen", 39.5, 3500], ["Biscoe", 48.0, 5200], ["Dream", 48.0, 3600]]
SPECIES = ["Adelie", "Gentoo", "Chinstrap"]


@pytest.fixture(params=[DigitClassifier, PenguinClassifier, SentimentClassifier])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    model = request.param()
    model.load()
    async with served(model) as found:
        yield found.client


def of(cls: type) -> Any:
    """Serve this model to the test."""
    return pytest.mark.parametrize("client", [pytest.param(cls, id=cls.__name__)], indirect=True)


async def post(client: httpx.AsyncClient, path: str, message: Any) -> Any:
    answer = await client.post(path, json=message)
    assert answer.status_code == 200, answer.text
    return answer.json()


def column(name: str, datatype: str, values: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(values), 1], "data": values}


@of(PenguinClassifier)
async def test_a_data_frame(client: httpx.AsyncClient) -> None:
    answer = await post(client, "/predict", {"data": {"names": NAMES, "ndarray": BIRDS}})
    assert answer["data"]["ndarray"] == SPECIES
    island, bill, mass = (list(values) for values in zip(*BIRDS, strict=True))
    tensors = [column("island", "BYTES", island), column("bill_mm", "FP64", bill), column("mass_g", "INT64", mass)]
    message = {"parameters": {"content_type": "pd"}, "inputs": tensors}
    [output] = (await post(client, "/v2/models/PenguinClassifier/infer", message))["outputs"]
    assert (output["datatype"], output["data"]) == ("BYTES", SPECIES)


@of(PenguinClassifier)
async def test_a_column_that_is_missing_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.post("/predict", json={"data": {"names": NAMES[:2], "ndarray": [["Dream", 48.0]]}})
    assert (answer.status_code, answer.json()["status"]["info"]) == (400, "no column mass_g")


@of(DigitClassifier)
@pytest.mark.parametrize("protocol", ["tensor", "binData", "V2", "V2 binary", "TensorFlow"])
async def test_an_image(client: httpx.AsyncClient, protocol: str) -> None:
    pixels = IMAGES[0].astype(np.uint8)
    path = "/v2/models/DigitClassifier/infer"
    tensor = {"name": "image", "shape": [1, 8, 8], "datatype": "UINT8"}
    if protocol == "tensor":
        message = {"data": {"tensor": {"shape": [1, 8, 8], "values": pixels.tolist()}}}
        found = (await post(client, "/predict", message))["data"]["tensor"]["values"]
    elif protocol == "binData":
        message = {"binData": base64.b64encode(pixels.tobytes()).decode()}
        found = (await post(client, "/predict", message))["data"]["tensor"]["values"]
    elif protocol == "V2":
        found = (await post(client, path, {"inputs": [{**tensor, "data": pixels.tolist()}]}))["outputs"][0]["data"]
    elif protocol == "V2 binary":
        head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": 64}}]}).encode()
        headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
        answer = await client.post(path, content=head + pixels.tobytes(), headers=headers)
        found = answer.json()["outputs"][0]["data"]
    else:
        message = {"instances": pixels.reshape(1, 8, 8).tolist()}
        found = (await post(client, "/v1/models/DigitClassifier:predict", message))["predictions"][0]
    assert len(found) == 10
    assert np.argmax(found) == DIGITS[0]
    assert sum(found) == pytest.approx(1)


@of(DigitClassifier)
async def test_a_wrong_number_of_pixels_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/predict", json={"binData": "AAAA"})
    assert (answer.status_code, answer.json()["status"]["info"]) == (400, "an image has 64 pixels, got 3")


@of(SentimentClassifier)
async def test_a_text(client: httpx.AsyncClient) -> None:
    assert (await post(client, "/predict", {"strData": "what a great joy"}))["strData"] == "good"
    many = await post(client, "/predict", {"data": {"ndarray": ["good work", "rude mess"]}})
    assert many["data"]["ndarray"] == ["good", "bad"]
    tensor = {"name": "text", "shape": [2], "datatype": "BYTES", "parameters": {"content_type": "str"}}
    message = {"inputs": [{**tensor, "data": ["good work", "rude mess"]}]}
    [output] = (await post(client, "/v2/models/SentimentClassifier/infer", message))["outputs"]
    assert output["data"] == ["good", "bad"]


def test_the_page_does_what_it_says() -> None:
    page = Page.read(MODELS / "README.md")
    http, metrics = free_ports(2)
    variables = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": http,
        "PREDICTIVE_UNIT_METRICS_SERVICE_PORT": metrics,
    }
    script = page.commands("bash").replace("localhost:9000", f"localhost:{http}")
    done = subprocess.run(["bash", "-eu"], input=script, text=True, cwd=MODELS, env=variables, capture_output=True,
                          timeout=100, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [json.loads(done.stdout)] == page.answers()
    assert all(f"[{path.stem}]({path.name})" in (MODELS / "README.md").read_text() for path in MODELS.glob("*.py"))
