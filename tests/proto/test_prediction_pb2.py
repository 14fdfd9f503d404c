"""The messages that model classes import, beside what else lives in protobuf's default pool."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.struct_pb2 import ListValue

from seldon_core.proto import prediction_pb2

# Field numbers and types are the wire format that existing clients speak.
FIELDS = {
    "SeldonMessage": {"status": 1, "meta": 2, "data": 3, "binData": 4, "strData": 5, "jsonData": 6, "customData": 7},
    "DefaultData": {"names": 1, "tensor": 2, "ndarray": 3, "tftensor": 4},
    "Tensor": {"shape": 1, "values": 2},
    "Meta": {"puid": 1, "tags": 2, "routing": 3, "requestPath": 4, "metrics": 5},
    "Metric": {"key": 1, "type": 2, "value": 3, "tags": 4},
    "Status": {"code": 1, "info": 2, "reason": 3, "status": 4},
    "SeldonMessageList": {"seldonMessages": 1},
    "Feedback": {"request": 1, "response": 2, "reward": 3, "truth": 4},
    "RequestResponse": {"request": 1, "response": 2},
    "SeldonModelMetadataRequest": {"name": 1},
    "SeldonMessageMetadata": {"messagetype": 1, "schema": 2, "name": 3, "datatype": 4, "shape": 5},
    "SeldonModelMetadata": {"name": 1, "versions": 2, "platform": 3, "inputs": 4, "outputs": 5, "custom": 6},
    "SeldonGraphMetadata": {"name": 1, "models": 2, "inputs": 3, "outputs": 4},
}


def test_messages_are_used_as_models_use_them() -> None:
    message = prediction_pb2.SeldonMessage(
        data=prediction_pb2.DefaultData(names=["a"], tensor=prediction_pb2.Tensor(shape=[1, 1], values=[2.5])),
        meta=prediction_pb2.Meta(metrics=[prediction_pb2.Metric(key="k", type="GAUGE", value=1)]),
    )
    assert message.WhichOneof("data_oneof") == "data"
    assert message.data.WhichOneof("data_oneof") == "tensor"
    assert message.meta.metrics[0].type == prediction_pb2.Metric.GAUGE
    assert prediction_pb2.SeldonMessage.FromString(message.SerializeToString()) == message
    assert pickle.loads(pickle.dumps(message)) == message


@pytest.mark.parametrize("name", FIELDS)
def test_fields_have_the_published_numbers(name: str) -> None:
    descriptor = prediction_pb2.DESCRIPTOR.message_types_by_name[name]
    assert {field.name: field.number for field in descriptor.fields} == FIELDS[name]
    assert descriptor.full_name == f"seldon.protos.{name}"


def test_every_message_is_listed() -> None:
    assert set(prediction_pb2.DESCRIPTOR.message_types_by_name) == set(FIELDS)


def test_a_message_has_the_published_bytes() -> None:
    message = prediction_pb2.SeldonMessage(
        meta=prediction_pb2.Meta(puid="p"),
        data=prediction_pb2.DefaultData(tensor=prediction_pb2.Tensor(shape=[1], values=[1.0])),
    )
    tensor = b"\x0a\x01\x01" + b"\x12\x08\x00\x00\x00\x00\x00\x00\xf0\x3f"
    data = b"\x12" + bytes([len(tensor)]) + tensor
    assert message.SerializeToString() == b"\x12\x03\x0a\x01p" + b"\x1a" + bytes([len(data)]) + data


def test_lists_hold_any_values() -> None:
    values = ListValue()
    values.extend([1, "a", [True, None]])
    data = prediction_pb2.DefaultData(ndarray=values)
    assert data.ndarray.values[1].string_value == "a"


OTHERS_TENSOR = """
import sys, types
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
file = descriptor_pb2.FileDescriptorProto(name="tensorflow/core/framework/tensor.proto", package="tensorflow")
file.message_type.add(name="TensorProto").field.add(name="added_later", number=77, type=5, label=1)
pool = descriptor_pool.Default()
pool.AddSerializedFile(file.SerializeToString())
TensorProto = message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.TensorProto"))
"""


@pytest.mark.parametrize("imported_first", [True, False], ids=["imported first", "installed only"])
def test_the_tensors_of_an_installed_tensorflow_fit(imported_first: bool, tmp_path: Path) -> None:
    """A stand-in for its package: a newer TensorProto under the same name, which would collide with one of ours."""
    package = tmp_path / "tensorflow" / "core" / "framework"
    package.mkdir(parents=True)
    for directory in (tmp_path / "tensorflow", tmp_path / "tensorflow" / "core", package):
        (directory / "__init__.py").write_text("")
    (package / "tensor_pb2.py").write_text(OTHERS_TENSOR)
    imports = [
        "from tensorflow.core.framework.tensor_pb2 import TensorProto",
        "from seldon_core.proto import prediction_pb2",
    ]
    code = [
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})",
        *(imports if imported_first else reversed(imports)),
        "print(prediction_pb2.DefaultData(tftensor=TensorProto(added_later=3)).tftensor.added_later)",
    ]
    result = subprocess.run([sys.executable, "-c", "\n".join(code)], capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.returncode) == ("3\n", 0), result.stderr


def test_the_description_of_a_tensor_is_that_of_tensorflow() -> None:
    descriptor = prediction_pb2.DefaultData.DESCRIPTOR.fields_by_name["tftensor"].message_type
    assert descriptor.full_name == "tensorflow.TensorProto"
    assert descriptor.file.name == "tensorflow/core/framework/tensor.proto"
    numbers = {field.name: field.number for field in descriptor.fields}
    assert (numbers["tensor_content"], numbers["half_val"], numbers["uint64_val"]) == (4, 13, 17)
