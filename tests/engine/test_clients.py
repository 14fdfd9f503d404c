"""The engine as a process, and the clients that people use: none of them was written here."""

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import numpy as np
import pytest

from hack.tools import find
from tests.engine.conftest import node
from tests.engine.graphs import PREDICTIONS, Behaviour, component
from tests.engine.test_acceptance import echo
from tests.engine.test_process import Engine, running
from tests.http_peers import http_answer

MESSAGE = {"data": {"ndarray": [[1.0, 2.0]]}}
LARGE = {"data": {"ndarray": [[0.5] * 200_000]}}  # a megabyte, so that clients ask before they send


@contextlib.asynccontextmanager
async def serving(behaviour: Behaviour, *flags: str, chain: bool = False) -> AsyncIterator[Engine]:
    """An engine in front of one component, or of two that do the same."""
    async with component(behaviour).running() as peer:
        below = [node("second", peer.port)] if chain else []
        async with running(node("m", peer.port, "MODEL", *below), *flags) as engine:
            yield engine


async def run(*command: str, stdin: str = "") -> str:
    """What a program prints, run beside the component, which needs the event loop."""
    done = await asyncio.to_thread(
        subprocess.run, command, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("chain", [False, True], ids=["one node", "two nodes"])
@pytest.mark.parametrize("message", [MESSAGE, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    "options",
    [[], ["--http1.0"], ["--compressed"], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]],
    ids=["plain", "HTTP/1.0", "compressed", "chunked", "expects 100"],
)
async def test_curl(options: list[str], message: Any, chain: bool) -> None:
    async with serving(echo, chain=chain) as engine:
        url = f"http://127.0.0.1:{engine.port}{PREDICTIONS}"
        json_type = ("-H", "Content-Type: application/json")
        answer = await run(
            "curl", "-sS", "--fail", *options, *json_type, "--data-binary", "@-", url, stdin=json.dumps(message)
        )
    assert json.loads(answer)["data"] == message["data"]


async def test_curl_offers_http_2_and_is_served_http_1() -> None:
    async with serving(echo) as engine:
        url = f"http://127.0.0.1:{engine.port}{PREDICTIONS}"
        answer = await run("curl", "-sS", "--http2", "--fail", "--data", "{}", "--write-out", " %{http_version}", url)
    assert answer == "{} 1.1"


async def test_hey() -> None:
    async with serving(echo) as engine:
        url = f"http://127.0.0.1:{engine.port}{PREDICTIONS}"
        answer = await run(
            find("hey"), "-n", "400", "-c", "20", "-m", "POST", "-T", "application/json", "-d", json.dumps(MESSAGE), url
        )
        assert "[200]\t400 responses" in answer
        assert "Error distribution" not in answer
        async with httpx.AsyncClient() as client:
            metrics = (await client.get(f"http://127.0.0.1:{engine.port}/metrics")).text
    (counted,) = [line for line in metrics.splitlines() if "server_requests_seconds_count{" in line]
    assert counted.endswith(" 400.0")


async def test_aiohttp() -> None:
    async with serving(echo, chain=True) as engine, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{engine.port}{PREDICTIONS}"

        async def ask(index: int) -> None:
            message = {"strData": str(index)}
            async with session.post(url, json=message, headers={"Seldon-Puid": f"p{index}"}) as response:
                assert response.status == 200
                answer = await response.json()
                assert (answer["strData"], answer["meta"]["puid"]) == (str(index), f"p{index}")

        await asyncio.gather(*map(ask, range(100)))

        async def pieces() -> AsyncIterator[bytes]:
            yield b'{"strData":'
            yield b'"x"}'

        async with session.post(url, data=pieces(), headers={"Content-Type": "application/json"}) as response:
            assert (await response.json())["strData"] == "x"


async def test_httpx() -> None:
    async with serving(echo, chain=True) as engine, httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{engine.port}{PREDICTIONS}"
        answers = await asyncio.gather(*(client.post(url, json=MESSAGE) for _ in range(50)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["meta"]["puid"] for answer in answers}) == 50
        page = await client.get(f"http://127.0.0.1:{engine.port}/nowhere")
        assert (page.status_code, page.json()["status"]["status"]) == (404, "FAILURE")


def doubles(path: str, body: bytes) -> bytes:
    """A model that speaks V2 as Triton does: sends back its input twice as large, in raw bytes."""
    from seldon_core.protocols import v2

    if path.endswith("/infer"):
        at = body.rfind(b"}") + 1
        request = v2.parse_request(body, at if at < len(body) else None)
        (tensor,) = request.inputs
        array = 2 * np.array(tensor.values(), dtype=np.float32)
        output = v2.Tensor("y", "FP32", tensor.shape, memoryview(array.tobytes()))
        text, length = v2.encode_response(v2.InferResponse("m", (output,), id=request.id))
        described = [f"inference-header-content-length: {length}", "content-type: application/octet-stream"]
        return http_answer(text, "200 OK", *described)
    said = {"name": "m", "versions": ["1"], "platform": "test", "inputs": [], "outputs": []}
    return http_answer(b"" if path.endswith("/ready") else json.dumps(said).encode(), "200 OK")


@pytest.mark.parametrize("binary", [True, False], ids=["tensors as bytes", "tensors as JSON"])
@pytest.mark.parametrize("chain", [False, True], ids=["one node", "two nodes"])
async def test_tritonclient(binary: bool, chain: bool) -> None:
    def talk(port: int) -> None:
        from tritonclient import http as triton

        with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
            assert client.is_server_live()
            assert client.is_server_ready()
            if not chain:
                assert client.is_model_ready("m")
                assert client.get_model_metadata("m")["platform"] == "test"
            assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
            array = np.array([[1.5, -2.0]], dtype=np.float32)
            asked = triton.InferInput("x", [1, 2], "FP32")
            asked.set_data_from_numpy(array, binary_data=binary)
            result = client.infer("m", [asked], request_id="7")
            assert result.get_response()["id"] == "7"
            np.testing.assert_array_equal(result.as_numpy("y"), array * (4 if chain else 2))

    async with serving(doubles, "--protocol=v2", chain=chain) as engine:
        await asyncio.to_thread(talk, engine.port)
