"""What goes into an image, when it is built again, and what may not be inside."""

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hack.console import Failure
from hack.images import __main__ as commands
from hack.images import base as base_image
from hack.images import builder, catalogue, check, settings
from hack.images.catalogue import Image

DOCKERFILE = """# COPY commented out
ARG BASE=python
FROM ${BASE} AS build
ARG PIP_CERT
COPY --chown=1:1 requirements.txt \\
     code ./
COPY --from=build /opt /opt
"""


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Image:
    """An image whose Dockerfile copies a file and a folder."""
    monkeypatch.setattr(catalogue, "ROOT", tmp_path)
    folder = tmp_path / "model"
    (folder / "code" / "__pycache__").mkdir(parents=True)
    (folder / "requirements.txt").write_text("numpy")
    (folder / "code" / "main.py").write_text("1")
    (folder / "code" / "__pycache__" / "main.pyc").write_text("compiled")
    (folder / "notes").write_text("not copied")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    return Image("model", "docker.io/seldonio/model:1", "model", folder)


def test_files_are_those_that_the_dockerfile_copies(image: Image) -> None:
    files = catalogue.copied_files(DOCKERFILE, image)
    assert [str(file.relative_to(image.context)) for file in files] == ["code/main.py", "requirements.txt"]


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        pytest.param("COPY absent ./", r"COPY absent: not there in", id="absent"),
        pytest.param('COPY ["a b", "./"]', r"write it as COPY SOURCE\.\.\. DESTINATION", id="JSON form"),
        pytest.param("COPY <<EOF /file", r"write it as COPY SOURCE\.\.\. DESTINATION", id="here document"),
    ],
)
def test_copies_that_are_not_understood_are_refused(image: Image, instruction: str, message: str) -> None:
    with pytest.raises(Failure, match=message):
        catalogue.copied_files(f"FROM x\n{instruction}\n", image)


def rename(image: Image) -> None:
    (image.context / "code" / "main.py").rename(image.context / "code" / "other.py")


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        pytest.param(lambda image: (image.context / "code" / "main.py").write_text("2"), True, id="content"),
        pytest.param(lambda image: (image.context / "code" / "main.py").chmod(0o755), True, id="mode"),
        pytest.param(rename, True, id="name"),
        pytest.param(lambda image: (image.context / "code" / "new.py").write_text(""), True, id="new file"),
        pytest.param(lambda image: image.dockerfile.write_text(f"{DOCKERFILE}USER 1\n"), True, id="Dockerfile"),
        pytest.param(lambda image: (image.context / "notes").write_text("x"), False, id="not copied"),
    ],
)
def test_key_changes_with_what_goes_in(image: Image, change: Callable[[Image], object], differs: bool) -> None:
    before = catalogue.key_of(image, "parent")
    assert catalogue.key_of(image, "parent") == before
    assert catalogue.key_of(image, "another parent") != before
    change(image)
    assert (catalogue.key_of(image, "parent") != before) is differs


def test_missing_dockerfile_is_named(image: Image) -> None:
    image.dockerfile.unlink()
    with pytest.raises(Failure, match=r"model: .*/model/Dockerfile is not there"):
        catalogue.key_of(image, "parent")


def test_every_image_of_the_project_has_a_key() -> None:
    for image in catalogue.catalogue().values():
        assert catalogue.key_of(image, "parent"), image.name


def test_images_are_named_as_the_chart_and_the_examples_name_them() -> None:
    version = catalogue.project_version()
    assert [image.tag.removeprefix("docker.io/seldonio/") for image in catalogue.catalogue().values()] == [
        f"seldon-core-operator:{version}",
        f"seldon-core-engine:{version}",
        f"seldon-core-microservice:{version}",
        "mock_classifier:1.0",
        f"iris-classifier:{version}",
        f"mean-transformer:{version}",
        f"mean-combiner:{version}",
        f"epsilon-greedy:{version}",
        f"outlier-detector:{version}",
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["iris"], ["microservice", "iris"], id="parent first"),
        pytest.param(["iris", "mock_classifier"], ["microservice", "iris", "mock_classifier"], id="parent once"),
        pytest.param(["engine"], ["engine"], id="alone"),
    ],
)
def test_parents_are_built_first_and_once(names: list[str], expected: list[str]) -> None:
    wanted = commands.with_parents(names, catalogue.catalogue())
    assert [image.name for image in wanted] == expected


def test_unknown_image_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Failure, match=r"engin: no such image; one of operator, engine, "):
        commands.with_parents(["engin"], catalogue.catalogue())


# Settings of pip


def test_settings_are_read_from_what_pip_lists_and_the_environment_wins() -> None:
    listing = """:env:.find-links='/wheels'
:env:.disable-pip-version-check='1'
global.index-url='https://mirror.example/simple'
global.find-links='/other'
install.user='true'
"""
    expected = {"find-links": "/wheels", "index-url": "https://mirror.example/simple"}
    assert settings.parse(listing) == expected


def test_settings_are_read_from_the_environment_where_there_is_no_pip() -> None:
    environ = {"PIP_INDEX_URL": "https://mirror.example", "PIP_FIND_LINKS": "", "PIP_OTHER": "x", "HOME": "/h"}
    assert settings.of_environment(environ) == {"index-url": "https://mirror.example"}


def test_only_declared_arguments_are_passed() -> None:
    declared = catalogue.declared_arguments(DOCKERFILE)
    assert declared == {"BASE", "PIP_CERT"}
    found = settings.build_arguments({"cert": "/ca.crt", "index-url": "https://mirror.example"}, declared)
    assert found == {"PIP_CERT": "/ca.crt"}


def test_settings_survive_a_configuration_file_with_percent_signs() -> None:
    text = settings.configuration_file({"index-url": "https://user:a%20b@mirror.example/simple"})
    assert text == "[global]\nindex-url = https://user:a%20b@mirror.example/simple\n\n"


# The check of finished images


def tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def docker_archive(path: Path, *layers: dict[str, bytes], user: str = "8888", **config: object) -> Path:
    """Write a docker archive with layers of files."""
    configuration = {"config": {"User": user, **config}, "history": config.get("history", [])}
    names = [f"{number}.tar" for number in range(len(layers))]
    files = {name: tar(layer) for name, layer in zip(names, layers, strict=True)}
    manifest = [{"Config": "config.json", "RepoTags": ["x:1"], "Layers": names}]
    files |= {"config.json": json.dumps(configuration).encode(), "manifest.json": json.dumps(manifest).encode()}
    path.write_bytes(tar(files))
    return path


BUNDLE = {"etc/ssl/certs/ca-certificates.crt": b"certificates"}


def test_fine_image_has_no_findings(tmp_path: Path) -> None:
    archive = docker_archive(tmp_path / "a", BUNDLE, {"app/main.py": b"1", "etc/pip.conf": b""}, Env=["PATH=/bin"])
    assert check.findings(archive, ["mirror.example", ""]) == []


@pytest.mark.parametrize(
    ("layers", "config", "finding"),
    [
        pytest.param([{}], {"user": "root"}, "USER root: the user must be a number other than 0", id="root"),
        pytest.param([{}], {"user": "0:0"}, "USER 0: the user must be a number other than 0", id="0"),
        pytest.param([{}], {"user": ""}, "USER (none): the user must be a number other than 0", id="no user"),
        pytest.param(
            [{}],
            {"Env": ["PIP_INDEX_URL=https://other"]},
            "ENV PIP_INDEX_URL=https://other: a setting of the machine that built it",
            id="variable",
        ),
        pytest.param(
            [{}],
            {"history": [{"created_by": "|1 PIP_INDEX_URL=https://mirror.example /bin/sh"}]},
            "its configuration or history holds mirror.example",
            id="history",
        ),
        pytest.param(
            [{"./etc/pip.conf": b"[global]"}],
            {},
            "/etc/pip.conf: a file of the machine that built it, or of a package cache",
            id="pip.conf",
        ),
        pytest.param(
            [{"root/.cache/pip/http/a": b"1"}],
            {},
            "/root/.cache/pip/http/a: a file of the machine that built it, or of a package cache",
            id="package cache",
        ),
        pytest.param([{"opt/a": b"x https://mirror.example y"}], {}, "/opt/a holds mirror.example", id="text"),
        pytest.param(
            [BUNDLE, BUNDLE],
            {},
            "/etc/ssl/certs/ca-certificates.crt was replaced after the base image: it may be this machine's",
            id="certificates",
        ),
    ],
)
def test_what_may_not_be_inside_is_found(
    tmp_path: Path, layers: list[dict[str, bytes]], config: dict[str, object], finding: str
) -> None:
    archive = docker_archive(tmp_path / "a", *layers, **config)  # type: ignore[arg-type]
    assert finding in check.findings(archive, ["mirror.example"])


# Building


@pytest.fixture
def buildah(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A buildah that reaches no registry, has no image until it builds one, and writes down how it was called."""
    calls, made = tmp_path / "calls", tmp_path / "made"
    (tmp_path / "result.tar").write_bytes(docker_archive(tmp_path / "a", {}).read_bytes())
    program = tmp_path / "bin" / "buildah"
    program.parent.mkdir()
    program.write_text(
        f"""#!/bin/sh
shift 4
echo "$@" >> {calls}
case "$1" in
pull) case "$2" in docker-archive:*) exit 0 ;; *) exit 1 ;; esac ;;
inspect) test -e {made} ;;
build) touch {made} ;;
push) file=${{3#docker-archive:}}; cp {tmp_path}/result.tar "${{file%%:*}}" ;;
esac
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SELDON_CORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(builder, "docker_answers", lambda: False)
    base = tmp_path / "base"
    base.mkdir()
    monkeypatch.setattr(base_image, "context", lambda: base)
    return calls


def built(calls: Path) -> list[str]:
    """Return the tags of the builds, and forget the calls."""
    lines = calls.read_text().splitlines()
    calls.unlink()
    return [line.split("--tag ")[1].split()[0].rpartition("/")[2] for line in lines if line.startswith("build ")]


def test_images_are_built_once_and_again_when_their_parent_changes(
    buildah: Path, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = Image("parent", "docker.io/seldonio/parent:1", "model", image.context)
    child = Image("child", "docker.io/seldonio/child:1", "model", image.context, "parent")
    monkeypatch.setattr(commands, "catalogue", lambda: {"parent": parent, "child": child})
    first = commands.build(["child"])
    assert list(first) == ["child"]
    assert built(buildah) == ["python:3.11-slim-bookworm", "parent:1", "child:1"]
    assert commands.build([])["child"] == first["child"]
    assert built(buildah) == []
    first["child"].unlink()
    commands.build(["child"])
    assert "pull docker-archive:" in buildah.read_text()
    assert built(buildah) == ["child:1"]
    (image.context / "requirements.txt").write_text("scipy")
    assert commands.build([])["child"] != first["child"]
    assert built(buildah) == ["parent:1", "child:1"]
    assert len(list(first["child"].parent.glob("child-*.tar"))) == 1


def test_image_that_may_not_be_shipped_is_not_kept(
    buildah: Path, image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker_archive(tmp_path / "result.tar", {}, user="root")
    monkeypatch.setattr(commands, "catalogue", lambda: {"model": image})
    with pytest.raises(Failure, match=r"(?s)model:1 must not be shipped; change .*Dockerfile:\n.*USER root"):
        commands.build([])
    assert list((tmp_path / "cache" / "images").glob("model-*")) == []


def test_loading_needs_a_cluster_before_anything_is_built(
    buildah: Path, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "catalogue", lambda: {"model": image})
    with pytest.raises(Failure, match=r"the local cluster is not up; run `python3 -m hack\.cluster up`"):
        commands.load(["model"])
    assert not buildah.exists()
