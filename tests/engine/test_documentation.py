"""docs/engine.md says what is there: flags and variables, paths, metrics, and a command that runs."""

import asyncio
import contextlib
import re
import shlex
import sys
from pathlib import Path

from seldon_core.engine.flags import FLAGS, parse_flags
from seldon_core.engine.metrics import CLIENT, CLIENT_LABELS, SERVER, SERVER_LABELS
from tests.engine.conftest import node
from tests.engine.graphs import ask, get

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "engine.md").read_text()


async def test_the_command_serves() -> None:
    (command,) = re.findall(r"```bash\n(seldon-core engine .*)\n```", PAGE)
    script = Path(sys.executable).parent / "seldon-core"
    words = [*shlex.split(command)[1:], "--http_port=0", "--metrics_port=0"]
    process = await asyncio.create_subprocess_exec(script, *words, cwd=ROOT, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            assert b"serving on port" in await process.stderr.readline()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def test_every_variable_is_one() -> None:
    named = set(re.findall(r"`((?:SELDON|CORS)_[A-Z_]+)`", PAGE))
    read: set[str] = set()

    class Environment(dict[str, str]):
        def get(self, key: str, default: str = "") -> str:  # type: ignore[override]
            read.add(key)
            return default

    parse_flags(["--sdep=s", "--namespace=n", "--predictor=p"], Environment())
    assert named <= read | {flag.variable for flag in FLAGS.values()}


def test_the_metrics_are_those() -> None:
    for name in (SERVER, CLIENT, *SERVER_LABELS, *CLIENT_LABELS):
        assert f"`{name}`" in PAGE


async def test_the_paths_about_the_graph_are_served(run_engine) -> None:
    for protocol in ("seldon", "v2", "tensorflow"):
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{protocol}`")]
        found = [re.sub(r"\[.*?\]|\{.*?\}", lambda part: "m" if part[0][0] == "{" else "", path)
                 for path in re.findall(r"`(/[^`]+[^.`])`", row)]  # fmt: skip
        assert len(found) > 2
        async with run_engine(node("m", 1), f"--protocol={protocol}") as engine:
            for path in found:
                assert b"there is nothing at" not in (await ask(engine, get(path))).body, path
