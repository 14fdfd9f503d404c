"""`seldon-core new`: the folder that it writes works as it is, and `--check` asks a real index through pip."""

import functools
import http.server
import io
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from seldon_core import __version__
from seldon_core.api.validate import validate
from seldon_core.cli import main
from seldon_core.cli.project import Names, files
from seldon_core.cli.requirements import Requirement, read

PYTHON = f"Python {sys.version_info.major}.{sys.version_info.minor}"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["new", *arguments])


def test_the_folder_that_is_written_passes_its_own_test(tmp_path: Path) -> None:
    folder = tmp_path / "iris-model"
    done = run(str(folder))
    assert done.exit_code == 0, done.output
    written = sorted(path.name for path in folder.iterdir())
    assert written == [
        "Dockerfile", "IrisModel.py", "requirements.txt", "seldon-deployment.yaml", "test_iris_model.py"
    ]  # fmt: skip
    command = [sys.executable, "-W", "error", "-m", "unittest"]
    tested = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert tested.returncode == 0, tested.stderr
    assert "Ran 2 tests" in tested.stderr


def test_the_commands_that_it_names_fit_what_it_wrote(tmp_path: Path) -> None:
    folder = tmp_path / "iris-model"
    lines = [line.split("#")[0].strip() for line in run(str(folder)).output.split("Next:\n")[1].splitlines()]
    manifest = yaml.safe_load((folder / "seldon-deployment.yaml").read_text())
    [container] = manifest["spec"]["predictors"][0]["componentSpecs"][0]["spec"]["containers"]
    assert lines == [
        f"cd {folder}",
        "python -m unittest",
        "seldon-core-microservice IrisModel",
        f"docker build -t {container['image']} .",
        "kubectl apply -f seldon-deployment.yaml",
    ]


@pytest.mark.parametrize(
    ("name", "cls", "module", "kubernetes"),
    [
        ("iris-model", "IrisModel", "iris_model", "iris-model"),
        ("iris_model", "IrisModel", "iris_model", "iris-model"),
        ("IrisModel", "IrisModel", "iris_model", "iris-model"),
        ("MNISTClassifier", "MNISTClassifier", "mnist_classifier", "mnist-classifier"),
        ("model2", "Model2", "model_2", "model-2"),
        ("m", "M", "m", "m"),
    ],
)
def test_a_name_becomes_what_each_place_wants(name: str, cls: str, module: str, kubernetes: str) -> None:
    assert Names.of(name) == Names(cls, module, kubernetes)


@pytest.mark.parametrize("name", ["m", "M" * 40, "iris-model-of-forty-characters-and-not-1x"[:40], "a1-b2_C3"])
def test_every_manifest_is_admitted_without_a_warning(name: str) -> None:
    texts = files(Names.of(name.rstrip("-_")))
    assert validate(yaml.safe_load(texts["seldon-deployment.yaml"])) == []
    assert texts["Dockerfile"].startswith(f"FROM docker.io/seldonio/seldon-core-microservice:{__version__}\n")


@pytest.mark.parametrize("name", ["9", "-m", "a--b", "a-", "ä", "a b", "a" * 41, "."])
def test_a_name_that_cannot_be_used_is_refused_with_the_rule(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"must be a letter, then letters, digits .*; for example my-model"):
        Names.of(name)


def test_a_bad_name_is_no_traceback_and_writes_nothing(tmp_path: Path) -> None:
    done = run(str(tmp_path / "9"))
    assert done.exit_code == 2
    assert done.output.startswith("Error: NAME: '9': must be a letter, then")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", ["folder", "file"])
def test_what_is_there_is_not_overwritten(tmp_path: Path, there: str) -> None:
    mine = tmp_path / "mine" / "Mine.py" if there == "folder" else tmp_path / "mine"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("precious")
    done = run(str(tmp_path / "mine"))
    assert done.exit_code == 2
    assert (
        done.output
        == f"Error: {tmp_path}/mine: is there already and is not overwritten; take another name or remove it\n"
    )
    assert mine.read_text() == "precious"


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert run(str(tmp_path / "mine")).exit_code == 0
    assert (tmp_path / "mine" / "Mine.py").exists()


# --check


def wheel(name: str, version: str, tag: str) -> tuple[str, bytes]:
    """A wheel that pip can read."""
    folder = f"{name}-{version}.dist-info"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{folder}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{folder}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{folder}/RECORD", "")
    return f"{name}-{version}-{tag}.whl", buffer.getvalue()


@pytest.fixture
def index(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package index on a port of this machine, set up as pip's own."""
    root = tmp_path_factory.mktemp("index")
    releases = [
        wheel("fine", "1.0", "py3-none-any"),
        wheel("moved", "1.0", "cp36-cp36m-linux_x86_64"),
        wheel("moved", "2.0", "py3-none-any"),
        wheel("moved", "2.1rc1", "py3-none-any"),
        wheel("moved", "3.0", "py3-none-any"),
        wheel("old", "1.0", "cp36-cp36m-linux_x86_64"),
        wheel("compiled", "2.0", "py3-none-any"),
        ("compiled-1.0.tar.gz", b"never unpacked: the check does not depend on it"),
        ("sources-1.0.tar.gz", b"never unpacked: the check does not depend on it"),
    ]
    for name, content in releases:
        folder = root / "simple" / name.split("-")[0]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    handler = functools.partial(_Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/simple"
        for variable in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_INDEX_URL", url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        try:
            yield url
        finally:
            server.shutdown()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def check(folder: Path, requirements: str) -> Result:
    (folder / "requirements.txt").write_text(requirements)
    return run("--check", str(folder))


def test_what_has_no_release_is_named_with_what_there_is(index: str, tmp_path: Path) -> None:
    text = "fine>=1  # a comment\nmoved==1.0\nold\nunknown==4\ncompiled==1.0\nsources\n-e ./mine\n"
    done = check(tmp_path, text)
    file = tmp_path / "requirements.txt"
    assert done.output.splitlines() == [
        f"{file}: -e ./mine: not checked, it does not come from a package index",
        f"{file}: moved==1.0: no release for {PYTHON}; there are 2.0 to 3.0",
        f"{file}: old: no release for {PYTHON}: the index has none at all for it under this name",
        f"{file}: unknown==4: no release for {PYTHON}: the index has none at all for it under this name",
        f"{file}: compiled==1.0: no release for {PYTHON}, only its source, which was made for others; there are 2.0",
        f"{file}: sources: has only a source release, which pip builds; the image needs a compiler if it is not all "
        "Python",
        f"2 of 6 requirements have a release for {PYTHON}",
    ]
    assert done.exit_code == 1


def test_requirements_that_all_have_one_are_counted(index: str, tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("moved<3")
    (tmp_path / "limits.txt").write_text("fine<2")
    text = "-c limits.txt\nfine\n-r more.txt\nnot-here; sys_platform == 'win32'\n"
    done = check(tmp_path, text)
    assert (done.exit_code, done.output) == (0, f"3 of 3 requirements have a release for {PYTHON}\n")


def test_a_new_folder_is_fine(index: str, tmp_path: Path) -> None:
    run(str(tmp_path / "mine"))
    done = check(tmp_path / "mine", (tmp_path / "mine" / "requirements.txt").read_text().replace("numpy", "fine"))
    assert (done.exit_code, done.output) == (0, f"1 of 1 requirements have a release for {PYTHON}\n")


def test_an_index_that_cannot_be_reached_is_not_taken_for_one_without_releases(
    index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    done = check(tmp_path, "fine\n")
    assert done.exit_code == 2
    assert done.output.startswith("Error: the package index cannot be asked: ")
    assert "Connection refused" in done.output
    assert done.output.endswith("`pip config list` shows which one it is\n")


def test_a_line_that_pip_cannot_read_is_named(index: str, tmp_path: Path) -> None:
    done = check(tmp_path, "fine ==== 1\n")
    assert done.exit_code == 2
    assert done.output.startswith(f"Error: {tmp_path}/requirements.txt: pip cannot use 'fine ==== 1': ERROR: Invalid")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "cannot be read: no such file or directory", id="absent"),
        pytest.param(b"\xff\xfe", "is not text: invalid start byte at byte 0; write it in UTF-8", id="binary"),
        pytest.param(b"-r absent.txt", "cannot be read: no such file or directory", id="absent, included"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "requirements.txt").write_bytes(content)
    done = run("--check", str(tmp_path))
    assert done.exit_code == 2
    assert message in done.output


def test_options_of_a_file_count_for_what_it_includes(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("--pre\none \\\n  ==1 --hash=sha256:00\n-r sub/more.txt\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "more.txt").write_text("--extra-index-url https://other/simple\n-c limits.txt\ntwo\n# three\n")
    one, two = read(tmp_path / "requirements.txt")
    assert one == Requirement("one    ==1 --hash=sha256:00", tmp_path / "requirements.txt", ("--pre",))
    assert one.name == "one    ==1"
    assert two.file == tmp_path / "sub" / "more.txt"
    assert two.options == (
        "--pre", "--extra-index-url https://other/simple", f"--constraint {tmp_path}/sub/limits.txt"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("numpy", True),
        ("numpy>=1; python_version < '4'", True),
        ("-e .", False),
        ("./mine", False),
        ("/wheels/mine.whl", False),
        ("mine @ https://host/mine.whl", False),
        ("git+https://host/mine", False),
    ],
)
def test_folders_and_addresses_are_no_matter_of_an_index(text: str, expected: bool) -> None:
    assert Requirement(text, Path("requirements.txt")).is_of_an_index is expected
