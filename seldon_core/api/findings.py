"""What is wrong with an object, in the words the user reads: the same in webhook, command line and status."""

import json
from dataclasses import dataclass
from typing import Any, Final, Literal

Severity = Literal["error", "warning"]

_SHOWN_CHARACTERS = 60


class _Absent:
    """The value of a field that is not there, which differs from one that is null."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or risky, in an object.

    Attributes:
        path: The field, as a user would type it: `spec.predictors[1].traffic`.
        value: What the field holds, or `ABSENT`.
        rule: What the value breaks, with the numbers or names that show it.
        remedy: What to write instead.
        severity: An error refuses the object; a warning is shown and the object is accepted.
    """

    path: str
    value: object
    rule: str
    remedy: str
    severity: Severity = "error"

    def __str__(self) -> str:
        """Return `path: value: rule; remedy`, without the value when the field is absent."""
        shown = "" if self.value is ABSENT else f" {short(self.value)}:"
        text = f"{self.path}:{shown} {self.rule}; {self.remedy}"
        # A JSON string may hold half a surrogate pair, which no terminal or HTTP body could be given.
        return text.encode("utf-8", "backslashreplace").decode()


def short(value: Any) -> str:
    """Return `value` as JSON on one line, cut to a length that fits into a message.

    Args:
        value: Anything that a YAML or JSON decoder returns.
    """
    # Encoded piece by piece: neither the size nor the depth of a value that is cut anyway costs anything.
    encoder = json.JSONEncoder(ensure_ascii=False, skipkeys=True, default=str)
    source = value[: _SHOWN_CHARACTERS + 1] if isinstance(value, str) else value
    text = ""
    for piece in encoder.iterencode(source):
        text += piece
        if len(text) > _SHOWN_CHARACTERS:
            return text[:_SHOWN_CHARACTERS] + "..."
    return text
