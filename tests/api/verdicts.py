"""What validation says, read in the ways that tests compare it."""

from typing import Any

from seldon_core.api.findings import Finding
from seldon_core.api.validate import validate
from tests.api.samples import UNSERVED


def refusals(obj: Any, old: Any = None) -> list[Finding]:
    """What the rules refuse; what this version does not serve is refused beside that."""
    return [finding for finding in validate(obj, old) if finding.severity == "error" and UNSERVED not in finding.rule]


def errors(obj: Any) -> list[str]:
    return [str(finding) for finding in refusals(obj)]


def paths(obj: Any, old: Any = None) -> list[str]:
    return [finding.path for finding in refusals(obj, old)]


def warnings(obj: Any) -> list[str]:
    return [str(finding) for finding in validate(obj) if finding.severity == "warning"]
