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

_Key = tuple[str, str, type, object]

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
    before: dict[_Key, list[object]] = {}
    for finding in old_findings:
        if finding.severity == "error":
            before.setdefault(_key(finding, old), []).append(finding.value)
    return [_softened(finding, before, obj) for finding in findings]


def _softened(finding: Finding, before: dict[_Key, list[object]], obj: Any) -> Finding:
    """Return the finding as a warning if it is one of the old ones, each of which stands for one only."""
    if finding.severity == "error":
        values = before.get(_key(finding, obj), [])
        at = next((index for index, value in enumerate(values) if _same(value, finding.value)), None)
        if at is not None:
            del values[at]
            return replace(finding, severity="warning")
    return finding


def _key(finding: Finding, obj: Any) -> _Key:
    """Return what tells findings apart; values that can be part of it are, so that few are left to compare."""
    rule = _PATH.sub(lambda match: _named(match.group(), obj), finding.rule)
    scalar = finding.value if isinstance(finding.value, str | int | float) else None
    return _named(finding.path, obj), rule, type(finding.value), scalar


def _same(one: object, other: object) -> bool:
    try:
        return one == other
    except RecursionError:
        return False


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


# As many containers as tell a componentSpec from others; all of a long list would be read for every finding.
_TOLD_APART_BY = 10
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
    listed = as_list(as_map(fields.get("spec")).get("containers"))[:_TOLD_APART_BY]
    return "-".join(as_text(as_map(container).get("name")) for container in listed)
