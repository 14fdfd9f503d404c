from pathlib import Path

import pytest
import yaml

from hack.generate_crds import DIRECTORY, main, render
from seldon_core.api.crd import custom_resource_definition

NAME = "seldondeployments.machinelearning.seldon.io.yaml"


def test_the_crd_in_the_repository_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0
    assert capsys.readouterr().err == ""


def test_the_file_says_what_the_types_say_and_is_small() -> None:
    path = DIRECTORY / NAME
    assert yaml.safe_load(path.read_text()) == custom_resource_definition()
    assert path.stat().st_size < 256 * 1024
    assert "&id" not in path.read_text()


def test_drift_fails_and_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    (tmp_path / NAME).write_text(render()[NAME].replace("minimum: 0", "minimum: 1"))
    assert main(["--check"], tmp_path) == 1
    assert f"{tmp_path / NAME}: differs" in capsys.readouterr().err
    assert main([], tmp_path) == 0
    assert (tmp_path / NAME).read_text() == render()[NAME]


def test_a_missing_file_is_drift(tmp_path: Path) -> None:
    assert main(["--check"], tmp_path) == 1
    assert not list(tmp_path.iterdir())
