"""Helm, the default render, and the notes, shared by the tests of the charts."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hack.tools import find
from tests.chart.rendering import OPERATOR, OPERATOR_KEY, ROOT, Helm, Rendered

Notes = Callable[[Mapping[str, Any]], str]


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(find("helm"), tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def default(helm: Helm) -> Rendered:
    """The umbrella chart with nothing set."""
    return helm.template()


@pytest.fixture(scope="session")
def package(helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged umbrella chart."""
    folder = tmp_path_factory.mktemp("package")
    done = helm.run("package", ROOT, "--destination", folder)
    assert done.returncode == 0, done.stderr
    (archive,) = folder.iterdir()
    return archive


@pytest.fixture(scope="session")
def notes(helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Notes:
    """Renders NOTES.txt for values of the umbrella chart.

    `helm template` leaves the notes out, so a copy of the chart has them as a document that it does print.
    """
    copy = tmp_path_factory.mktemp("notes") / "seldon-core"
    shutil.copytree(ROOT / "templates", copy / "templates")
    shutil.copytree(OPERATOR, copy / "charts" / OPERATOR_KEY)
    for name in ("Chart.yaml", "values.yaml", "values.schema.json"):
        shutil.copy(ROOT / name, copy / name)
    text = (copy / "templates" / "NOTES.txt").read_text()
    probe = f'{{{{- define "probe" }}}}{text}{{{{ end -}}}}\nkind: Notes\ntext: {{{{ include "probe" . | toJson }}}}\n'
    (copy / "templates" / "probe.yaml").write_text(probe)

    def render(values: Mapping[str, Any]) -> str:
        (found,) = helm.template(values, chart=copy).of("Notes")
        return str(found["text"])

    return render
