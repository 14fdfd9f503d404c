"""Controllers as processes, and what they say."""

import asyncio
import re
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from seldon_core.kube.client import Client
from seldon_core.kube.resources import LEASES
from tests.integration.world import eventually

Start = Callable[..., Any]


class Process:
    """A controller and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said = ""
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.said += line.decode()

    async def says(self, pattern: str) -> re.Match[str]:
        found: re.Match[str] = await eventually(f"{pattern!r} in the log", lambda: re.search(pattern, self.said))
        return found

    async def url(self) -> str:
        port = (await self.says(r"probes and metrics are served on port (\d+)")).group(1)
        return f"http://127.0.0.1:{port}"

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.returncode is None:
            self.process.send_signal(number)
        code = await self.process.wait()
        await self._reading
        return code


def fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


async def scrape(process: Process) -> dict[str, float]:
    """Return the metrics of a controller, by name and, where there are any, labels."""
    _, text = await asyncio.to_thread(fetch, f"{await process.url()}/metrics")
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def holder(kubeconfig: Path, namespace: str) -> str:
    """Return who holds the Lease of a namespace."""
    async with Client(str(kubeconfig)) as client:
        lease = await client.get(LEASES, "elected", namespace)
        return str(lease["spec"]["holderIdentity"])
