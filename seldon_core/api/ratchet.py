"""Updates of an object that was wrong before: what the update does not touch must not stand in its way.

An error that the old object has too becomes a warning. Which of the old errors it is follows from the rule, the value
and the names of predictor, node, container and so on: never from a place in a list, which moves when another is added.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from .findings import Finding
from .objects import as_list, as_map, as_text

_STEP = re.compile(r"\.?([^.\[\]]+)|\[([^\]]*)\]")
_PATH = re.compile(r"spec\.predictors\[[^\s,;]*[^\s,;.]")


def ratcheted(findings: Iterable[Finding], obj: Any, old_findings: Iterable[Finding], old: Any) -> list[Finding]:
    """Return the findings about an object that is updated: errors that it had before are warnings.

    Args:
        findings: What is wrong with the object.
        obj: The object.
        old_findings: What was wrong with it before the update.
        old: The object before the update; any JSON value.
    """
    before: dict[tuple[str, str], list[object]] = {}
    for finding in old_findings:
        if finding.severity == "error":
            before.setdefault(_key(finding, old), []).append(finding.value)
    return [_softened(finding, before.get(_key(finding, obj), [])) for finding in findings]


def _softened(finding: Finding, values: list[object]) -> Finding:
    """Return the finding as a warning if it is one of the old ones, each of which stands for one only."""
    if finding.severity == "error":
        for index, value in enumerate(values):
            if type(value) is type(finding.value) and value == finding.value:
                del values[index]
                return replace(finding, severity="warning")
    return finding


def _key(finding: Finding, obj: Any) -> tuple[str, str]:
    return _named(finding.path, obj), _PATH.sub(lambda match: _named(match.group(), obj), finding.rule)


def _named(path: str, obj: Any) -> str:
    """Return a path with names in place of numbers, and without what says where a node or container is kept."""
    steps: list[str] = []
    here = obj
    for match in _STEP.finditer(path):
        field, item = match.groups()
        if field is not None:
            steps.append(f".{field}")
            here = as_map(here).get(field)
            if field == "graph":
                # The root is a node like those below it.
                _enter(steps, here, "")
        elif isinstance(here, list) and item.isdecimal() and int(item) < len(here):
            here = here[int(item)]
            _enter(steps, here, item)
        else:
            # The key of a mapping, which may hold dots.
            steps.append(f"[{item}]")
            here = as_map(here).get(item)
    return "".join(steps)


# Lists whose items are known by name within the predictor, and the step from which their names count.
_FLAT = {".children": ".graph", ".containers": ".componentSpecs", ".initContainers": ".componentSpecs"}


def _enter(steps: list[str], item: Any, number: str) -> None:
    """Add the step into an item of the list that the last step leads to."""
    kind = steps[-1] if steps else ""
    above = _FLAT.get(kind)
    if above in steps:
        del steps[steps.index(above) :]
        steps.append(above)
    steps.append(f"[{_name_of(item) or number}]")


def _name_of(item: Any) -> str:
    """Return what an item of a list is called: a componentSpec has the names of its containers where it has none."""
    fields = as_map(item)
    name = as_text(fields.get("name")) or as_text(as_map(fields.get("metadata")).get("name"))
    if name:
        return name
    if "containerPort" in fields:
        return repr(fields["containerPort"])
    listed = as_list(as_map(fields.get("spec")).get("containers"))
    return "-".join(as_text(as_map(container).get("name")) for container in listed)
