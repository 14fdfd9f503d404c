"""Drives load through a proxy with wrk, and measures what the proxy spends on it."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.engine.programs import Proxy

PATH = "/api/v1.0/predictions"
REQUEST_BODY = '{"data":{"names":["a","b"],"ndarray":[[1.0,2.0]]}}'
SCRIPT = f"""
wrk.method = "POST"
wrk.body = '{REQUEST_BODY}'
wrk.headers["Content-Type"] = "application/json"
"""
HEADERS = 20
# What wrk is told, in Lua, by the name of the load.
_POST = 'wrk.method = "POST"; wrk.headers["Content-Type"] = "application/json"\n'
_NUMBERS = 'string.rep("1.25,", 200000) .. "0.5"'
SCRIPTS = {
    "small": SCRIPT,
    f"{HEADERS} headers": SCRIPT
    + f'for i = 1, {HEADERS} do wrk.headers["X-Header-" .. i] = "the value of header number " .. i end\n',
    # As behind a gateway that gives each request an id: no two heads are the same.
    "own id each": SCRIPT
    + 'local n = 0\nfunction request() n = n + 1; wrk.headers["X-Request-Id"] = "id-" .. n; return wrk.format() end\n',
    "1 MB ndarray": f"""{_POST}wrk.body = '{{"data":{{"ndarray":[[' .. {_NUMBERS} .. ']]}}}}'\n""",
    "1 MB tensor": f"""{_POST}local numbers = {_NUMBERS}
wrk.body = '{{"data":{{"tensor":{{"shape":[200001],"values":[' .. numbers .. ']}}}}}}'\n""",
}
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True, slots=True)
class Run:
    """What came out of one run.

    Attributes:
        requests: answered.
        seconds: that it took.
        cpu_microseconds: user and system time of the proxy, per request.
        p99_seconds: time within which 99 of 100 requests were answered.
        errors: what went wrong, in wrk's words; empty when nothing did.
    """

    requests: int
    seconds: float
    cpu_microseconds: float
    p99_seconds: float
    errors: str


def drive(
    wrk: str, directory: Path, proxy: Proxy, connections: int, seconds: float, path: str = PATH, script: str = SCRIPT
) -> Run:
    """Send as much as the connections allow, for as many whole seconds as are asked for."""
    lua = directory / "post.lua"
    lua.write_text(script)
    url = f"http://127.0.0.1:{proxy.port}{path}"
    duration = f"-d{max(1, round(seconds))}s"
    command = [wrk, "-t1", f"-c{connections}", duration, "--latency", "-s", str(lua), url]
    before = proxy.cpu_seconds()
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    spent = proxy.cpu_seconds() - before
    done = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m)", output)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", output)
    if done is None or p99 is None or done[1] == "0":
        return Run(1, 1.0, 0.0, 0.0, f"wrk reports no answers:\n{output}")
    errors = re.findall(r"(?:Socket errors|Non-2xx or 3xx responses): .*", output)
    requests = int(done[1])
    return Run(
        requests,
        float(done[2]) * UNITS[done[3]],
        spent / requests * 1e6,
        float(p99[1]) * UNITS[p99[2]],
        "; ".join(errors),
    )
