"""Running Helm on the charts of this repository, and reading what it renders."""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
OPERATOR = ROOT / "chart"
OPERATOR_KEY = "seldon-core-operator"
KUBERNETES = "1.30.0"  # the oldest version served

Object = dict[str, Any]


class RefusedError(Exception):
    """Helm refused to render; the message is what it printed."""


@dataclass(frozen=True)
class Rendered:
    """What one `helm template` printed."""

    text: str
    objects: tuple[Object, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        documents = yaml.load_all(self.text, Loader=yaml.CSafeLoader)
        object.__setattr__(self, "objects", tuple(document for document in documents if document is not None))

    def of(self, kind: str) -> list[Object]:
        return [found for found in self.objects if found["kind"] == kind]

    def one(self, kind: str, name: str) -> Object:
        (found,) = [found for found in self.of(kind) if found["metadata"]["name"] == name]
        return found

    def pods(self) -> dict[str, Object]:
        """The pod templates, by the name of the object that they belong to."""
        return {
            found["metadata"]["name"]: found["spec"]["template"]
            for found in self.objects
            if "template" in found.get("spec", {})
        }

    def container(self, owner: str) -> Object:
        (container,) = self.pods()[owner]["spec"]["containers"]
        return dict(container)

    def environment(self, owner: str) -> dict[str, str]:
        """The literal environment variables of an owner's container."""
        return {env["name"]: env["value"] for env in self.container(owner)["env"] if "value" in env}

    def argument(self, owner: str, flag: str) -> str:
        prefix = f"--{flag}="
        (found,) = [value for value in self.container(owner)["args"] if value.startswith(prefix)]
        return str(found.removeprefix(prefix))


@dataclass(frozen=True)
class Helm:
    """The helm program, with folders of its own and, unless a kubeconfig is given, no cluster in sight."""

    program: Path
    home: Path
    kubeconfig: Path = Path(os.devnull)

    def run(self, *arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "HELM_CACHE_HOME": str(self.home / "cache"),
            "HELM_CONFIG_HOME": str(self.home / "config"),
            "HELM_DATA_HOME": str(self.home / "data"),
            "KUBECONFIG": str(self.kubeconfig),
        }
        return subprocess.run(
            [self.program, *arguments],
            cwd=ROOT,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def template(
        self,
        values: Mapping[str, Any] | None = None,
        *,
        chart: Path = ROOT,
        arguments: Iterable[str] = (),
        release: str = "seldon",
        namespace: str = "seldon-system",
    ) -> Rendered:
        """Render a chart.

        Args:
            values: A values file's content, for the chart that is named.
            chart: The folder or package.
            arguments: Further arguments, such as `--set x=y`.
            release: Name of the release.
            namespace: Namespace of the release.

        Raises:
            RefusedError: Helm does not render it.
        """
        place = ("--namespace", namespace, "--kube-version", KUBERNETES)
        done = self.run("template", release, chart, *place, "--values", "-", *arguments, stdin=json.dumps(values or {}))
        if done.returncode != 0:
            raise RefusedError(done.stderr)
        return Rendered(done.stdout)

    def operator(self, values: Mapping[str, Any] | None = None, **options: Any) -> Rendered:
        """Render the umbrella chart with values for the operator chart."""
        return self.template({OPERATOR_KEY: dict(values or {})}, **options)

    def refusal(self, values: Mapping[str, Any], **options: Any) -> str:
        """What Helm prints when it refuses these values of the operator."""
        try:
            self.operator(values, **options)
        except RefusedError as refused:
            return str(refused)
        raise AssertionError(f"rendered in spite of {values}")
