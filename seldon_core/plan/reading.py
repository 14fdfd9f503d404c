"""How the text of an environment variable becomes a value, or is refused with the rule that it breaks."""

import json
import re
from collections.abc import Callable, Mapping

# Implementation -> protocol -> image of the prepackaged server.
DEFAULT_SERVERS: Mapping[str, Mapping[str, str]] = {
    "MLFLOW_SERVER": {"seldon": "seldonio/mlflowserver:1.18.2", "v2": "seldonio/mlserver:1.3.5-mlflow"},
    "SKLEARN_SERVER": {"seldon": "seldonio/sklearnserver:1.18.2", "v2": "seldonio/mlserver:1.3.5-sklearn"},
    "XGBOOST_SERVER": {"seldon": "seldonio/xgboostserver:1.18.2", "v2": "seldonio/mlserver:1.3.5-xgboost"},
    "TENSORFLOW_SERVER": {"seldon": "seldonio/tfserving-proxy:1.18.2", "tensorflow": "tensorflow/serving:2.1.0"},
    "TRITON_SERVER": {"v2": "nvcr.io/nvidia/tritonserver:21.08-py3"},
    "HUGGINGFACE_SERVER": {"v2": "seldonio/mlserver:1.3.5-huggingface"},
    "TEMPO_SERVER": {"v2": "seldonio/mlserver:1.3.5-slim"},
}


def image(value: str) -> str:
    if not value or any(character.isspace() for character in value):
        raise ValueError("must name an image")
    return value


def one_of(*choices: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return read


def matching(pattern: str, rule: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(rule)
        return value

    return read


def number(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,10}", value) or not low <= int(value) <= high:
            raise ValueError(f"must be a number from {low} to {high}")
        return int(value)

    return read


def choice(values: Mapping[str, bool]) -> Callable[[str], bool]:
    def read(value: str) -> bool:
        if value not in values:
            raise ValueError(f"must be one of {', '.join(values)}")
        return values[value]

    return read


def user(value: str) -> int | None:
    if not value:
        return None
    if value == "0":
        raise ValueError("must not be root; leave it empty to run images as the user that they name")
    return number(1, 2**31 - 1)(value)


def flag(value: str) -> bool:
    known = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False, "": False}
    if value.lower() not in known:
        raise ValueError("must be true or false")
    return known[value.lower()]


PORT = number(1, 65535)
PORT_NAME = matching(
    r"(?!(http|grpc)$)(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*",
    "must be a port name other than http and grpc: at most 15 lower-case letters, digits and single dashes",
)
QUANTITY = matching(r"[0-9]+(\.[0-9]*)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?", "must be a quantity such as 500m or 512Mi")
PATH = matching(r"/[^\s?#]*", "must be a path that begins with /")
DOMAIN = matching(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", "must be a DNS domain")
CONTROLLER_ID = matching(
    r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?", "must be a label value: at most 63 letters, digits, . _ -"
)
NAME = matching(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", "must be the name of a Kubernetes object")
OPTIONAL_NAME = matching(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?", "must be empty or the name of a Kubernetes object")
URL = matching(r"https?://[^\s]+", "must be a URL that begins with http:// or https://")
GATEWAY = matching(r"([a-z0-9][a-z0-9.-]*/)?[a-z0-9][a-z0-9.-]*", "must be the name of a gateway, or namespace/name")


def servers(value: str) -> Mapping[str, Mapping[str, str]]:
    """Read the value `predictor_servers`: what it changes of the servers that are known, and those that it adds.

    Args:
        value: For each implementation and protocol an image and its tag, as JSON.

    Returns:
        Implementation -> protocol -> image.
    """
    try:
        given = json.loads(value or "{}")
    except ValueError as error:
        raise ValueError(f"must be JSON: {error}") from error
    found = {name: dict(images) for name, images in DEFAULT_SERVERS.items()}
    try:
        for implementation, server in given.items():
            images = found.setdefault(implementation, {})
            for protocol, entry in (server.get("protocols") or {}).items():
                images[protocol] = _image_of(entry, images.get(protocol, ""))
    except (AttributeError, KeyError, TypeError) as error:
        example = '{"MY_SERVER": {"protocols": {"seldon": {"image": "...", "defaultImageVersion": "..."}}}}'
        raise ValueError(f"must be like {example}") from error
    return found


def _image_of(entry: Mapping[str, str], known: str) -> str:
    """Return an image with its tag; what is given without an image is another tag of the one that is known."""
    image = entry.get("image") or (known.rpartition(":")[0] if known else entry["image"])
    version = entry.get("defaultImageVersion") or ""
    if not isinstance(image, str) or not isinstance(version, str):
        raise TypeError("an image and its tag are text")
    return f"{image}:{version}" if version else image


def gateways(value: str) -> tuple[tuple[str, str, str], ...]:
    """Read a list of gateways, each `namespace/name`, or `namespace/name/listener`.

    Returns:
        Namespace, name and listener of each; the listener is empty for all of them.
    """
    label = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
    found = []
    for item in filter(None, (part.strip() for part in value.split(","))):
        if not re.fullmatch(rf"{label}/{label}(/{label})?", item):
            raise ValueError("must be gateways separated by commas, each namespace/name or namespace/name/listener")
        namespace, name, *listener = item.split("/")
        found.append((namespace, name, "".join(listener)))
    return tuple(found)


def tls_mode(value: str) -> str:
    """Read how Istio's clients speak to pods; STRICT is a mode of servers, whose counterpart is ISTIO_MUTUAL."""
    known = ("", "DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL", "STRICT")
    if value not in known:
        raise ValueError(f"must be empty or one of {', '.join(known[1:])}")
    return "ISTIO_MUTUAL" if value == "STRICT" else value
