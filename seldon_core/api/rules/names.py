"""Names that users choose and Kubernetes objects are named after; labels and annotations."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from .. import constants as c
from ..findings import ABSENT, Finding
from ..names import MAX_LENGTH
from ..objects import as_map

_SERVICE = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_KEY_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_MAX_SUBDOMAIN = 253
_DASHED = "lower-case letters, digits and dashes"
# A label with one of these keys is set by the controller, in selectors too; the second group is only replaced.
_OWNED_LABELS = {c.LABEL_SELDON_ID, c.LABEL_SELDON_APP, c.LABEL_APP, c.LABEL_CONTAINS_ENGINE, c.LABEL_MANAGED_BY}
_REPLACED_LABELS = {*c.ROLE_LABELS.values(), c.LABEL_SHADOW, c.LABEL_EXPLAINER}


def check_metadata(obj: dict[str, Any]) -> Iterator[Finding]:
    """Yield what is wrong with the name of a SeldonDeployment.

    Args:
        obj: The SeldonDeployment.
    """
    metadata = as_map(obj.get("metadata"))
    name, prefix = metadata.get("name"), metadata.get("generateName")
    if not name and isinstance(prefix, str) and prefix:
        # The API server appends a suffix that is right in itself.
        if not _SERVICE.fullmatch(f"{prefix}x"):
            yield _bad_service_name("metadata.generateName", prefix)
    elif not isinstance(name, str) or not name:
        value = ABSENT if name is None else name
        yield Finding("metadata.name", value, "is required", "add a name, for example name: my-model")
    elif not _SERVICE.fullmatch(name):
        yield _bad_service_name("metadata.name", name)


def is_label_name(name: str) -> bool:
    """Tell whether a name is a DNS label.

    Args:
        name: The name.
    """
    return len(name) <= MAX_LENGTH and _is_label(name)


# Each object comes here several times.
@lru_cache(maxsize=1024)
def _is_label(name: str) -> bool:
    return _LABEL.fullmatch(name) is not None


def check_label_name(name: str, path: str, purpose: str) -> Iterator[Finding]:
    """Yield what keeps a name from being a DNS label.

    Args:
        name: The name; an empty one yields nothing, as it is reported where it is required.
        path: Its path.
        purpose: Why it must be one, for the message.
    """
    if name and not _LABEL.fullmatch(name):
        rule = f"must be {_DASHED}, with a letter or digit at both ends, as {purpose}"
        yield Finding(path, name, rule, _suggestion(name, "model"))
    elif len(name) > MAX_LENGTH:
        yield _too_long(path, name, purpose)


def check_service_name(name: str, path: str) -> Iterator[Finding]:
    """Yield what keeps a name that a user gives to a Service from being one.

    Args:
        name: The name.
        path: Its path.
    """
    if not _SERVICE.fullmatch(name):
        yield _bad_service_name(path, name)
    elif len(name) > MAX_LENGTH:
        yield _too_long(path, name, "a Service has it")


def check_deployment_suffix(name: str, path: str) -> Iterator[Finding]:
    """Yield what keeps a name from being the last part of that of a Deployment.

    Args:
        name: The name; an empty one yields nothing.
        path: Its path.
    """
    if name and not _SUBDOMAIN.fullmatch(name):
        rule = f"must be {_DASHED}, with a letter or digit at both ends, as the Deployment is named after it"
        yield Finding(path, name, rule, _suggestion(name, "model"))


def check_labels(labels: Any, path: str) -> Iterator[Finding]:
    """Yield labels that Kubernetes refuses or that belong to the controller.

    Args:
        labels: The labels; values that are no strings are left to the check of shape.
        path: Their path.
    """
    for key, value in as_map(labels).items():
        where = f"{path}[{key}]"
        yield from _check_key(key, where, "labels")
        if isinstance(value, str) and value and not (_KEY_NAME.fullmatch(value) and len(value) <= MAX_LENGTH):
            rule = f"a label's value has at most {MAX_LENGTH} letters, digits, dashes, dots and underscores"
            yield Finding(where, value, rule, "shorten or replace it, or make it an annotation")
        if key in _OWNED_LABELS or str(key).startswith(c.LABEL_CONTAINER_SERVICE_PREFIX):
            yield Finding(where, value, "is set by the controller, which selects pods by it", "choose another key")
        elif key in _REPLACED_LABELS:
            yield Finding(where, value, "is set by the controller", "remove it: the value is replaced", "warning")


def check_annotation_keys(annotations: Any, path: str) -> Iterator[Finding]:
    """Yield annotations whose key Kubernetes refuses.

    Args:
        annotations: The annotations.
        path: Their path.
    """
    for key in as_map(annotations):
        yield from _check_key(key, f"{path}[{key}]", "annotations")


def _check_key(key: Any, path: str, what: str) -> Iterator[Finding]:
    prefix, slash, name = str(key).rpartition("/")
    good_prefix = not slash or (_SUBDOMAIN.fullmatch(prefix) and len(prefix) <= _MAX_SUBDOMAIN)
    if not (good_prefix and _KEY_NAME.fullmatch(name) and len(name) <= MAX_LENGTH):
        characters = f"at most {MAX_LENGTH} letters, digits, dashes, dots and underscores"
        rule = f"a key of {what} is {characters}, if need be after a domain and a slash"
        yield Finding(path, ABSENT, rule, "rename the key, for example example.com/team")


def _bad_service_name(path: str, name: str) -> Finding:
    rule = f"must be {_DASHED}, begin with a letter and end with a letter or digit, as Services are named after it"
    return Finding(path, name, rule, _suggestion(name, "my-model", letter_first=True))


def _too_long(path: str, name: str, purpose: str) -> Finding:
    return Finding(
        path, name, f"has {len(name)} characters, must have {MAX_LENGTH} at most, as {purpose}", "shorten it"
    )


def _suggestion(name: str, example: str, *, letter_first: bool = False) -> str:
    """Return the remedy for a misspelt name: the nearest good one, or an example."""
    fitting = re.sub(r"[^a-z0-9]+", "-", name[:MAX_LENGTH].lower()).strip("-")
    if letter_first and fitting[:1].isdigit():
        fitting = f"model-{fitting}"[:MAX_LENGTH].rstrip("-")
    return f"write {fitting}" if fitting else f"write a name such as {example}"
