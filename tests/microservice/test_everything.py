"""One class that has every method and hook there is, served by processes: every path gives its answer, and counts."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from seldon_core.microservice.routes import PATHS

from .serving import Process, get, running, until

# Its methods for whole messages answer those that ask for them, and say that they are not there to all others.
EVERYTHING = """
import os, threading

import flask

from seldon_core.metrics import create_counter, create_gauge, create_timer
from seldon_core.user_model import SeldonComponent, SeldonNotImplementedError, SeldonResponse

errors = flask.Blueprint("errors", __name__)

@errors.app_errorhandler(LookupError)
def answer(error):
    return flask.jsonify({"status": {"app_code": 1402, "info": str(error)}}), 402

def whole(kind):
    def method(self, msg):
        if f"for {kind}" not in str(msg):
            raise SeldonNotImplementedError("not for this one")
        metrics = [create_counter("whole", 2)]
        return {"strData": f"{kind} of a {type(msg).__name__}", "meta": {"metrics": metrics}}
    return method

class MyModel(SeldonComponent):
    model_error_handler = errors

    def __init__(self, factor, offset, label, flag):
        self.factor, self.offset, self.label, self.flag = factor, offset, label, flag
        self.loads = 0

    def load(self):
        self.loads += 1

    def init_metadata(self):
        return {"name": "everything", "versions": [self.label]}

    def predict(self, X, names, meta=None):
        if isinstance(X, str):
            raise LookupError(X)
        tags = {"names": names, "puid": (meta or {}).get("puid")}
        return SeldonResponse(X * self.factor + self.offset, tags, [create_counter("predicted", 1)])

    def transform_input(self, X, names, meta=None):
        return X + 1

    def transform_output(self, X, names, meta=None):
        return X - 1

    def route(self, X, names, meta=None):
        return 1

    def aggregate(self, features_list, names_list):
        return sum(features_list)

    def send_feedback(self, features, names, reward, truth, routing=None):
        return [features.sum(), reward, len(truth), -1 if routing is None else routing]

    def health_status(self):
        return "fine"

    def health_status_raw(self):
        if not os.path.exists("for raw"):
            raise SeldonNotImplementedError("not yet")
        return {"strData": "raw", "meta": {"metrics": [create_counter("whole", 2)]}}

    predict_raw = transform_input_raw = transform_output_raw = whole("raw")
    route_raw = aggregate_raw = send_feedback_raw = whole("raw")
    predict_rest = transform_input_rest = transform_output_rest = whole("rest")
    route_rest = aggregate_rest = send_feedback_rest = whole("rest")

    def tags(self):
        return {"label": self.label, "flag": self.flag}

    def metrics(self):
        return [create_counter("asked", 1), create_gauge("loads", self.loads), create_timer("took", 20)]

    def class_names(self):
        return ["c"]

    def feature_names(self):
        return ["f"]

    def custom_service(self):
        with open("beside", "w") as file:
            file.write(self.label)
        threading.Event().wait()
"""
PARAMETERS = json.dumps([
    {"name": "factor", "value": "3", "type": "INT"},
    {"name": "offset", "value": "0.5", "type": "FLOAT"},
    {"name": "label", "value": "mine", "type": "STRING"},
    {"name": "flag", "value": "true", "type": "BOOL"},
])  # fmt: skip

METRICS = [
    {"key": "asked", "type": "COUNTER", "value": 1},
    {"key": "loads", "type": "GAUGE", "value": 1},
    {"key": "took", "type": "TIMER", "value": 20},
]
META: dict[str, Any] = {
    "tags": {"label": "mine", "flag": True}, "metrics": METRICS, "requestPath": {"node": "an/image:0.1"},
}  # fmt: skip
PREDICTED_META = {
    **META,
    "puid": "p",
    "tags": {**META["tags"], "names": ["a"], "puid": "p"},
    "metrics": [*METRICS, {"key": "predicted", "type": "COUNTER", "value": 1}],
}
WHOLE_META = {"metrics": [{"key": "whole", "type": "COUNTER", "value": 2}]}

ND = {"data": {"names": ["a"], "ndarray": [[1], [2]]}}
ASKED = {**ND, "meta": {"puid": "p"}}
FEEDBACK = {
    "request": ND, "response": {"meta": {"routing": {"node": 1}}}, "reward": 2, "truth": {"data": {"ndarray": [[3]]}},
}  # fmt: skip

X = {"name": "x", "datatype": "FP64", "shape": [2, 1], "data": [1.0, 2.0]}
ROWS = {"instances": [[1.0], [2.0]]}


class Ask(NamedTuple):
    """A request and its answer.

    Attributes:
        path: that is asked.
        message: None for GET.
        answer: the whole of it, or what `part` says.
        label: under which it is counted.
        counter: that counts it: "asked" of the hook, or "whole" of the message; "" for none.
        part: the key of the answer that is looked at; of the outputs in V2, the data of the first.
        status: of HTTP.
    """

    path: str
    message: Any
    answer: Any
    label: str = ""
    counter: str = ""
    part: str = ""
    status: int = 200


def array(names: list[str], rows: Any, meta: Any = META) -> Any:
    return {"data": {"names": names, "ndarray": rows}, "meta": meta}


OWN = {
    "/predict": ("predict", ASKED, array(["c"], [[3.5], [6.5]], PREDICTED_META)),
    "/transform-input": ("inputtransform", ND, array(["f"], [[2], [3]])),
    "/transform-output": ("outputtransform", ND, array(["c"], [[0], [1]])),
    "/route": ("router", ND, array(["c"], [[1]])),
    "/aggregate": ("aggregate", [ND, ND], array(["c"], [[2], [4]])),
    "/send-feedback": ("feedback", FEEDBACK, array([], [3, 2, 1, 1])),
}
VERSIONED = {
    "/predict": ("/api/v1.0/predictions", "/api/v0.1/predictions"),
    "/send-feedback": ("/api/v1.0/feedback", "/api/v0.1/feedback"),
}
SELDON = [
    ask
    for path, (label, message, answer) in OWN.items()
    for ask in (
        Ask(path, message, answer, label, "asked"),
        Ask(f"{path}?json={quote(json.dumps(message))}", None, answer, label, "asked"),
        *(Ask(versioned, message, answer, label, "asked") for versioned in VERSIONED.get(path, ())),
    )
]
KNOWN = Ask("/predict", {"strData": "known"}, {"status": {"app_code": 1402, "info": "known"}}, status=402)


def whole(path: str, kind: str, got: str) -> Ask:
    message: Any = {"strData": "for rest and for raw, of which the older goes first" if kind == "rest" else "for raw"}
    if path == "/aggregate":
        message = [message]
    elif path == "/send-feedback":
        message = {"request": message, "reward": 2}
    return Ask(path, message, {"strData": f"{kind} of a {got}", "meta": WHOLE_META}, OWN[path][0], "whole")


GIVEN = {"/aggregate": ("list", "list"), "/send-feedback": ("str", "Feedback")}
WHOLE = [
    whole(path, kind, got)
    for path in OWN
    for kind, got in zip(("rest", "raw"), GIVEN.get(path, ("dict", "dict")), strict=True)
]

LEARNT = [3, 2, 0, -1]
V2 = [
    Ask("/v2/models/everything/infer", {"inputs": [X]}, [3.5, 6.5], "predict", "asked", "outputs"),
    Ask("/v2/models/node/route", {"inputs": [X]}, [1], "router", "asked", "outputs"),
    Ask("/v2/models/node/aggregate", [{"outputs": [X]}] * 2, [2, 4], "aggregate", "asked", "outputs"),
    Ask("/v2/models/MyModel/feedback", {"request": {"inputs": [X]}, "reward": 2}, LEARNT, "feedback", "asked",
        "outputs"),
]  # fmt: skip
TENSORFLOW = [
    Ask("/v1/models/everything:predict", ROWS, [[3.5], [6.5]], "predict", "asked", "predictions"),
    Ask("/v1/models/node:route", ROWS, [[1]], "router", "asked", "predictions"),
    Ask("/v1/models/node:aggregate", [ROWS, ROWS], [[2], [4]], "aggregate", "asked", "predictions"),
    Ask("/v1/models/MyModel:feedback", {"request": ROWS, "reward": 2}, LEARNT, "feedback", "asked",
        "predictions"),
]  # fmt: skip

HEALTH = [Ask(path, None, {"strData": "fine", "meta": META}, "health", "asked")
          for path in ("/health/status", "/api/v1.0/health/status")]  # fmt: skip
WHOLE_HEALTH = [ask._replace(answer={"strData": "raw", "meta": WHOLE_META}, counter="whole") for ask in HEALTH]

METADATA = {
    "name": "everything", "versions": ["mine"], "platform": "", "inputs": [], "outputs": [], "custom": {},
}  # fmt: skip
DESCRIBED = [
    Ask("/metadata", None, METADATA),
    Ask("/api/v1.0/metadata", None, METADATA),
    Ask("/v1/models/node/metadata", None, METADATA, part="metadata"),
    Ask("/v2/models/node", None, ["mine"], part="versions"),
    Ask("/seldon.json", None, "3.0.3", part="openapi"),
]

EVERY = [*SELDON, *WHOLE, KNOWN, *V2, *TENSORFLOW, *HEALTH, *WHOLE_HEALTH]
ROUNDS = 3


def check(service: Process, ask: Ask) -> None:
    status, body = get(service.http + ask.path, ask.message)
    answer = json.loads(body)
    if ask.part:
        answer = answer[ask.part]
    if ask.part == "outputs":
        answer = answer[0]["data"]
    assert (status, answer) == (ask.status, ask.answer), ask.path


def asked(counter: str, each: float = 1.0) -> dict[str, float]:
    """What a counter is to show for each label, when each request adds so much."""
    counts = Counter(ask.label for ask in EVERY if ask.counter == counter)
    return {label: ROUNDS * count * each for label, count in counts.items()}


def shown(text: str, name: str) -> dict[str, float]:
    """What a metric shows for each label `method`; each may be there but once."""
    found = re.findall(rf'^{name}{{.*\bmethod="(\w+)".*}} (\S+)$', text, re.MULTILINE)
    assert len(dict(found)) == len(found), found
    return {label: float(value) for label, value in found}


def test_every_path_of_the_protocol_is_asked() -> None:
    assert {ask.path.partition("?")[0] for ask in (*EVERY, *DESCRIBED)} >= set(PATHS)


def test_every_method_answers_and_counts_what_was_asked(tmp_path: Path) -> None:
    arguments = ("--workers", "2", "--parameters", PARAMETERS)
    unit = {"PREDICTIVE_UNIT_ID": "node", "PREDICTIVE_UNIT_IMAGE": "an/image:0.1"}
    with running(tmp_path, EVERYTHING, *arguments, ready=True, **unit) as service:
        until(lambda: (tmp_path / "beside").exists() and (tmp_path / "beside").read_text() == "mine")
        for ask in [*SELDON, *WHOLE, KNOWN, *V2, *TENSORFLOW, *HEALTH, *DESCRIBED] * ROUNDS:
            check(service, ask)
        (tmp_path / "for raw").touch()
        for ask in WHOLE_HEALTH * ROUNDS:
            check(service, ask)
        metrics = get(service.metrics)[1]
        assert service.stop() == 0
    assert shown(metrics, "asked_total") == asked("asked")
    assert shown(metrics, "took_count") == asked("asked")
    assert shown(metrics, "predicted_total") == {"predict": asked("asked")["predict"]}
    assert shown(metrics, "whole_total") == asked("whole", 2)
    heard = asked("asked")["feedback"] + asked("whole")["feedback"]
    assert shown(metrics, "seldon_api_model_feedback_total") == {"feedback": heard}
    assert shown(metrics, "seldon_api_model_feedback_reward_total") == {"feedback": 2 * heard}
    requests = re.findall(r"^seldon_microservice_requests_seconds_count{.*} (\S+)$", metrics, re.MULTILINE)
    assert sum(map(float, requests)) == ROUNDS * len(EVERY)
    loads = re.findall(r'^loads{.*worker_id="(\d+)".*} (\S+)$', metrics, re.MULTILINE)
    assert (len({worker for worker, _ in loads}), {value for _, value in loads}) == (2, {"1.0"})
