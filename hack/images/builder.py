"""The programs that build images: Docker where its engine answers, else buildah or podman, which need none."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from hack import hidden
from hack.cache import cache_dir
from hack.cluster.kind import docker_answers
from hack.console import capture, run_step, say
from hack.images import base, settings
from hack.images.catalogue import BASE_IMAGE, Image, declared_arguments, project_version, read_dockerfile
from hack.tools import debian

_PULL_TIMEOUT = 60
_FIXED = tuple(map(Path, ("/etc/cni", "/run/containers", "/var/lib/containers")))


class Builder(Protocol):
    """What is asked of a program that builds images."""

    def prepare(self) -> str:
        """Have the base image at hand, and return a key of it."""

    def restore(self, archive: Path) -> None:
        """Have the image of an archive at hand, for another to start from it."""

    def build(self, image: Image, archive: Path) -> None:
        """Build an image and write it to a docker archive."""


def choose() -> Builder:
    """Return the builder of this machine.

    Raises:
        Failure: there is none, and none can be installed from here.
    """
    if docker_answers():
        return DockerBuilder()
    program = next((name for name in ("buildah", "podman") if debian.on_path(name)), None)
    if program is None:
        program = "buildah"
        debian.ensure([program])
    return DaemonlessBuilder(program)


def _log(image: Image) -> Path:
    return cache_dir() / "logs" / f"image-{image.name}.log"


def _argument_flags(image: Image, pip: Mapping[str, str]) -> list[str]:
    declared = declared_arguments(read_dockerfile(image))
    arguments = settings.build_arguments(pip, declared)
    if "VERSION" in declared:
        arguments["VERSION"] = project_version()
    return [flag for name, value in arguments.items() for flag in ("--build-arg", f"{name}={value}")]


class DockerBuilder:
    """Builds with the Docker engine, which pulls the base image itself."""

    def prepare(self) -> str:
        """Return a key of the base image: its name, for the engine sees to the rest."""
        return BASE_IMAGE

    def restore(self, archive: Path) -> None:
        """Load an archive into the engine."""
        capture(["docker", "load", "--input", archive])

    def build(self, image: Image, archive: Path) -> None:
        """Build an image and save it to an archive.

        Raises:
            Failure: the build fails; with the end of its output.
        """
        pip = {name: value for name, value in settings.pip_settings().items() if name not in {"cert", "find-links"}}
        command = ["docker", "build", "--tag", image.tag, "--file", str(image.dockerfile), *_argument_flags(image, pip)]
        environment = {"DOCKER_BUILDKIT": "1"}
        run_step(f"building {image.tag}", [*command, str(image.context)], log=_log(image), env=environment)
        capture(["docker", "save", "--output", archive, image.tag])


class DaemonlessBuilder:
    """Builds with buildah or podman, which take the same flags here, in a store of our own.

    Arguments:
        program: "buildah" or "podman".
    """

    def __init__(self, program: str) -> None:
        store = cache_dir() / "images" / "store"
        self._environment = {
            "BUILDAH_ISOLATION": "chroot",
            "STORAGE_DRIVER": "overlay" if os.geteuid() == 0 else "vfs",
            "TMPDIR": str(cache_dir() / "images" / "tmp"),
        }
        self._command = [program, "--root", str(store / "root"), "--runroot", str(store / "run")]
        for folder in (store, cache_dir() / "images" / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)

    def prepare(self) -> str:
        """Have the base image in the store: the registry's where it can be reached, else one of Debian packages."""
        marker = cache_dir() / "images" / "store" / f"base-{base.key()}"
        if marker.exists() and self._succeeds("inspect", "--type", "image", BASE_IMAGE):
            return marker.read_text()
        say(f"pulling {BASE_IMAGE}")
        if self._succeeds("pull", "--quiet", BASE_IMAGE):
            key = BASE_IMAGE
        else:
            say(f"{BASE_IMAGE} cannot be pulled; making one like it")
            context = base.context()
            build = ["build", "--tag", BASE_IMAGE, "--file", str(context / "Dockerfile"), str(context)]
            self._step("packing the Python base image", build, cache_dir() / "logs" / "image-base-build.log")
            key = base.key()
        marker.write_text(key)
        return key

    def restore(self, archive: Path) -> None:
        """Load an archive into the store."""
        self._run("pull", f"docker-archive:{archive}")

    def build(self, image: Image, archive: Path) -> None:
        """Build an image and push it to an archive.

        Raises:
            Failure: the build fails; with the end of its output.
        """
        pip = settings.pip_settings()
        with tempfile.TemporaryDirectory(prefix="seldon-image-") as scratch:
            configuration = Path(scratch) / "pip.conf"
            configuration.write_text(settings.configuration_file(pip))
            configuration.chmod(0o644)
            mounts = [(configuration, "/etc/pip.conf:ro"), (_pip_cache(), "/root/.cache/pip")]
            read_only = [settings.CERTIFICATES, *settings.local_folders(pip)]
            mounts += [(folder, f"{folder}:ro") for folder in read_only if folder.is_dir()]
            flags = ["--pull=never", "--layers", "--tag", image.tag, "--file", str(image.dockerfile)]
            flags += [f"--volume={source}:{target}" for source, target in mounts]
            command = ["build", *flags, *_argument_flags(image, pip), str(image.context)]
            self._step(f"building {image.tag}", command, _log(image))
        archive.unlink(missing_ok=True)
        self._run("push", image.tag, f"docker-archive:{archive}:{image.tag}")

    def _step(self, title: str, arguments: Sequence[str], log: Path) -> None:
        with self._fixed_folders_hidden() as prefix:
            run_step(title, [*prefix, *self._command, *arguments], log=log, env=self._environment)

    def _run(self, *arguments: str) -> None:
        with self._fixed_folders_hidden() as prefix:
            capture([*prefix, *self._command, *arguments], env={**os.environ, **self._environment})

    def _succeeds(self, *arguments: str) -> bool:
        environment = {**os.environ, **self._environment}
        with self._fixed_folders_hidden() as prefix:
            command = [*prefix, *self._command, *arguments]
            try:
                done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=_PULL_TIMEOUT)
            except subprocess.TimeoutExpired:
                return False
        return done.returncode == 0

    @contextmanager
    def _fixed_folders_hidden(self) -> Iterator[list[str]]:
        """What to put before a command so that caches and mounts outside of our store are not the machine's."""
        if os.geteuid() != 0:
            yield []
            return
        ours = cache_dir() / "images" / "fixed"
        with hidden.prefix({folder: ours / folder.parent.name / folder.name for folder in _FIXED}) as prefix:
            yield prefix


def _pip_cache() -> Path:
    folder = cache_dir() / "images" / "pip"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
