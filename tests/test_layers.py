"""The layers of the house, read off the imports: a room may use only what stands below it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Room -> the rooms it may import. Every room may import itself.
ALLOWED: dict[str, set[str]] = {
    "seldon_core.api": set(),
    "seldon_core.proto": set(),
    "seldon_core.protocols": {"seldon_core.proto"},
    "seldon_core.telemetry": set(),
    "seldon_core.transport": set(),
    "seldon_core.plan": {"seldon_core.api"},
    "seldon_core.kube": {"seldon_core.api", "seldon_core.plan"},
    "seldon_core.engine": {
        "seldon_core.api",
        "seldon_core.protocols",
        "seldon_core.telemetry",
        "seldon_core.transport",
    },
    "seldon_core.microservice": {
        "seldon_core.api",
        "seldon_core.proto",
        "seldon_core.protocols",
        "seldon_core.telemetry",
        "seldon_core.transport",
    },
    "webhook": {"seldon_core.api", "seldon_core.plan", "seldon_core.kube"},
    "controller": {"seldon_core.api", "seldon_core.plan", "seldon_core.kube"},
    "seldon_core.cli": {
        "seldon_core.api",
        "seldon_core.proto",
        "seldon_core.plan",
        "seldon_core.kube",
        "seldon_core.protocols",
        "seldon_core.telemetry",
        "seldon_core.transport",
        "seldon_core.engine",
        "seldon_core.microservice",
    },
}
# The import paths that existing model classes use; each re-exports a name of the microservice.
PUBLIC_MODULES = {
    "seldon_core.user_model",
    "seldon_core.metrics",
    "seldon_core.utils",
    "seldon_core.flask_utils",
    "seldon_core.storage",
}
PURE = ("seldon_core.api", "seldon_core.plan", "seldon_core.proto", "seldon_core.protocols")
IO_LIBRARIES = {"aiohttp", "asyncio", "http", "httptools", "httpx", "kubernetes", "requests", "socket", "ssl",
                "subprocess", "threading", "urllib.request", "uvloop"}  # fmt: skip


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> set[str]:
    """Absolute names of everything that the module at `path` imports, at any level of it."""
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join([*parents[: len(parents) - node.level + 1], *filter(None, [node.module])])
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return names


def room_of(name: str) -> str | None:
    return next((room for room in ALLOWED if name == room or name.startswith(room + ".")), None)


def modules_of(room: str) -> list[Path]:
    return sorted((ROOT / room.replace(".", "/")).rglob("*.py"))


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_what_stands_below_it(room: str) -> None:
    offences = [
        f"{module_name(path)} imports {name}"
        for path in modules_of(room)
        for name in imported(path)
        if (other := room_of(name)) not in (None, room) and other not in ALLOWED[room]
    ]
    assert modules_of(room), f"{room} is empty"
    assert not offences


@pytest.mark.parametrize("room", PURE)
def test_a_pure_room_imports_no_io(room: str) -> None:
    offences = [
        f"{module_name(path)} imports {name}"
        for path in modules_of(room)
        for name in imported(path)
        if any(name == library or name.startswith(library + ".") for library in IO_LIBRARIES)
    ]
    assert not offences


def test_every_module_of_the_library_lives_in_a_room() -> None:
    strays = [
        module_name(path)
        for path in (ROOT / "seldon_core").rglob("*.py")
        if room_of(module_name(path)) is None
        and module_name(path) not in PUBLIC_MODULES | {"seldon_core"}
        and not path.name.startswith("_version")
    ]
    assert not strays


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_says_what_lives_in_it(room: str) -> None:
    init = ROOT / room.replace(".", "/") / "__init__.py"
    assert ast.get_docstring(ast.parse(init.read_text())), f"{init} has no docstring"


def test_the_import_reader_sees_relative_imports(tmp_path: Path) -> None:
    """The check itself can fail: a relative import that climbs out of its room is resolved."""
    sample = ROOT / "seldon_core" / "api" / "types.py"
    source = "from ..plan import objects\nfrom . import names\nimport seldon_core.kube.client\n"
    package = module_name(sample).rpartition(".")[0]
    tree = ast.parse(source)
    resolved = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            resolved.add(".".join([*parents[: len(parents) - node.level + 1], *filter(None, [node.module])]))
    assert resolved == {"seldon_core.plan", "seldon_core.api"}
