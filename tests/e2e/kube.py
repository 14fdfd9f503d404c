"""What a person does at a shell: kubectl, helm, port-forward, and waiting for something to be so."""

import contextlib
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import seldon_core
from hack.forward import forward

ROOT = Path(__file__).resolve().parent.parent.parent
SAFETY_LIMIT = 180.0  # seconds; a test that needs this long has failed


T = TypeVar("T")


def wait_for(what: str, probe: Callable[[], T], timeout: float = SAFETY_LIMIT) -> T:
    """The first truthy answer of `probe`, asked again until it comes.

    Raises:
        AssertionError: it did not come before the safety limit; the last answer or error is named.
    """
    deadline = time.monotonic() + timeout
    last: object = None
    while time.monotonic() < deadline:
        try:
            if answer := probe():
                return answer
            last = answer
        except (AssertionError, subprocess.CalledProcessError, OSError) as error:
            last = error
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {timeout:.0f} s; last seen: {last}")


@dataclass(frozen=True)
class Shell:
    """A user's shell with kubectl and helm on the path and KUBECONFIG set."""

    environment: dict[str, str]
    namespace: str

    def run(self, *command: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, input=stdin, env=self.environment, cwd=ROOT, text=True, capture_output=True, check=False,
            timeout=2 * SAFETY_LIMIT,
        )  # fmt: skip

    def check(self, *command: str, stdin: str | None = None) -> str:
        done = self.run(*command, stdin=stdin)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints, in the namespace of the test."""
        return self.check("kubectl", "--namespace", self.namespace, *arguments, stdin=stdin)

    def get(self, *arguments: str) -> Any:
        return json.loads(self.kubectl("get", *arguments, "--output", "json"))

    def apply(self, manifest: Path) -> str:
        return self.kubectl("apply", "--filename", str(manifest))

    def pod_uids(self) -> set[str]:
        return {pod["metadata"]["uid"] for pod in self.get("pods")["items"]}

    def wait_available(self, name: str) -> dict[str, Any]:
        """The SeldonDeployment once its state is Available for its current generation."""

        def available() -> dict[str, Any] | None:
            found: dict[str, Any] = self.get("seldondeployment", name)
            status = found.get("status", {})
            current = status.get("observedGeneration") == found["metadata"]["generation"]
            return found if current and status.get("state") == "Available" else None

        return wait_for(f"{name} Available", available)

    def forward(self, target: str, port: int) -> contextlib.AbstractContextManager[str]:
        """A URL on this machine that reaches `port` of `target`, such as `service/seldon-model-example`."""
        return forward(self.environment, self.namespace, target, port)


@dataclass
class Traffic:
    """What a client inside the cluster saw: predictions one after the other, and those of them that failed."""

    sent: int
    failures: list[str]


# Runs in a pod: waits until the Service leads somewhere (a node learns of a new one a moment after it is ready), then
# asks, each message of several again and again beside the others, until told to stop, and prints what it saw. One
# connection per request, so that every one is balanced anew. Of several addresses the first that answers counts.
CLIENT = """
import json, os, pathlib, socket, threading, time, urllib.error, urllib.parse, urllib.request
urls, bodies = json.loads(os.environ["URLS"]), json.loads(os.environ["BODIES"])
sent, failures = [0] * len(bodies), []
stop = pathlib.Path("/tmp/stop")
def open_somewhere():
    for url in map(urllib.parse.urlsplit, urls):
        try:
            socket.create_connection((url.hostname, url.port), timeout=2).close()
            return True
        except OSError:
            pass
def ask(body):
    seen = []
    for url in urls:
        try:
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
            urllib.request.urlopen(request, timeout=30 if len(urls) == 1 else 3).read()
            return
        except urllib.error.HTTPError as error:
            seen.append(f"{error.code} {error.read().decode()}")
        except OSError as error:
            seen.append(repr(error))
    failures.append(f"{time.strftime('%X')} " + " and ".join(seen))
def keep_asking(index):
    body = json.dumps(bodies[index]).encode()
    while not stop.exists():
        sent[index] += 1
        ask(body)
        if index == 0 and sent[0] == 10:
            print("ready", flush=True)
while not open_somewhere():
    time.sleep(0.1)
threads = [threading.Thread(target=keep_asking, args=(index,)) for index in range(len(bodies))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"sent": sum(sent), "failures": failures}), flush=True)
"""


@contextlib.contextmanager
def steady_traffic(
    shell: Shell, url: str, message: Any, image: str, *, beside: Sequence[Any] = (), elsewhere: Sequence[str] = ()
) -> Iterator[Traffic]:
    """Predictions from inside the cluster while the block runs; the result is filled in at its end.

    Args:
        shell: the namespace in which the client runs.
        url: where predictions are made.
        message: what is asked, one after the other.
        image: an image with Python.
        beside: further messages, each asked at the same time as the others.
        elsewhere: where a request may be answered as well.
    """
    urls, bodies = [url, *elsewhere], [message, *beside]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "client"},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 8888,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "client",
                    "image": image,
                    "command": ["python3", "-c", CLIENT],
                    "env": [
                        {"name": "URLS", "value": json.dumps(urls)},
                        {"name": "BODIES", "value": json.dumps(bodies)},
                    ],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }
    shell.kubectl("apply", "--filename", "-", stdin=json.dumps(pod))
    wait_for("the client's first answers", lambda: "ready" in shell.kubectl("logs", "client"))
    traffic = Traffic(0, [])
    try:
        yield traffic
    finally:
        # The client may end before this command does, which then ends with it: its report is what counts.
        stop = ["kubectl", "--namespace", shell.namespace, "exec", "client", "--"]
        shell.run(*stop, "python3", "-c", "open('/tmp/stop', 'w')")
        seen = wait_for("the client's report", lambda: shell.kubectl("logs", "client").strip().splitlines()[1:])
        report = json.loads(seen[0])
        traffic.sent, traffic.failures = report["sent"], report["failures"]
        shell.kubectl("delete", "pod", "client")


def post(url: str, message: Any, timeout: float = 30, **headers: str) -> tuple[int, Any]:
    """Status and decoded JSON body of a POST; the body of an error is returned as text, not raised."""
    sent = {"Content-Type": "application/json", **headers}
    request = urllib.request.Request(url, json.dumps(message).encode(), sent)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def get_text(url: str) -> str:
    """The body of what answers at a URL."""
    with urllib.request.urlopen(url, timeout=30) as response:
        body: bytes = response.read()
    return body.decode()


def engine_image() -> str:
    return f"docker.io/seldonio/seldon-core-engine:{seldon_core.__version__}"
