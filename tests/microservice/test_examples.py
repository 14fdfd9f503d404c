"""Classes as people write them, and what arrives of numbers: pandas, images, text, and the table of dtypes."""

import base64
import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from seldon_core.protocols import tftensor

from .serving import ask, finish, plane_of


class Frames:
    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        frame = pd.DataFrame(X, columns=names)
        return frame.assign(total=frame.sum(axis=1))


def test_pandas() -> None:
    _, answer = ask(Frames(), {"data": {"names": ["a", "b"], "ndarray": [[1, 2], [3, 4]]}})
    assert answer["data"] == {"names": ["a", "b", "total"], "ndarray": [[1, 2, 3], [3, 4, 7]]}


class Thumbnails:
    def predict(self, X: Any, names: Any) -> Any:  # noqa: N803
        image = Image.open(io.BytesIO(X)).resize((1, 1))
        written = io.BytesIO()
        image.save(written, "PNG")
        return written.getvalue()


def test_images() -> None:
    written = io.BytesIO()
    Image.new("RGB", (8, 8), (10, 20, 30)).save(written, "PNG")
    _, answer = ask(Thumbnails(), {"binData": base64.b64encode(written.getvalue()).decode()})
    image = Image.open(io.BytesIO(base64.b64decode(answer["binData"])))
    assert (image.size, image.getpixel((0, 0))) == ((1, 1), (10, 20, 30))


class Upper:
    def predict(self, X: Any, names: Any) -> Any:  # noqa: N803
        return X.upper() if isinstance(X, str) else np.char.upper(X)


@pytest.mark.parametrize(
    ("message", "data"),
    [({"strData": "grüße"}, {"strData": "GRÜSSE"}),
     ({"data": {"ndarray": ["a", "b"]}}, {"data": {"names": [], "ndarray": ["A", "B"]}})],
    ids=["strData", "ndarray"],
)  # fmt: skip
def test_text(message: Any, data: Any) -> None:
    assert ask(Upper(), message) == (200, {**data, "meta": {}})


class Sees:
    def __init__(self) -> None:
        self.dtype: Any = None

    def predict(self, X: Any, names: Any) -> Any:  # noqa: N803
        self.dtype = str(X.dtype)
        return X


@pytest.mark.parametrize("kind", ["ndarray", "tensor"])
@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        pytest.param([1, 2], "int64", id="integers"),
        pytest.param([2**53 + 1, -(2**62) - 1], "int64", id="above-2^53"),
        pytest.param([2**63, 2**64 - 1], "uint64", id="above-2^63"),
        pytest.param([1.5, 2], "float64", id="floats"),
        pytest.param([0.1, 1e308], "float64", id="all-digits"),
    ],
)
def test_numbers_stay_what_they_are(kind: str, values: list[Any], dtype: str) -> None:
    data = {"ndarray": values} if kind == "ndarray" else {"tensor": {"shape": [len(values)], "values": values}}
    model = Sees()
    body = finish(plane_of(model).predict({"data": data})).body
    found = json.loads(body)["data"]
    again = found["ndarray"] if kind == "ndarray" else found["tensor"]["values"]
    assert (model.dtype, again) == (dtype, values)
    if dtype != "float64":
        assert all(type(value) is int for value in again)


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
)
def test_a_tftensor_keeps_its_dtype(dtype: str) -> None:
    model = Sees()
    array = np.array([[0, 1], [2, 3]], dtype=dtype)
    _, answer = ask(model, {"data": {"tftensor": tftensor.encode(array)}})
    assert model.dtype == dtype
    again = tftensor.parse(answer["data"]["tftensor"], "")
    assert again.dtype == array.dtype
    np.testing.assert_array_equal(again, array)


class NotFinite:
    def predict(self, X: Any, names: Any) -> Any:  # noqa: N803
        return np.array([np.nan, np.inf, -np.inf, 1.0])


@pytest.mark.parametrize(
    ("message", "values"),
    [
        pytest.param({"data": {"ndarray": [1]}}, [None, None, None, 1.0], id="ndarray"),
        pytest.param({"data": {"tensor": {"values": [1]}}}, ["NaN", "Infinity", "-Infinity", 1.0], id="tensor"),
    ],
)
def test_what_is_not_finite_is_valid_json(message: Any, values: list[Any]) -> None:
    _, answer = ask(NotFinite(), message)
    data = answer["data"]
    assert (data["ndarray"] if "ndarray" in data else data["tensor"]["values"]) == values
