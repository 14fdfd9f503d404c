"""What the engine serves: the predictor, and the annotations that tune it."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from seldon_core.api.findings import short
from seldon_core.api.objects import as_list, as_map
from seldon_core.engine.flags import UsageError
from seldon_core.engine.graph import SELDON, GraphError, Node, build_graph
from seldon_core.transport.limits import MIB, Limits

VARIABLE = "ENGINE_PREDICTOR"
REST_TIMEOUT = "seldon.io/rest-timeout"
DEFAULT_TIMEOUT_MILLISECONDS = 600_000
REST_BODY = "seldon.io/rest-max-body-size"
DEFAULT_BODY_BYTES = Limits().body_bytes
DEFAULT_BUFFERED_BYTES = 128 * MIB
# Where the kernel says how much memory the container may use: control groups version 2, and version 1.
MEMORY_LIMIT_FILES = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
# Without a limit, version 1 shows a number beyond any machine.
_NO_LIMIT = 1 << 60


@dataclass(frozen=True, slots=True)
class Predictor:
    """What is served.

    Attributes:
        root: the graph.
        images: name of each container -> its image.
        version: for the metrics.
        timeout: seconds that a prediction may take as a whole.
        body_bytes: what the body of a request or of an answer may hold.
    """

    root: Node
    images: Mapping[str, str]
    version: str
    timeout: float
    body_bytes: int = DEFAULT_BODY_BYTES


def read_predictor(raw: Mapping[str, Any], pod_annotations: Mapping[str, str], protocol: str = SELDON) -> Predictor:
    """Make sense of a predictor.

    Args:
        raw: the predictor, its nodes with their endpoints.
        pod_annotations: the annotations of the pod, which win over those of the predictor.
        protocol: of the messages.

    Raises:
        UsageError: it cannot be served.
    """
    problems: list[str] = []
    root = None
    try:
        root = build_graph(raw, protocol)
    except GraphError as error:
        problems += map(str, error.findings)
    annotations = {**as_map(raw.get("annotations")), **pod_annotations}
    timeout, body_bytes = 0.0, 0
    try:
        timeout = (
            _whole(annotations, REST_TIMEOUT, "milliseconds; write 5000 for five seconds", DEFAULT_TIMEOUT_MILLISECONDS)
            / 1000
        )
    except ValueError as error:
        problems.append(str(error))
    try:
        body_bytes = _whole(annotations, REST_BODY, "bytes; write 1000000 for a megabyte", DEFAULT_BODY_BYTES)
    except ValueError as error:
        problems.append(str(error))
    if problems or root is None:
        raise UsageError(problems)
    version = as_map(raw.get("labels")).get("version") or annotations.get("version") or ""
    return Predictor(root, _images(raw), str(version), timeout, body_bytes)


def predictor_from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """The predictor that the controller passes on, as base64 of JSON.

    Raises:
        UsageError: it is missing or cannot be decoded.
    """
    encoded = environ.get(VARIABLE)
    if not encoded:
        state = "is empty" if encoded is not None else "is not set"
        raise UsageError([f"the environment variable {VARIABLE} {state}; set it to base64 of a predictor in JSON"])
    try:
        raw = msgspec.json.decode(base64.b64decode(encoded, validate=True))
    except (ValueError, RecursionError) as error:
        kind = "base64" if isinstance(error, binascii.Error) else "JSON"
        raise UsageError(
            [f"{VARIABLE}: {short(encoded)}: is not {kind} ({error}); give base64 of a predictor in JSON"]
        ) from None
    if not isinstance(raw, dict):
        raise UsageError([f"{VARIABLE}: {short(raw)}: a predictor must be a JSON object"])
    return raw


def predictor_from_file(path: Path, name: str) -> dict[str, Any]:
    """A predictor of a SeldonDeployment in a file; nodes without an endpoint get the one they would have in a pod.

    Args:
        path: the file, in YAML.
        name: of the predictor.

    Raises:
        UsageError: the file cannot be read, or does not hold the predictor.
    """
    # Imported here because an engine in a pod needs neither.
    import yaml

    from seldon_core.api.defaults import PortSettings, plan_defaults
    from seldon_core.api.graph import walk

    if path.suffix not in (".yaml", ".yml"):
        raise UsageError([f"--file: {str(path)!r}: unsupported file type {path.suffix!r}; give a .yaml file"])
    try:
        obj = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UsageError([f"--file: {str(path)!r}: {(error.strerror or str(error)).lower()}"]) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError([f"--file: {str(path)!r}: is not YAML: {error}"]) from None
    predictors = as_list(as_map(as_map(obj).get("spec")).get("predictors"))
    names = [as_map(predictor).get("name") for predictor in predictors]
    if name not in names:
        raise UsageError([f"--predictor: {name!r}: predictor not found in {path}; it has {short(names)}"])
    written = predictors[names.index(name)]
    planned = plan_defaults(obj, PortSettings())["spec"]["predictors"][names.index(name)]
    for (_, node), (_, own) in zip(walk(planned.get("graph")), walk(written.get("graph")), strict=True):
        if as_map(own.get("endpoint")).get("service_host"):
            node["endpoint"] = own["endpoint"]
    return dict(planned)


def buffered_bytes(files: tuple[Path, ...] = MEMORY_LIMIT_FILES) -> int:
    """How many bytes of bodies may be in memory: half of what the container may use, where that is limited."""
    for path in files:
        try:
            limit = int(path.read_text())
        except (OSError, ValueError):
            continue  # "max" stands for no limit
        if 0 < limit < _NO_LIMIT:
            return limit // 2
    return DEFAULT_BUFFERED_BYTES


def _whole(annotations: Mapping[str, Any], key: str, unit: str, default: int) -> int:
    text = annotations.get(key)
    if text is None:
        return default
    if not str(text).isdecimal() or not 0 < int(text) < 1 << 31:
        raise ValueError(f"annotation {key}: {short(text)}: must be a number of {unit}")
    return int(text)


def _images(raw: Mapping[str, Any]) -> dict[str, str]:
    images = {}
    for component in as_list(raw.get("componentSpecs")):
        for container in as_list(as_map(as_map(component).get("spec")).get("containers")):
            name, image = as_map(container).get("name"), as_map(container).get("image")
            if isinstance(name, str) and isinstance(image, str):
                images[name] = image
    return images
