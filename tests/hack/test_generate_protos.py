from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from hack.generate_protos import DIRECTORY, SETS, STUB, main


def test_the_messages_in_the_repository_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", [*SETS, STUB])
def test_drift_fails_and_names_the_file(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], tmp_path) == 0
    path = tmp_path / name
    content = path.read_bytes()
    if name == STUB:
        path.write_bytes(content + b"\n")
    else:
        changed = descriptor_pb2.FileDescriptorSet.FromString(content)
        changed.file[-1].message_type[0].field.add(name="new", number=99)
        path.write_bytes(changed.SerializeToString())
    assert main(["--check"], tmp_path) == 1
    assert capsys.readouterr().err == f"{path}: differs from what its sources generate; run `make generate`\n"
    assert main([], tmp_path) == 0
    assert path.read_bytes() == content


def test_the_wheel_brings_what_is_loaded() -> None:
    assert {path.name for path in DIRECTORY.iterdir() if path.suffix == ".binpb"} == set(SETS)
