"""The modules that existing classes import, and what they find there."""

from pathlib import Path

import numpy as np
import pytest

from seldon_core.flask_utils import SeldonMicroserviceException
from seldon_core.metrics import create_counter, create_gauge, create_timer
from seldon_core.proto import prediction_pb2
from seldon_core.protocols.errors import MessageError
from seldon_core.storage import Storage
from seldon_core.user_model import SeldonComponent, SeldonNotImplementedError, SeldonResponse
from seldon_core.utils import array_to_rest_datadef, extract_request_parts_json, getenv_as_bool, json_to_array


def test_all_of_them_are_there() -> None:
    assert prediction_pb2.SeldonMessage(strData="x").strData == "x"
    for found in (SeldonMicroserviceException, SeldonComponent, SeldonNotImplementedError, SeldonResponse,
                  create_counter, create_gauge, create_timer):  # fmt: skip
        assert callable(found)


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_storage_is_a_local_path(tmp_path: Path, prefix: str) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.bin").write_text("a")
    uri = f"{prefix}{tmp_path}/models"
    assert Storage.download(uri) == f"{tmp_path}/models"
    out = str(tmp_path / "out")
    for _ in range(2):
        assert Storage.download(uri, out) == out
        assert (tmp_path / "out" / "a.bin").read_text() == "a"
    assert Storage.download(f"{uri}/a.bin", str(tmp_path / "one")) == str(tmp_path / "one")


def test_storage_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Cannot recognize storage type for s3://bucket"):
        Storage.download("s3://bucket")
    with pytest.raises(RuntimeError, match="does not exist"):
        Storage.download(str(tmp_path / "absent"))


@pytest.mark.parametrize(
    ("value", "expected"), [("TRUE", True), ("true", True), ("t", True), ("1", True), ("FALSE", False), ("f", False),
                            ("0", False), (None, False)],
)  # fmt: skip
def test_booleans(monkeypatch: pytest.MonkeyPatch, value: str | None, expected: bool) -> None:
    monkeypatch.delenv("SOME_FLAG", raising=False)
    if value is not None:
        monkeypatch.setenv("SOME_FLAG", value)
    assert getenv_as_bool("SOME_FLAG") is expected


@pytest.mark.parametrize("kind", ["tensor", "ndarray", "tftensor"])
def test_arrays_and_messages(kind: str) -> None:
    array = np.array([[1.0, 2.0]])
    data = array_to_rest_datadef(kind, array, ["a", "b"])
    assert data["names"] == ["a", "b"]
    np.testing.assert_array_equal(json_to_array(data), array)
    payload, meta, datadef, field = extract_request_parts_json({"data": data, "meta": {"puid": "p"}})
    np.testing.assert_array_equal(payload, array)
    assert (meta, datadef, field) == ({"puid": "p"}, data, "data")
    assert extract_request_parts_json({"strData": "x"})[::3] == ("x", "strData")
    with pytest.raises(MessageError):
        extract_request_parts_json({})
    with pytest.raises(ValueError, match="must be tensor, ndarray or tftensor"):
        array_to_rest_datadef("list", array)
