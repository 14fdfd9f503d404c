"""The environments that the wheel is tried in: which there are, when they are made anew, and what counts as harm."""

import sys
from pathlib import Path

import pytest

from hack import environments
from hack.compat import __main__ as compat
from hack.compat.matrix import cases
from hack.console import Failure
from hack.environments import Environment


def test_the_environments_cover_what_models_bring() -> None:
    by_name = {case.environment.name: case for case in cases("2026-11")}
    assert list(by_name) == ["alone", "newest", "protobuf-4.25", "protobuf-5", "protobuf-6"]
    assert by_name["alone"].environment.requirements == ()
    # Nothing holds the newest back.
    assert by_name["newest"].environment.requirements == ("numpy", "protobuf", "scikit-learn", "pandas")
    for name, case in by_name.items():
        if name.startswith("protobuf"):
            assert [{"mlserver", "tritonclient.http"} <= set(modules) for modules in case.imports] == [True, False]


def test_an_environment_is_made_anew_when_something_about_it_changes() -> None:
    folders = {
        Environment("a", ("numpy",)).folder,
        Environment("a", ("numpy==2",)).folder,
        Environment("a", ("numpy",), "2026-12").folder,
        Environment("b", ("numpy",)).folder,
    }
    assert len(folders) == 4
    assert Environment("a", ("numpy",)).folder in folders


@pytest.mark.parametrize(
    ("after", "moved"),
    [
        pytest.param({"numpy": "2", "seldon-core": "0.2", "click": "8"}, "", id="only more"),
        pytest.param({"numpy": "1"}, "numpy 2 became 1", id="gave way"),
        pytest.param({}, "numpy 2 became absent", id="gone"),
    ],
)
def test_nothing_has_to_give_way(after: dict[str, str], moved: str) -> None:
    assert compat.moved_versions({"numpy": "2", "seldon-core": "0.1"}, after) == moved


def test_an_unknown_environment_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        compat.main(["absent"])
    assert "absent: no such environment; one of alone, newest, protobuf-4.25" in capsys.readouterr().err


def test_an_environment_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELDON_CORE_CACHE", str(tmp_path))
    environment = Environment("empty", ())
    assert not environment.exists
    environment.make()
    assert environment.exists
    made = environment.python.stat().st_ino
    (environment.folder.parent / "empty-0123456789ab").mkdir()
    environment.make()
    assert environment.python.stat().st_ino == made
    assert environment.versions() == {}
    assert environment.variables()["PATH"].startswith(f"{environment.folder}/bin:")
    Environment("empty", (), "later").make()
    assert not environment.folder.exists()
    assert not (environment.folder.parent / "empty-0123456789ab").exists()


def test_an_environment_that_cannot_be_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELDON_CORE_CACHE", str(tmp_path))
    environment = Environment("broken", (str(tmp_path / "absent.whl"),))
    with pytest.raises(Failure, match="installing into broken failed"):
        environment.make()
    assert not environment.folder.exists()


def test_uv_is_told_what_pip_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"index-url": "https://mirror/simple", "find-links": "/a /b", "timeout": "9", "cert": "/ca.crt"}
    monkeypatch.setattr(environments, "pip_settings", lambda: settings)
    expected = ["--default-index", "https://mirror/simple", "--find-links", "/a", "--find-links", "/b"]
    assert environments._index() == expected
    assert environments._variables()["SSL_CERT_FILE"] == "/ca.crt"


def test_the_probe_fails_when_a_module_cannot_be_imported() -> None:
    from hack.compat import probe

    with pytest.raises(Exception, match="returned non-zero exit status"):
        probe.main(["no_such_module"])


def test_the_probe_serves_a_model_of_this_environment(capfd: pytest.CaptureFixture[str]) -> None:
    from hack.compat import probe

    assert (Path(sys.executable).parent / "seldon-core-microservice").exists()
    probe.main(["sklearn"])
    assert "Model is ready" in capfd.readouterr().err
