"""The components of examples/components: what each does with data, and that the router learns and remembers."""

import json
import threading
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from examples.components.epsilon_greedy.EpsilonGreedy import EpsilonGreedy
from examples.components.mean_combiner.MeanCombiner import MeanCombiner
from examples.components.mean_transformer.MeanTransformer import MeanTransformer
from examples.components.outlier_detector import train as outliers
from examples.components.outlier_detector.OutlierDetector import OutlierDetector
from seldon_core.api.validate import validate
from seldon_core.flask_utils import SeldonMicroserviceException
from seldon_core.microservice.component import Component
from seldon_core.microservice.identity import Identity

from ..microservice.serving import ask, get, process, until

COMPONENTS = Path(__file__).resolve().parent.parent.parent / "examples" / "components"
USUAL, UNUSUAL = [5.8, 3.0, 3.8, 1.2], [50.0, -3.0, 0.0, 9.0]
CLASSES = [MeanTransformer, MeanCombiner, EpsilonGreedy, OutlierDetector]


# The scaling transformer


@pytest.mark.parametrize(
    ("data", "scaled"),
    [
        pytest.param([[1, 2], [3, 5]], [[0, 0.25], [0.5, 1]], id="over the whole array"),
        pytest.param([[7, 7]], [[0, 0]], id="equal numbers"),
        pytest.param([-1, 1], [0, 1], id="one dimension"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_the_transformer_scales_to_0_and_1(data: list[Any], scaled: list[Any]) -> None:
    status, answer = ask(MeanTransformer(), {"data": {"ndarray": data}}, "transform_input")
    assert (status, answer["data"]["ndarray"]) == (200, scaled)


def test_what_is_not_a_number_stays_so() -> None:
    np.testing.assert_array_equal(MeanTransformer().transform_input([1.0, np.nan, 3.0], []), [0.0, np.nan, 1.0])
    np.testing.assert_array_equal(MeanTransformer().transform_input([np.nan], []), [np.nan])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_scaled_data_lies_between_0_and_1_and_keeps_its_order(values: list[float]) -> None:
    scaled = MeanTransformer().transform_input(values, [])
    assert (scaled >= 0).all()
    assert (scaled <= 1).all()
    assert (np.diff(scaled[np.argsort(values)]) >= 0).all()


def test_text_is_refused_by_the_transformer() -> None:
    status, answer = ask(MeanTransformer(), {"data": {"ndarray": [["a"]]}}, "transform_input")
    assert (status, answer["status"]["info"]) == (400, "the data must be numbers, to be scaled")


# The combiner


def test_the_combiner_answers_the_mean() -> None:
    mean = MeanCombiner().aggregate([[[1, 2]], [[3, 6]]], [["a", "b"], ["a", "b"]])
    np.testing.assert_array_equal(mean, [[2, 4]])


def test_the_combiner_joins_whole_messages_of_its_children() -> None:
    children = [
        {"data": {"names": ["a", "b"], "ndarray": [[1, 2]]}, "meta": {"tags": {"left": 1}}},
        {"data": {"names": ["a", "b"], "ndarray": [[3, 6]]}, "meta": {"tags": {"right": 2}}},
    ]
    status, answer = ask(MeanCombiner(), children, "aggregate")
    assert (status, answer["data"]["ndarray"]) == (200, [[2, 4]])
    assert answer["meta"]["tags"] == {"left": 1, "right": 2}


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        pytest.param([[[1, 2]], [[1]]], r"an array of the same shape, got \(1, 2\), \(1, 1\)$", id="shapes"),
        pytest.param([], "an array of the same shape, got none$", id="none"),
        pytest.param([[["a"]]], "every child must answer numbers", id="text"),
    ],
)
def test_the_combiner_says_what_it_needs(answers: list[Any], message: str) -> None:
    with pytest.raises(SeldonMicroserviceException, match=message) as raised:
        MeanCombiner().aggregate(answers, [[] for _ in answers])
    assert raised.value.status_code == 400


# The outlier detector


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("forest") / "outliers.joblib"
    joblib.dump(outliers.train(), path)
    return str(path)


def detector(forest: str, **parameters: Any) -> OutlierDetector:
    made = OutlierDetector(forest, **parameters)
    made.load()
    return made


def test_outliers_are_tagged_and_counted_and_the_data_stays(forest: str) -> None:
    message = {"data": {"ndarray": [USUAL, UNUSUAL]}}
    status, answer = ask(detector(forest), message, "transform_input")
    assert (status, answer["data"]["ndarray"]) == (200, [USUAL, UNUSUAL])
    tags = answer["meta"]["tags"]
    assert tags["is_outlier"] == [False, True]
    expected = -outliers.train().score_samples([USUAL, UNUSUAL])
    assert tags["outlier_score"] == pytest.approx(expected.tolist(), rel=1e-12)
    metrics = {metric["key"]: metric["value"] for metric in answer["meta"]["metrics"]}
    assert metrics == {"rows": 2, "outliers": 1, "outlier_score": pytest.approx(max(expected))}


def test_the_threshold_can_be_set(forest: str) -> None:
    _, answer = ask(detector(forest, threshold=0.99), {"data": {"ndarray": [UNUSUAL]}}, "transform_input")
    assert answer["meta"]["tags"]["is_outlier"] == [False]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param([[1, 2]], "every row must have 4 numbers, got shape (1, 2)", id="columns"),
        pytest.param([1, 2, 3, 4], "every row must have 4 numbers, got shape (4,)", id="one dimension"),
        pytest.param([["a"]], "the data must be numbers, to be scored", id="text"),
    ],
)
def test_the_detector_says_what_it_needs(forest: str, data: list[Any], message: str) -> None:
    status, answer = ask(detector(forest), {"data": {"ndarray": data}}, "transform_input")
    assert (status, answer["status"]["info"]) == (400, message)


def test_no_rows_are_no_outliers(forest: str) -> None:
    response = detector(forest).transform_input(np.empty((0, 4)), [])
    assert response.tags == {"is_outlier": [], "outlier_score": []}


# The router


def router(**parameters: Any) -> EpsilonGreedy:
    made = EpsilonGreedy(**{"n_branches": 2, "seed": 1, **parameters})
    made.load()
    return made


def shares(made: EpsilonGreedy, requests: int = 4000) -> list[float]:
    taken = [made.route([[1.0]], []).data for _ in range(requests)]
    return [taken.count(branch) / requests for branch in range(len(made.names))]


def test_the_router_follows_rewards() -> None:
    made = router(n_branches=3, epsilon=0.3, best_branch=0)
    assert shares(made) == pytest.approx([0.7, 0.15, 0.15], abs=0.03)
    made.send_feedback([[1.0]], [], 0.2, [], routing=0)
    made.send_feedback([[1.0], [1.0]], [], 0.9, [], routing=2)
    assert shares(made) == pytest.approx([0.15, 0.15, 0.7], abs=0.03)
    assert made.counts.tries == [1, 0, 2]
    assert made.counts.means() == pytest.approx([0.2, 0.0, 0.9])


def test_the_router_is_taught_through_the_wrapper(tmp_path: Path) -> None:
    identity = Identity(unit="router")
    made = router(epsilon=0.0, best_branch=0, state_file=str(tmp_path / "router.json"))
    request = {"data": {"ndarray": [[1.0]]}}
    status, answer = ask(made, request, "route", identity=identity)
    assert (status, answer["data"]["ndarray"]) == (200, [[0]])
    feedback = {"request": request, "response": {"meta": {"routing": {"router": 1}}}, "reward": 1.0}
    assert ask(made, feedback, "send_feedback", identity=identity)[0] == 200
    again = router(epsilon=0.0, best_branch=0, state_file=str(tmp_path / "router.json"))
    assert ask(again, request, "route", identity=identity)[1]["data"]["ndarray"] == [[1]]
    status, answer = ask(made, {**feedback, "response": {}}, "send_feedback", identity=identity)
    assert (status, answer["status"]["reason"]) == (400, "MICROSERVICE_BAD_DATA")


@pytest.mark.parametrize(("epsilon", "expected"), [(0.0, [1.0, 0.0]), (1.0, [0.0, 1.0])])
def test_the_ends_of_epsilon(epsilon: float, expected: list[float]) -> None:
    assert shares(router(epsilon=epsilon, best_branch=0), 50) == expected


def test_a_single_branch_is_always_taken() -> None:
    assert shares(router(n_branches=1, epsilon=1.0), 10) == [1.0]


@pytest.mark.parametrize(
    ("features", "tries"),
    [
        pytest.param([[1.0], [2.0], [3.0]], 3, id="rows"),
        pytest.param([1.0, 2.0], 1, id="one row without brackets"),
        pytest.param([], 1, id="no data"),
        pytest.param("text", 1, id="text"),
    ],
)
def test_every_row_is_a_try(features: Any, tries: int) -> None:
    made = router()
    made.send_feedback(features, [], 0.5, [], routing=1)
    assert (made.counts.tries, made.counts.rewards) == ([0, tries], [0, tries / 2])


@pytest.mark.parametrize(
    ("reward", "routing", "message"),
    [
        pytest.param(1.0, None, "names no branch of this router; send the answer back with its meta", id="no branch"),
        pytest.param(1.0, 2, "branch 2 is none of the 2 branches", id="unknown branch"),
        pytest.param(1.5, 0, "reward: 1.5: must lie between 0 and 1", id="reward"),
        pytest.param(float("nan"), 0, "reward: nan: must lie between 0 and 1", id="NaN"),
    ],
)
def test_feedback_that_cannot_be_counted_is_refused(reward: float, routing: int | None, message: str) -> None:
    made = router()
    with pytest.raises(SeldonMicroserviceException, match=message):
        made.send_feedback([[1.0]], [], reward, [], routing=routing)
    assert made.counts.tries == [0, 0]


def test_every_wrong_parameter_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"n_branches: 0: .*epsilon: 2: .*best_branch: 5: .*branch_names: 'a:b': "):
        EpsilonGreedy(0, epsilon=2, best_branch=5, branch_names="a:b")


def test_the_metrics_tell_about_each_branch() -> None:
    made = router(branch_names="a:b")
    made.send_feedback([[1.0]], [], 1.0, [], routing=1)
    found = {(metric["key"], metric["tags"]["branch"]): metric["value"] for metric in made.metrics()}
    assert found == {
        ("branch_reward", "a"): 0, ("branch_tries", "a"): 0, ("branch_reward", "b"): 1, ("branch_tries", "b"): 1,
    }  # fmt: skip
    [counted] = made.route([[1.0]], []).metrics
    assert (counted["key"], counted["tags"]) == ("branch_requests", {"branch": "b"})


def test_the_counts_survive_a_restart(tmp_path: Path) -> None:
    state = str(tmp_path / "router.json")
    router(state_file=state).send_feedback([[1.0], [2.0]], [], 0.5, [], routing=1)
    again = router(state_file=state, epsilon=0.0, best_branch=0)
    assert (again.counts.tries, again.counts.rewards) == ([0, 2], [0.0, 1.0])
    assert again.route([[1.0]], []).data == 1
    assert json.loads((tmp_path / "router.json").read_text()) == {"tries": [0, 2], "rewards": [0.0, 1.0]}
    assert not list(tmp_path.glob("*.partial"))


def test_workers_share_the_counts_through_the_file(tmp_path: Path) -> None:
    routers = [router(state_file=str(tmp_path / "router.json"), epsilon=0.0, best_branch=0) for _ in range(4)]

    def learn(made: EpsilonGreedy) -> None:
        for _ in range(25):
            made.send_feedback([[1.0]], [], 1.0, [], routing=1)

    threads = [threading.Thread(target=learn, args=(made,)) for made in routers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [made.route([[1.0]], []).data for made in routers] == [1, 1, 1, 1]
    assert [made.counts.tries for made in routers] == [[0, 100]] * 4


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_killed_router_goes_on_where_it_was(tmp_path: Path, workers: str) -> None:
    source = (COMPONENTS / "epsilon_greedy" / "EpsilonGreedy.py").read_text()
    (tmp_path / "EpsilonGreedy.py").write_text(source)
    parameters = [
        {"name": "n_branches", "type": "INT", "value": "2"},
        {"name": "epsilon", "type": "FLOAT", "value": "0"},
        {"name": "best_branch", "type": "INT", "value": "0"},
        {"name": "state_file", "type": "STRING", "value": str(tmp_path / "router.json")},
    ]
    variables = {"PREDICTIVE_UNIT_ID": "router", "PREDICTIVE_UNIT_PARAMETERS": json.dumps(parameters)}
    request = {"data": {"ndarray": [[1.0]]}}
    feedback = {"request": request, "response": {"meta": {"routing": {"router": 1}}}, "reward": 1.0}

    def branch(url: str) -> Any:
        return json.loads(get(f"{url}/route", request)[1])["data"]["ndarray"][0][0]

    for expected in (0, 1):
        with process(tmp_path, "EpsilonGreedy", "--workers", workers, **variables) as service:
            port = service.wait_for_line(r"REST on port (\d+)")[1]
            url = f"http://127.0.0.1:{port}"
            until(lambda url=url: get(f"{url}/ready")[0] == 200)
            assert branch(url) == expected
            assert get(f"{url}/send-feedback", feedback)[0] == 200
            # Every connection may lead to another worker; all of them know.
            assert {branch(url) for _ in range(8)} == {1}
        # The block ends with SIGKILL.
    assert json.loads((tmp_path / "router.json").read_text())["tries"] == [0, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("{", "holds no counts .*; remove it to begin anew", id="no JSON"),
        pytest.param("[]", "holds no counts .*; remove it to begin anew", id="no object"),
        pytest.param('{"tries": [1], "rewards": [1]}', "has 1 branches, the node has 2; remove it", id="branches"),
    ],
)
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "router.json").write_text(content)
    with pytest.raises(ValueError, match=rf"router\.json: {message}"):
        router(state_file=str(tmp_path / "router.json"))


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = router(state_file=str(tmp_path / "router.json"))
    made.send_feedback([[1.0]], [], 1.0, [], routing=0)
    before = (tmp_path / "router.json").read_text()

    def full(_: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        made.send_feedback([[1.0]], [], 1.0, [], routing=0)
    assert (tmp_path / "router.json").read_text() == before
    assert made.counts.tries == [1, 0]


# What surrounds them


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_component_can_be_called_in_the_way_of_the_contract(cls: type) -> None:
    made = cls(n_branches=2) if cls is EpsilonGreedy else cls()
    assert Component(made).methods


@pytest.mark.parametrize("manifest", sorted(COMPONENTS.rglob("*.yaml")), ids=lambda path: path.parent.name)
def test_a_manifest_is_admitted_without_a_warning(manifest: Path) -> None:
    assert validate(yaml.safe_load(manifest.read_text())) == []


def test_the_outlier_detector_shares_its_packages_layer_with_the_iris_image() -> None:
    iris = COMPONENTS.parent / "iris"
    detector = COMPONENTS / "outlier_detector"
    assert (detector / "requirements.txt").read_text() == (iris / "requirements.txt").read_text()
    assert (detector / "Dockerfile").read_text().splitlines()[:5] == (iris / "Dockerfile").read_text().splitlines()[:5]


def test_the_page_describes_every_component() -> None:
    page = (COMPONENTS / "README.md").read_text()
    folders = sorted(path.parent.name for path in COMPONENTS.glob("*/Dockerfile"))
    assert [folder for folder in folders if f"]({folder}" not in page] == []
    assert len(folders) == len(CLASSES)
