"""The command line: what it prints, what it exits with, and that nobody ever sees a traceback."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from seldon_core.api.defaults import stored_defaults
from seldon_core.api.validate import validate
from seldon_core.cli import main
from seldon_core.cli.values import environment
from seldon_core.plan import Config, Observed, plan
from tests.chart.test_values import READ, nested

ROOT = Path(__file__).resolve().parent.parent.parent
VALID = """\
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: m}
spec:
  predictors:
  - name: p
    graph: {name: a, type: MODEL}
    componentSpecs:
    - spec: {containers: [{name: a, image: a:1}]}
"""
BROKEN = VALID.replace("graph: {name: a", "graph: {name: b").replace("name: m}", "name: n}")
OTHER = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"


def run(*args: str, text: str | None = None, env: dict[str, str] | None = None) -> Result:
    result = CliRunner().invoke(main, list(args), input=text, env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(name: str, text: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    return write


def test_lint_says_that_nothing_is_wrong(write: Any) -> None:
    result = run("lint", write("a.yaml", VALID))
    assert (result.exit_code, result.stdout) == (0, "1 SeldonDeployment: 0 errors, 0 warnings\n")


def test_lint_prints_the_findings_of_the_validator_word_for_word(write: Any) -> None:
    file = write("a.yaml", BROKEN)
    result = run("lint", file)
    errors = [str(finding) for finding in validate(yaml.safe_load(BROKEN))]
    assert errors
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        *(f"{file}:7: n: error: {error}" for error in errors),
        f"1 SeldonDeployment: {len(errors)} error{'s' if len(errors) > 1 else ''}, 0 warnings",
    ]


def test_lint_prints_json_that_a_program_can_read(write: Any) -> None:
    file = write("a.yaml", BROKEN)
    result = run("lint", "--output", "json", file)
    assert result.exit_code == 1
    assert json.loads(result.stdout) == [
        {"file": file, "name": "n", "path": found.path, "severity": found.severity, "message": str(found)}
        for found in validate(yaml.safe_load(BROKEN))
    ]
    assert json.loads(run("lint", "--output", "json", write("b.yaml", VALID)).stdout) == []


def test_warnings_alone_are_no_error(write: Any) -> None:
    result = run("lint", write("a.yaml", VALID.replace("spec:\n  predictors", "spec:\n  name: old\n  predictors", 1)))
    assert result.exit_code == 0
    assert ": warning: spec.name:" in result.stdout
    assert result.stdout.endswith("1 SeldonDeployment: 0 errors, 1 warning\n")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"---\n{OTHER}---\n\n---\n{VALID}---\n{BROKEN}", id="several-documents"),
        pytest.param(
            json.dumps(
                {"kind": "List", "apiVersion": "v1", "items": [yaml.safe_load(t) for t in (VALID, OTHER, BROKEN)]}
            ),
            id="list-in-json",
        ),
        pytest.param(
            yaml.safe_dump(
                {
                    "kind": "SeldonDeploymentList",
                    "apiVersion": "machinelearning.seldon.io/v1",
                    "items": [yaml.safe_load(VALID), yaml.safe_load(BROKEN)],
                }
            ),
            id="list-of-ours",
        ),
    ],
)
def test_all_seldondeployments_of_a_file_are_found(write: Any, text: str) -> None:
    file = write("a.yaml", text)
    result = run("lint", file)
    assert result.exit_code == 1
    assert re.search(rf"{file}:\d+: n: error: ", result.stdout)
    assert "2 SeldonDeployments: " in result.stdout


def test_standard_input_is_a_file_too() -> None:
    assert run("lint", "-", text=BROKEN).stdout.startswith("-:7: n: error: ")


@pytest.mark.parametrize("command", ["lint", "default", "plan"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param("a: [", "line 1, column 5: is not YAML: ", id="not-yaml"),
        pytest.param("a: 1\nb: 2\na: 3", "line 3, column 1: is not YAML: 'a' stands there twice", id="twice"),
        pytest.param("a: !!python/object:os.system x", "line 1, column 4: is not YAML: could not", id="tag"),
        pytest.param(b"\xff\xfe\x00", "is not", id="not-text"),
        pytest.param(b"a: \x01", "is not YAML: ", id="control-character"),
        pytest.param("[" * 5000, "is nested too deeply to be read", id="deep"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_to_be(write: Any, command: str, content: str | bytes, said: str) -> None:
    file = write("bad.yaml", content)
    result = run(command, file)
    assert result.exit_code == 2
    assert f"Error: {file}: {said}" in result.stderr


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        pytest.param("", [], id="empty"),
        pytest.param(OTHER, [":1: Service s: passed over: no SeldonDeployment"], id="other-kind"),
        pytest.param(
            "- 1\n---\n---\na: 1\n",
            [f":{line}: a document without kind: passed over: no SeldonDeployment" for line in (1, 4)],
            id="no-objects",
        ),
    ],
)
def test_what_is_no_seldondeployment_is_passed_over_by_lint_and_refused_by_others(
    write: Any, text: str, notes: list[str]
) -> None:
    file = write("a.yaml", text)
    result = run("lint", file)
    assert (result.exit_code, result.stdout) == (0, "0 SeldonDeployments: 0 errors, 0 warnings\n")
    assert result.stderr == "".join(f"note: {file}{note}\n" for note in notes)
    for command in ("default", "plan"):
        result = run(command, file)
        assert result.exit_code == 2
        assert f"Error: {file}: holds no SeldonDeployment; one has kind: SeldonDeployment" in result.stderr


MANY_LINES = """\
kind: List
items:
- kind: Service
- apiVersion: machinelearning.seldon.io/v1
  kind: SeldonDeployment
  metadata:
    name: m
  spec:
    annotations: {seldon.io/rest-timeout: soon}
    predictors:
    - name: p
      graph:
        name: a
        children:
        - name: b
          type: model
      componentSpecs:
      - spec:
          containers:
          - name: a
            image: a:1
            imge: a:1
          - name: b
"""


def test_a_finding_names_the_line_of_its_field_or_of_what_lacks_it(write: Any) -> None:
    file = write("a.yaml", MANY_LINES)
    found = dict(re.findall(rf"^{file}:(\d+): m: error: (\S+?): ", run("lint", file).stdout, re.MULTILINE))
    assert {path.rpartition(".")[2]: int(line) for line, path in found.items()} == {
        "io/rest-timeout]": 9,
        "type": 16,
        "imge": 22,
        "image": 23,
    }


def test_colours_are_for_terminals(write: Any) -> None:
    file = write("a.yaml", BROKEN)
    command = [sys.executable, "-c", "from seldon_core.cli import main; main()", "lint", file]

    def shown(**environ: str) -> str:
        leader, follower = pty.openpty()
        with subprocess.Popen(command, stdout=follower, env={**os.environ, **environ}) as process:
            os.close(follower)
            text = b""
            # The terminal of a process that has ended is an error to read on Linux.
            with contextlib.suppress(OSError):
                while piece := os.read(leader, 4096):
                    text += piece
            os.close(leader)
        assert process.returncode == 1
        return text.decode()

    assert "\x1b[31m" in shown(NO_COLOR="")
    assert "\x1b" not in shown(NO_COLOR="1")
    assert b"\x1b" not in subprocess.run(command, capture_output=True, check=False).stdout


def test_no_escape_sequence_of_a_file_reaches_the_terminal(write: Any) -> None:
    text = BROKEN.replace("{name: n}", r'{name: "n\e[31m", annotations: {"a\e[0m": 1}}')
    assert "\x1b" not in run("lint", write("a.yaml", text)).stdout


SERVED = VALID.replace("type: MODEL}", "implementation: MY_SERVER, modelUri: 'gs://a'}").partition(
    "    componentSpecs"
)[0]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param("predictor_servers: {MY_SERVER: {protocols: {seldon: {image: a}}}}", id="operator"),
        pytest.param(
            "seldon-core-operator: {predictor_servers: {MY_SERVER: {protocols: {seldon: {image: a}}}}}", id="umbrella"
        ),
    ],
)
def test_lint_knows_the_servers_of_a_values_file(write: Any, values: str) -> None:
    file = write("a.yaml", SERVED)
    assert '"MY_SERVER": is no server of this installation' in run("lint", file).stdout
    result = run("lint", "--values", write("values.yaml", values), file)
    assert (result.exit_code, result.stdout) == (0, "1 SeldonDeployment: 0 errors, 0 warnings\n")


def test_values_are_merged_as_helm_does(write: Any) -> None:
    first = write("first.yaml", "predictor_servers: {MY_SERVER: {protocols: {seldon: {image: a}, v2: {image: b}}}}")
    second = write("second.yaml", "predictor_servers: {MY_SERVER: {protocols: {seldon: null}}, SKLEARN_SERVER: null}")
    sklearn = SERVED.replace("MY_SERVER", "SKLEARN_SERVER")
    file = write("a.yaml", f"{SERVED}---\n{sklearn}")
    out = run("lint", "--values", first, "--values", second, file).stdout
    assert '"MY_SERVER": does not serve the protocol seldon (it serves v2); write spec.protocol: v2' in out
    assert '"SKLEARN_SERVER": is no server of this installation' in out


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param("a: [", "is not YAML: ", id="not-yaml"),
        pytest.param("- 1", "holds no values", id="list"),
        pytest.param("predictor_servers: 1", "predictor_servers: must be a mapping, as in MY_SERVER: ", id="servers"),
        pytest.param("predictor_servers: {A: 1}", "predictor_servers.A: must be a mapping", id="server"),
        pytest.param(
            "predictor_servers: {A: {protocols: {v2: {}}}}",
            "predictor_servers.A.protocols.v2.image: must be the name of an image",
            id="image",
        ),
    ],
)
def test_values_that_cannot_be_used_are_said_to_be(write: Any, values: str, said: str) -> None:
    file = write("values.yaml", values)
    result = run("lint", "--values", file, write("a.yaml", VALID))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {file}: {said}")
    assert run("lint", "--values", "/missing", write("b.yaml", VALID)).exit_code == 2


def test_the_pre_commit_hook_runs_the_installed_command(write: Any) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert {"id", "name", "entry", "language", "types_or"} <= hook.keys()
    program, *arguments = hook["entry"].split()
    assert program in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    files = [write("a.yaml", VALID), write("b.yaml", OTHER), write("c.yaml", "on: push\n")]
    passed = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert (passed.returncode, passed.stdout) == (0, "1 SeldonDeployment: 0 errors, 0 warnings\n")
    failed = subprocess.run([*command, write("d.yaml", BROKEN), *files], capture_output=True, text=True, check=False)
    assert failed.returncode == 1


@pytest.mark.parametrize("command", ["lint", "default", "plan"])
def test_a_file_that_cannot_be_read_is_said_to_be(tmp_path: Path, command: str) -> None:
    missing = tmp_path / "missing.yaml"
    result = run(command, str(missing))
    assert result.exit_code == 2
    assert result.stderr == f"Error: {missing}: cannot be read: no such file or directory\n"
    result = run(command, str(tmp_path))
    assert result.exit_code == 2
    assert "is a directory; name the files in it, for example" in result.stderr


def test_one_unusable_file_does_not_hide_the_findings_of_another(write: Any) -> None:
    file = write("a.yaml", BROKEN)
    result = run("lint", write("bad.yaml", "a: ["), file, "/missing")
    assert result.exit_code == 2
    assert f"{file}:7: n: error: " in result.stdout
    assert result.stderr.count("Error: ") == 2


def test_what_looks_like_a_date_or_a_number_key_is_read_as_kubectl_does(write: Any) -> None:
    text = VALID.replace("metadata: {name: m}", "metadata: {name: m, annotations: {d: 2020-01-01, 2: x, true: y}}")
    (printed,) = yaml.load_all(run("default", write("a.yaml", text)).stdout, yaml.BaseLoader)
    assert printed["metadata"]["annotations"] == {"d": "2020-01-01", "2": "x", "true": "y"}


def test_default_prints_what_the_webhook_stores(write: Any) -> None:
    file = write("a.yaml", f"{OTHER}---\n{VALID}---\n{VALID}")
    result = run("default", file)
    assert result.exit_code == 0
    assert list(yaml.safe_load_all(result.stdout)) == [stored_defaults(yaml.safe_load(VALID))] * 2
    bare = run("default", "--no-graph", file)
    assert next(yaml.safe_load_all(bare.stdout)) == stored_defaults(yaml.safe_load(VALID), graph=False)


@pytest.mark.parametrize("command", ["default", "plan"])
def test_what_would_be_refused_is_not_printed(write: Any, command: str) -> None:
    file = write("a.yaml", f"{VALID}---\n{BROKEN}")
    result = run(command, file)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{file}:17: n: error: " in result.stderr


def test_plan_prints_what_the_controller_applies(write: Any) -> None:
    result = run("plan", write("a.yaml", VALID))
    assert result.exit_code == 0
    obj = yaml.safe_load(VALID)
    obj["metadata"]["namespace"] = "default"
    assert list(yaml.safe_load_all(result.stdout)) == plan(obj, Config(), Observed()).objects
    assert "&id" not in result.stdout, "anchors are hard to read"


def test_plan_takes_namespace_and_configuration(write: Any) -> None:
    file = write("a.yaml", f"{VALID}---\n{VALID.replace('{name: m}', '{name: o, namespace: own}')}")
    env = {"EXECUTOR_CONTAINER_IMAGE_AND_VERSION": "mine:2", "DEFAULT_USER_ID": ""}
    objects = list(yaml.safe_load_all(run("plan", "-n", "models", file, env=env).stdout))
    assert [o["metadata"]["namespace"] for o in objects] == ["models"] * 3 + ["own"] * 3
    pod = objects[2]["spec"]["template"]["spec"]
    assert pod["containers"][1]["image"] == "mine:2"
    assert "securityContext" not in pod


def test_plan_takes_values_of_the_chart(write: Any) -> None:
    values = write("values.yaml", "seldon-core-operator:\n  executor:\n    port: 8001\n    image: {tag: '2'}\n")
    objects = list(yaml.safe_load_all(run("plan", "--values", values, write("a.yaml", VALID)).stdout))
    text = yaml.safe_dump_all(objects)
    assert "seldonio/seldon-core-engine:2" in text
    assert 8001 in [port["port"] for item in objects if item["kind"] == "Service" for port in item["spec"]["ports"]]


@pytest.mark.parametrize(("path", "value", "variable", "field", "expected"), READ, ids=lambda part: str(part)[:40])
def test_values_mean_to_plan_what_they_mean_to_the_controller(
    write: Any, path: str, value: Any, variable: str, field: str, expected: Any
) -> None:
    given = environment([write("values.yaml", yaml.safe_dump(nested(path, value)))])
    assert set(given) == {variable}
    image = {"EXECUTOR_CONTAINER_IMAGE_AND_VERSION": "engine:1"}
    assert getattr(Config.from_env({**image, **given}), field) == expected


def test_plan_reports_every_bad_variable(write: Any) -> None:
    env = {"EXECUTOR_SERVER_PORT": "x", "DEFAULT_USER_ID": "0"}
    result = run("plan", write("a.yaml", VALID), env=env)
    assert result.exit_code == 2
    assert "EXECUTOR_SERVER_PORT: 'x': must be a number" in result.stderr
    assert "DEFAULT_USER_ID: '0': must not be root" in result.stderr


def test_strings_that_look_like_something_else_are_quoted(write: Any) -> None:
    annotations = {"a": "1e3", "b": "y", "c": "0o7", "d": "true", "e": "1:30", "f": "plain"}
    text = VALID.replace("spec:\n  predictors", f"spec:\n  annotations: {json.dumps(annotations)}\n  predictors", 1)
    printed = run("plan", write("a.yaml", text)).stdout
    found = next(o for o in yaml.safe_load_all(printed) if o["kind"] == "Deployment")["metadata"]["annotations"]
    assert annotations.items() <= found.items()
    for key in "abcde":
        assert f"{key}: {annotations[key]}\n" not in printed
    assert "f: plain\n" in printed


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["lint", "--help"], ["default", "--help"], ["plan", "--help"]])
def test_help_teaches(args: list[str]) -> None:
    result = run(*args)
    assert result.exit_code == 0
    if len(args) > 1:
        assert "Examples:\n" in result.stdout
        assert "Exit code: 0" in result.stdout


@pytest.mark.parametrize(
    "args", [["bogus"], ["lint"], ["lint", "--output", "xml", "f"], ["plan"], ["default", "a", "b"]]
)
def test_wrong_usage_is_said_to_be(args: list[str]) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: ")


def test_the_version_is_printed() -> None:
    from seldon_core import __version__

    assert run("--version").stdout == f"seldon-core, version {__version__}\n"


def test_the_engine_gets_its_arguments_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    import seldon_core.engine.main as engine

    given: list[list[str]] = []

    def fake(argv: list[str]) -> int:
        given.append(argv)
        return 3

    monkeypatch.setattr(engine, "run", fake)
    args = ["-http_port", "8000", "--sdep=x", "-h", "--help", "--", "--version", ""]
    assert run("engine", *args).exit_code == 3
    assert given == [args]


def imported_by(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after `code`."""
    program = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_linting_loads_neither_the_engine_nor_a_client_of_the_cluster(write: Any) -> None:
    file = write("a.yaml", VALID)
    code = f"from seldon_core.cli import main\nmain(['lint', {file!r}], standalone_mode=False)"
    loaded = imported_by(code)
    assert "seldon_core.api.validate" in loaded
    assert not loaded & {"uvloop", "httptools", "asyncio", "aiohttp", "kubernetes", "numpy"}


def test_the_engine_loads_nothing_of_the_other_commands() -> None:
    loaded = imported_by(
        "from seldon_core.cli import main\nfrom seldon_core.cli import engine\nimport seldon_core.engine.main"
    )
    assert not loaded & {"aiohttp", "kubernetes", "yaml", "seldon_core.plan", "seldon_core.api.validate"}


def test_the_installed_command_prints_no_traceback_into_a_closed_pipe(write: Any) -> None:
    command = (
        f"{sys.executable} -c 'from seldon_core.cli import main; main()' plan {write('a.yaml', VALID)} | head -c 1"
    )
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "a"
    assert done.stderr == ""
