"""docs/engine.md says what is there: flags and variables, paths, metrics, and a command that runs."""

import asyncio
import contextlib
import re
import shlex
import sys
from inspect import signature
from pathlib import Path

from seldon_core.engine.compression import GZIP_FROM
from seldon_core.engine.config import (
    DEFAULT_BUFFERED_BYTES,
    DEFAULT_TIMEOUT_MILLISECONDS,
    REST_BODY,
    REST_TIMEOUT,
)
from seldon_core.engine.flags import FLAGS, parse_flags
from seldon_core.engine.metrics import CLIENT, CLIENT_LABELS, SERVER, SERVER_LABELS
from seldon_core.transport.http_client import CONNECT_SECONDS, Pool
from seldon_core.transport.limits import UNCOUNTED_BODY, Limits
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


def test_the_limits_are_those() -> None:
    limits = Limits()
    rows = PAGE.partition("## Limits")[2].partition("## Metrics")[0]
    timeout, in_flight = DEFAULT_TIMEOUT_MILLISECONDS / 1000, signature(Pool).parameters["max_in_flight"].default
    for shown in (
        f"{limits.body_bytes >> 20} MiB ({limits.body_bytes} bytes)",
        f"{limits.head_bytes >> 10} KiB, {limits.headers} headers",
        f"up to {UNCOUNTED_BODY >> 10} KiB",
        f"{DEFAULT_BUFFERED_BYTES >> 20} MiB where it has none",
        f"| {in_flight:,} |",
        *(f"| {seconds:g} s" for seconds in (timeout, CONNECT_SECONDS, limits.head_seconds, limits.body_seconds)),
        f"| {limits.idle_seconds:g} s, as announced",
        f"annotation `{REST_BODY}`, in bytes",
        f"annotation `{REST_TIMEOUT}`, in milliseconds",
    ):
        assert shown in rows, shown
    assert f"from {GZIP_FROM >> 10} KiB on" in PAGE


async def test_the_paths_about_the_graph_are_served(run_engine) -> None:
    for protocol in ("seldon", "v2", "tensorflow"):
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{protocol}`")]
        found = [re.sub(r"\[.*?\]|\{.*?\}", lambda part: "m" if part[0][0] == "{" else "", path)
                 for path in re.findall(r"`(/[^`]+[^.`])`", row)]  # fmt: skip
        assert len(found) > 2
        async with run_engine(node("m", 1), f"--protocol={protocol}") as engine:
            for path in found:
                assert b"there is nothing at" not in (await ask(engine, get(path))).body, path
