"""Finding a tool, or making it in the cache: the only part of this room that runs programs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from hack.cache import cache_dir, content_key, locked
from hack.console import Failure, run_step, say
from hack.tools import debian, versions
from hack.tools.catalogue import TOOLS, DebianProgram, GoProgram, LinkTo, OnPath, Tool

_GO_FOLDERS = ("/usr/local/go/bin", "/usr/lib/go/bin")
_VERSION_TIMEOUT = 30


def find(name: str) -> Path:
    """Return the path of a tool in a version that fits, making it first if the machine has none.

    Arguments:
        name: a name of the catalogue, such as "helm".

    Raises:
        Failure: there is no such tool, or it cannot be made here; says what to do.
    """
    tool = TOOLS.get(name)
    if tool is None:
        raise Failure(f"{name}: no such tool; one of {', '.join(sorted(TOOLS))}")
    if tool.on_path and (found := _fit_on_path(name, tool.on_path)):
        return found
    match tool.source:
        case GoProgram() as program:
            return _built(name, program)
        case DebianProgram() as program:
            return _extracted(tool, program)
        case LinkTo(tool=target):
            return _linked(name, find(target))


def _fit_on_path(name: str, rule: OnPath) -> Path | None:
    program = debian.on_path(name)
    if program is None:
        return None
    version = _version_of(program, rule.version_arguments)
    return program if version and rule.fits(version) else None


def _version_of(program: Path, arguments: tuple[str, ...]) -> versions.Version | None:
    try:
        done = subprocess.run(
            [program, *arguments], capture_output=True, text=True, check=False, timeout=_VERSION_TIMEOUT
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return versions.parse(done.stdout) if done.returncode == 0 else None


def cache_path(name: str, program: GoProgram) -> Path:
    """Return where a built program lives: named after its version and everything of ours that went into it."""
    key = content_key(program.sources(), program.package, program.ldflags, *program.tags)
    return cache_dir() / "bin" / f"{name}-{program.version}-{key}" / name


def _built(name: str, program: GoProgram) -> Path:
    target = cache_path(name, program)
    if target.exists():
        return target
    with locked(name):
        if target.exists():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        # Renamed when complete: a build that was interrupted leaves no half program under the final name.
        partial = target.with_name(f"{name}.partial")
        flags = ["-v", "-trimpath", "-ldflags", program.ldflags, "-tags", ",".join(program.tags), "-o", str(partial)]
        run_step(
            f"building {name} {program.version} (minutes the first time)",
            [go(), "build", *flags, program.package],
            cwd=program.module,
            log=cache_dir() / "logs" / f"build-{name}.log",
            env={"CGO_ENABLED": "0", "GOWORK": "off"},
            remedy="the Go module proxy must be reachable (see `go env GOPROXY`)",
        )
        partial.rename(target)
    return target


def module_folder(module: Path, dependency: str) -> Path:
    """Return the read-only folder of a module that a module of ours requires, downloaded first where it is missing.

    Arguments:
        module: the folder of our module, whose `go.mod` says which version and whose `go.sum` what it contains.
        dependency: the path of the other.

    Raises:
        Failure: it cannot be had, or contains something else; says what to do.
    """
    version = versions.required(module / "go.mod", dependency)
    command = [go(), "mod", "download", "-json", f"{dependency}@{version}"]
    environment = {**os.environ, "GOWORK": "off"}
    with locked("modules"):
        done = subprocess.run(command, cwd=module, env=environment, capture_output=True, text=True, check=False)
    answer = json.loads(done.stdout or "{}")
    if done.returncode != 0 or "Dir" not in answer:
        cause = answer.get("Error") or done.stderr.strip()
        raise Failure(f"{dependency} {version}: {cause}; the Go module proxy must be reachable (see `go env GOPROXY`)")
    if f"{dependency} {version} {answer['Sum']}" not in (module / "go.sum").read_text().splitlines():
        raise Failure(f"{dependency} {version}: its content is not what go.sum says")
    return Path(answer["Dir"])


def go() -> Path:
    """Return the Go command.

    Raises:
        Failure: there is none; says what to install.
    """
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), *_GO_FOLDERS])
    found = shutil.which("go", path=search)
    if not found:
        raise Failure("go: not found on PATH; install Go 1.26 or newer (https://go.dev/dl)")
    return Path(found)


def _extracted(tool: Tool, program: DebianProgram) -> Path:
    root = cache_dir() / "bin" / f"{tool.name}-debian"
    target = root / program.path
    if target.exists():
        return target
    with locked(tool.name):
        if target.exists():
            return target
        partial = root.with_name(f"{root.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        version = debian.extract(program.package, partial)
        _require_fit(tool, partial / program.path, version)
        partial.rename(root)
        say(f"{tool.name}: extracted from the Debian package {program.package} {version}")
    return target


def _require_fit(tool: Tool, program: Path, packaged: str) -> None:
    rule = tool.on_path
    version = _version_of(program, rule.version_arguments) if rule else None
    if rule and not (version and rule.fits(version)):
        raise Failure(f"{tool.name} {packaged} of this distribution does not fit; put {rule.wanted} on PATH")


def _linked(name: str, target: Path) -> Path:
    link = target.parent / name
    with locked(target.name):
        if not link.is_symlink():
            link.symlink_to(target.name)
    return link
