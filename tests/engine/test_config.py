"""Where the predictor and its settings come from, and what is said when they are not usable."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from seldon_core.api.podinfo import parse_annotations, pod_annotations
from seldon_core.engine.config import (
    buffered_bytes,
    predictor_from_environment,
    predictor_from_file,
    read_predictor,
)
from seldon_core.engine.flags import UsageError
from seldon_core.transport.limits import MIB
from tests.engine.conftest import node

PREDICTOR = {"name": "main", "graph": node("m", 9000)}


def encoded(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def test_the_environment_holds_the_predictor() -> None:
    assert predictor_from_environment({"ENGINE_PREDICTOR": encoded(PREDICTOR)}) == PREDICTOR


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({}, "the environment variable ENGINE_PREDICTOR is not set; "),
        ({"ENGINE_PREDICTOR": ""}, "the environment variable ENGINE_PREDICTOR is empty; "),
        ({"ENGINE_PREDICTOR": ":;,"}, 'ENGINE_PREDICTOR: ":;,": is not base64 ('),
        ({"ENGINE_PREDICTOR": "aGVsbG8="}, 'ENGINE_PREDICTOR: "aGVsbG8=": is not JSON ('),
        ({"ENGINE_PREDICTOR": "gICA"}, 'ENGINE_PREDICTOR: "gICA": is not JSON ('),
        ({"ENGINE_PREDICTOR": encoded([1])}, "ENGINE_PREDICTOR: [1]: a predictor must be a JSON object"),
        ({"ENGINE_PREDICTOR": base64.b64encode(b"[" * 100_000).decode()}, "ENGINE_PREDICTOR: "),
    ],
)
def test_an_unusable_variable_is_described(environ: dict[str, str], problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        predictor_from_environment(environ)
    assert caught.value.problems[0].startswith(problem)


def test_a_predictor_is_read() -> None:
    containers = [{"name": "m", "image": "registry:5000/m:1"}, {"name": "other"}, {"image": "x"}, None]
    raw = {**PREDICTOR, "labels": {"version": "v2"}, "componentSpecs": [{"spec": {"containers": containers}}, {}]}
    predictor = read_predictor(raw, {})
    assert predictor.root.name == "m"
    assert predictor.images == {"m": "registry:5000/m:1"}
    assert (predictor.version, predictor.timeout, predictor.body_bytes) == ("v2", 600.0, 256 * 1024 * 1024)


@pytest.mark.parametrize(
    ("own", "pod", "timeout", "version"),
    [
        ({}, {}, 600.0, ""),
        ({"seldon.io/rest-timeout": "1500"}, {}, 1.5, ""),
        ({"seldon.io/rest-timeout": "1500"}, {"seldon.io/rest-timeout": "1"}, 0.001, ""),
        ({"version": "a"}, {}, 600.0, "a"),
    ],
)
def test_annotations_tune_the_engine(own: dict[str, str], pod: dict[str, str], timeout: float, version: str) -> None:
    predictor = read_predictor({**PREDICTOR, "annotations": own}, pod)
    assert (predictor.timeout, predictor.version) == (timeout, version)


@pytest.mark.parametrize("value", ["", "fast", "-5", "1.5", "0", "99999999999999999999"])
def test_an_unusable_timeout_is_described(value: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_predictor(PREDICTOR, {"seldon.io/rest-timeout": value})
    assert caught.value.problems == [
        f'annotation seldon.io/rest-timeout: "{value}": must be a number of milliseconds; write 5000 for five seconds'
    ]


def test_an_annotation_sets_the_largest_body() -> None:
    key = "seldon.io/rest-max-body-size"
    assert read_predictor({**PREDICTOR, "annotations": {key: "1000"}}, {}).body_bytes == 1000
    with pytest.raises(UsageError, match=f'annotation {key}: "1k": must be a number of bytes; write 1000000 for'):
        read_predictor(PREDICTOR, {key: "1k"})


@pytest.mark.parametrize("odd", [3, "x", [3], [{"spec": 3}], [{"spec": {"containers": [3]}}]])
def test_odd_component_specs_name_no_images(odd: Any) -> None:
    assert read_predictor({**PREDICTOR, "componentSpecs": odd, "labels": odd, "annotations": odd}, {}).images == {}


def test_everything_wrong_is_said_at_once() -> None:
    raw = {"graph": {"type": "SWITCH"}, "annotations": {"seldon.io/rest-timeout": "x"}}
    with pytest.raises(UsageError) as caught:
        read_predictor(raw, {})
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "graph.name", "graph.type", "annotation seldon.io/rest-timeout",
    ]  # fmt: skip


SDEP = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: s}
spec:
  predictors:
  - name: main
    componentSpecs:
    - spec: {containers: [{name: a, image: a:1}, {name: b, image: b:1}]}
    graph:
      name: a
      endpoint: {service_host: elsewhere, httpPort: 1234}
      children: [{name: b}]
"""


def test_a_file_holds_the_predictor_and_missing_endpoints_are_those_of_a_pod(tmp_path: Path) -> None:
    path = tmp_path / "sdep.yaml"
    path.write_text(SDEP)
    predictor = read_predictor(predictor_from_file(path, "main"), {})
    assert [(step.node, step.method, step.host, step.port) for step in predictor.root.steps()] == [
        ("a", "predict", "elsewhere", 1234), ("b", "predict", "localhost", 9001),
    ]  # fmt: skip
    assert predictor.images == {"a": "a:1", "b": "b:1"}


@pytest.mark.parametrize(
    ("name", "content", "predictor", "problem"),
    [
        ("sdep.json", "{}", "main", "unsupported file type '.json'; give a .yaml file"),
        ("absent.yaml", None, "main", "no such file or directory"),
        ("bad.yaml", "a: [", "main", "is not YAML: "),
        ("bad.yaml", "\x00", "main", "is not YAML: "),
        ("sdep.yaml", SDEP, "other", "--predictor: 'other': predictor not found in "),
        ("list.yaml", "- 1", "main", "--predictor: 'main': predictor not found in "),
        ("odd.yaml", "spec: {predictors: [3, null]}", "main", "--predictor: 'main': predictor not found in "),
        ("deep.yaml", "[" * 5000, "main", "is not YAML: "),
        ("odd.yaml", "spec: {predictors: 3}", "main", "--predictor: 'main': predictor not found in "),
    ],
)
def test_an_unusable_file_is_described(
    tmp_path: Path, name: str, content: str | None, predictor: str, problem: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError) as caught:
        predictor_from_file(path, predictor)
    assert problem in caught.value.problems[0]


@pytest.mark.parametrize(
    ("text", "annotations"),
    [
        ("a=b", {"a": "b"}),
        ('"a"="b"', {"a": "b"}),
        ('a="b"\n', {"a": "b"}),
        ('a="b=c"', {"a": "b=c"}),
        (' foo  =   "bar"  ', {"foo": "bar"}),
        ('key=  "assign==="', {"key": "assign==="}),
        ('a="say \\"x\\"\\n"', {"a": 'say "x"\n'}),
        ('a="\\x41"', {"a": "\\x41"}),
        ('bad\n\na="b"', {"a": "b"}),
        ("", {}),
    ],
)
def test_annotations_are_read(text: str, annotations: dict[str, str]) -> None:
    assert parse_annotations(text) == annotations


def test_outside_of_a_pod_there_are_no_annotations(tmp_path: Path) -> None:
    assert pod_annotations(tmp_path / "annotations") == {}
    (tmp_path / "annotations").write_text('a="b"')
    assert pod_annotations(tmp_path / "annotations") == {"a": "b"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, 128 * MIB), ("max\n", 128 * MIB), ("9223372036854771712\n", 128 * MIB), (f"{512 * MIB}\n", 256 * MIB)],
)
def test_half_of_the_memory_may_hold_bodies(tmp_path: Path, content: str | None, expected: int) -> None:
    path = tmp_path / "memory.max"
    if content is not None:
        path.write_text(content)
    assert buffered_bytes((path,)) == expected
