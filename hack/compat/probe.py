"""Run by an environment's own Python: import modules before and after the wrapper's, then serve a model that does.

`python probe.py MODULE...`; it needs nothing but the wheel and those modules.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OURS = ("seldon_core.proto.prediction_pb2", "seldon_core.user_model", "seldon_core.microservice.main")
MODEL = """
import importlib

import numpy as np

MODULES = [importlib.import_module(name) for name in {modules!r}]


class Model:
    def predict(self, X, names, meta=None):
        return X * 2
"""
ROWS, DOUBLED = [[1.5, 2.5]], [[3.0, 5.0]]
START_SECONDS = 120.0


def main(modules: list[str]) -> None:
    """Raise unless everything can be imported in either order, and a model is served."""
    for order in ([*modules, *OURS], [*OURS, *modules]):
        code = f"import importlib\nfor name in {order!r}: importlib.import_module(name)"
        subprocess.run([sys.executable, "-c", code], check=True)
    from seldon_core.proto import prediction_pb2

    message = prediction_pb2.SeldonMessage(strData="text")
    if prediction_pb2.SeldonMessage.FromString(message.SerializeToString()) != message:
        raise AssertionError("a SeldonMessage does not survive serialization")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Model.py").write_text(MODEL.format(modules=modules))
        serve(folder, "tritonclient.http" in modules)


def serve(folder: str, with_client: bool) -> None:
    """Serve the model in the folder and ask it."""
    ports = free_ports(3)
    names = [f"PREDICTIVE_UNIT_{kind}_SERVICE_PORT" for kind in ("HTTP", "METRICS", "GRPC")]
    environment = {**os.environ, **dict(zip(names, map(str, ports), strict=True))}
    server = subprocess.Popen(
        [Path(sys.executable).parent / "seldon-core-microservice", "Model"], cwd=folder, env=environment
    )
    try:
        end = time.monotonic() + START_SECONDS
        while call(ports[0], "GET", "/ready")[0] != 200:
            if server.poll() is not None or time.monotonic() > end:
                raise AssertionError("the model did not become ready")
            time.sleep(0.05)
        status, body = call(ports[0], "POST", "/api/v1.0/predictions", {"data": {"ndarray": ROWS}})
        if status != 200 or json.loads(body)["data"]["ndarray"] != DOUBLED:
            raise AssertionError(f"{status} {body!r}")
        if with_client:
            ask_with_tritonclient(ports[0])
    finally:
        server.terminate()
        server.wait()


def ask_with_tritonclient(port: int) -> None:
    """Ask over the V2 protocol, with binary tensors, as its users do."""
    import numpy as np
    import tritonclient.http as triton

    with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
        given = triton.InferInput("x", [1, 2], "FP64")
        given.set_data_from_numpy(np.array(ROWS))
        answer = client.infer("Model", [given])
        output = answer.get_response()["outputs"][0]["name"]
        if answer.as_numpy(output).tolist() != DOUBLED:
            raise AssertionError(f"tritonclient got {answer.as_numpy(output)}")


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def call(port: int, method: str, path: str, message: object = None) -> tuple[int, bytes]:
    """Return the status and the body of an answer; status 0 while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        body = None if message is None else json.dumps(message)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    except ConnectionRefusedError:
        return 0, b""
    finally:
        connection.close()


if __name__ == "__main__":
    main(sys.argv[1:])
