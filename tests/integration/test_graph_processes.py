"""A real engine in front of real components: processes of the wrapper, one graph, each of the protocols."""

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.microservice.serving import DEADLINE, Process, get, process

SOURCE = """
import traceback

from seldon_core.metrics import create_counter, create_gauge
from seldon_core.user_model import SeldonComponent, SeldonResponse


class Part(SeldonComponent):
    def __init__(self, name):
        self.name, self.feedback, self.direct = name, [], False

    def tags(self):
        return {self.name: True, "last": self.name}

    def metrics(self):
        return [create_counter(self.name + "_calls", 1)]

    def init_metadata(self):
        tensors = [{"name": "x", "datatype": "FP64", "shape": [-1, 2]}]
        return {"name": self.name, "versions": ["1"], "platform": "test", "inputs": tensors, "outputs": tensors}

    def send_feedback(self, features, names, reward, truth, routing=None):
        self.feedback.append([features.tolist(), reward, truth.tolist(), routing])

    def health_status(self):
        return {"feedback": self.feedback, "direct": self.direct}


class Chooses(Part):
    def route(self, X, names):
        return 0 if X[0][0] > 0 else 1


class Scales(Part):
    def transform_input(self, X, names, meta=None):
        return X * 10


class Doubles(Part):
    def transform_input(self, X, names, meta=None):
        raise AssertionError("it works on what comes out")

    def transform_output(self, X, names, meta=None):
        return X * 2


class Adds(Part):
    def __init__(self, name, amount=1):
        super().__init__(name)
        self.amount = amount

    def predict(self, X, names, meta=None):
        self.direct = any(frame.name == "_answer_on" for frame in traceback.extract_stack())
        return SeldonResponse(X + self.amount, {self.name + "_rows": len(X)}, [create_gauge(self.name, len(X))])


class Mean(Part):
    def aggregate(self, features_list, names_list):
        return sum(features_list) / len(features_list)
"""
# Chooses: positive numbers are scaled, 1 is added, and the sum is doubled; of others the mean of +1 and +3 is answered.
PARTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "chooses": ("ROUTER", "Chooses", {}),
    "scales": ("TRANSFORMER", "Scales", {}),
    "doubles": ("OUTPUT_TRANSFORMER", "Doubles", {}),
    "one": ("MODEL", "Adds", {}),
    "mean": ("COMBINER", "Mean", {}),
    "left": ("MODEL", "Adds", {"amount": 1}),
    "right": ("MODEL", "Adds", {"amount": 3}),
}
GRAPH = {"chooses": ["scales", "mean"], "scales": ["doubles"], "doubles": ["one"], "mean": ["left", "right"]}


@contextlib.contextmanager
def components(directory: Path) -> Iterator[dict[str, Process]]:
    """All of them, ready; the ports are those that the system gave them."""
    (directory / "parts.py").write_text(SOURCE)
    with contextlib.ExitStack() as stack:
        started: dict[str, Process] = {}
        for name, (kind, class_name, parameters) in PARTS.items():
            given = [{"name": "name", "value": name, "type": "STRING"}]
            given += [{"name": key, "value": str(value), "type": "INT"} for key, value in parameters.items()]
            started[name] = stack.enter_context(
                process(
                    directory, f"parts.{class_name}", "--service-type", kind,
                    PREDICTIVE_UNIT_ID=name, PREDICTIVE_UNIT_IMAGE=f"parts/{name}:1",
                    PREDICTIVE_UNIT_PARAMETERS=json.dumps(given),
                )
            )  # fmt: skip
        for component in started.values():
            found = component.wait_for_line(r"REST on port (\d+), metrics on port (\d+)(\S*)")
            component.http = f"http://127.0.0.1:{found[1]}"
            component.metrics = f"http://127.0.0.1:{found[2]}{found[3]}"
            component.wait_for_line("is ready")
        yield started


def graph_of(name: str, started: dict[str, Process]) -> dict[str, Any]:
    port = int(started[name].http.rpartition(":")[2])
    return {
        "name": name,
        "type": PARTS[name][0],
        "endpoint": {"type": "REST", "service_host": "127.0.0.1", "service_port": port, "httpPort": port},
        "children": [graph_of(child, started) for child in GRAPH.get(name, [])],
    }


@contextlib.contextmanager
def engine(directory: Path, protocol: str, started: dict[str, Process]) -> Iterator[str]:
    """An engine with the graph in a file; where it is."""
    predictor = {"name": "main", "graph": graph_of("chooses", started)}
    manifest = {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": "parts"},
        "spec": {"protocol": protocol, "predictors": [predictor]},
    }
    path = directory / f"{protocol}.yaml"
    path.write_text(yaml.safe_dump(manifest))
    command = [
        sys.executable, "-c", "import sys; from seldon_core.cli import main; sys.exit(main())", "engine",
        "--file", str(path), "--sdep", "parts", "--namespace", "default", "--predictor", "main",
        "--protocol", protocol, "--http_port=0", "--metrics_port=0", "--graceful_timeout=0",
    ]  # fmt: skip
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    with child.stderr:
        try:
            line = child.stderr.readline()
            found = re.search(r"serving on port (\d+)", line)
            assert found, line + child.stderr.read()
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            child.kill()
            child.wait(DEADLINE)


@dataclass
class Graph:
    """A running graph."""

    protocol: str
    url: str
    components: dict[str, Process]

    def number(self, name: str, metric: str) -> float:
        """What a component shows for a metric of one series; 0 for none."""
        lines = get(self.components[name].metrics)[1].splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(metric + "{"))

    def counted(self) -> dict[str, float]:
        """How often each component has been called."""
        return {name: self.number(name, f"{name}_calls_total") for name in self.components}

    def told(self) -> dict[str, Any]:
        """The feedback that each component has got."""
        found = {}
        for name, component in self.components.items():
            status, body = get(component.http + "/health/status")
            assert status == 200
            if seen := json.loads(body)["jsonData"]["feedback"]:
                found[name] = seen
        return found


@pytest.fixture(scope="module", params=["seldon", "v2", "tensorflow"])
def graph(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    directory = tmp_path_factory.mktemp("graph")
    with components(directory) as started, engine(directory, request.param, started) as url:
        yield Graph(request.param, url, started)


FORMS: dict[str, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "seldon": (
        "/api/v1.0/predictions",
        lambda rows: {"data": {"ndarray": rows}, "meta": {"puid": "p", "tags": {"mine": 1}}},
        lambda answer: answer["data"]["ndarray"],
    ),
    "v2": (
        "/v2/models/parts/infer",
        lambda rows: {"id": "p", "inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 2], "data": rows}]},
        lambda answer: [answer["outputs"][0]["data"]],
    ),
    "tensorflow": ("/v1/models/parts:predict", lambda rows: {"instances": rows}, lambda answer: answer["predictions"]),
}
SCALED, JOINED = ["chooses", "scales", "one", "doubles"], ["chooses", "left", "right", "mean"]
RULES = [
    pytest.param(
        [[1.0, 2.0]], [[22.0, 42.0]], {"chooses": 0, "scales": -1, "doubles": -1, "one": -1}, SCALED, id="scaled"
    ),
    pytest.param(
        [[-1.0, -2.0]], [[1.0, 0.0]], {"chooses": 1, "mean": -1, "left": -1, "right": -1}, JOINED, id="joined"
    ),
]


@pytest.mark.parametrize(("rows", "expected", "routing", "asked"), RULES)
def test_a_prediction_takes_the_branch_that_was_chosen(
    graph: Graph, rows: Any, expected: Any, routing: dict[str, int], asked: list[str]
) -> None:
    path, message, rows_of = FORMS[graph.protocol]
    before = graph.counted()
    with httpx.Client(base_url=graph.url, timeout=DEADLINE, trust_env=False) as client:
        response = client.post(path, json=message(rows))
    assert response.status_code == 200, response.text
    answer = response.json()
    assert rows_of(answer) == expected
    after = graph.counted()
    calls = {name: after[name] - before[name] for name in PARTS}
    assert calls == {name: int(name in asked) for name in PARTS}, "each component counts what it was asked itself"
    if graph.protocol == "seldon":
        assert answer["meta"]["routing"] == routing
    elif graph.protocol == "v2":
        assert json.loads(answer["parameters"]["seldon_routing"]) == routing
        assert (answer["id"], answer["model_name"]) == ("p", asked[-1])
        assert json.loads(answer["parameters"]["seldon_tags"])["last"] == asked[-1]
    else:
        assert json.loads(response.headers["seldon-routing"]) == routing


@pytest.mark.parametrize("graph", ["seldon"], indirect=True)
@pytest.mark.parametrize(("rows", "expected", "routing", "asked"), RULES)
def test_meta_of_all_components_is_merged(
    graph: Graph, rows: Any, expected: Any, routing: dict[str, int], asked: list[str]
) -> None:
    path, message, _ = FORMS[graph.protocol]
    with httpx.Client(base_url=graph.url, timeout=DEADLINE, trust_env=False) as client:
        meta = client.post(path, json=message(rows), headers={"seldon-puid": "q"}).json()["meta"]
    models = [name for name in asked if PARTS[name][0] == "MODEL"]
    assert meta["puid"] == "q", "that of the header goes before that of the message"
    assert meta["tags"] == {
        "mine": 1, "last": asked[-1], **dict.fromkeys(asked, True), **{f"{name}_rows": 1 for name in models},
    }  # fmt: skip
    assert meta["requestPath"] == {name: f"parts/{name}:1" for name in asked}
    counters = [metric["key"] for metric in meta["metrics"] if metric["type"] == "COUNTER"]
    gauges = [metric["key"] for metric in meta["metrics"] if metric["type"] == "GAUGE"]
    assert (counters, gauges) == ([f"{name}_calls" for name in asked], models)


def test_components_answer_the_engine_directly_when_nobody_else_asks(graph: Graph) -> None:
    """Without the way over their event loops."""
    path, message, rows_of = FORMS[graph.protocol]
    with httpx.Client(base_url=graph.url, timeout=DEADLINE, trust_env=False) as client:
        for number in range(40):
            answer = client.post(path, json=message([[1.0, number]])).json()
            assert rows_of(answer) == [[22.0, 20.0 * number + 2]]
    assert json.loads(get(graph.components["one"].http + "/health/status")[1])["jsonData"]["direct"]


TENSORS = [{"name": "x", "datatype": "FP64", "shape": [-1, 2]}]


def test_metadata_comes_from_the_classes(graph: Graph) -> None:
    if graph.protocol == "seldon":
        described = json.loads(get(graph.url + "/api/v1.0/metadata")[1])
        assert list(described["models"]) == list(PARTS)
        assert (described["graphinputs"], described["graphoutputs"]) == (TENSORS, TENSORS)
    path = {"seldon": "/api/v1.0/metadata/left", "v2": "/v2/models/left", "tensorflow": "/v1/models/left/metadata"}
    status, body = get(graph.url + path[graph.protocol])
    found = json.loads(body)
    found = found["metadata"] if graph.protocol == "tensorflow" else found
    assert (status, found["name"], found["versions"], found["inputs"]) == (200, "left", ["1"], TENSORS)


@pytest.mark.parametrize("graph", ["seldon"], indirect=True)
def test_feedback_goes_along_the_branches(graph: Graph) -> None:
    path, message, _ = FORMS["seldon"]
    assert graph.told() == {}
    for rows, reward in (([[1.0, 2.0]], 0.5), ([[-1.0, -2.0]], 1.0)):
        request = message(rows)
        response = json.loads(get(graph.url + path, request)[1])
        feedback = {"request": request, "response": response, "reward": reward, "truth": {"data": {"ndarray": [[7]]}}}
        assert get(graph.url + "/api/v1.0/feedback", feedback)[0] == 200
    scaled, joined = [[1.0, 2.0]], [[-1.0, -2.0]]
    assert graph.told() == {
        "chooses": [[scaled, 0.5, [[7]], 0], [joined, 1.0, [[7]], 1]],
        "one": [[scaled, 0.5, [[7]], -1]],
        "left": [[joined, 1.0, [[7]], -1]],
        "right": [[joined, 1.0, [[7]], -1]],
    }
    rewards = {name: graph.number(name, "seldon_api_model_feedback_reward_total") for name in PARTS}
    assert rewards == {"chooses": 1.5, "scales": 0, "doubles": 0, "one": 0.5, "mean": 0, "left": 1.0, "right": 1.0}


def test_an_error_of_a_class_reaches_the_caller_with_the_name_of_its_node(graph: Graph) -> None:
    path, message, _ = FORMS[graph.protocol]
    asked = message([["a", "b"]])
    if graph.protocol == "v2":
        asked["inputs"][0]["datatype"] = "BYTES"
    with httpx.Client(base_url=graph.url, timeout=DEADLINE, trust_env=False) as client:
        response = client.post(path, json=asked)
    assert (response.status_code, response.headers["seldon-failed-node"]) == (500, "chooses")
    assert "'>' not supported between instances of" in response.text
    assert "Traceback" not in response.text
