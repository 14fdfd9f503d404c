"""The pages of docs/ as tests read them: fenced blocks in order, the commands among them, and the answers shown."""

import json
import math
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "wrap-your-model.md"


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that it shows, its text, and the section that it stands in."""

    language: str
    title: str
    text: str
    section: str


@dataclass(frozen=True)
class Page:
    """A page's blocks."""

    blocks: list[Block]

    @classmethod
    def read(cls, path: Path) -> Self:
        """The blocks of a page, in order."""
        found = []
        section = ""
        heading = r"^## (?P<section>[^\n]+)$"
        fence = r'^```(?P<language>\w+)(?: title="(?P<title>[^"\n]+)")?\n(?P<text>.*?)^```$'
        for match in re.finditer(f"{heading}|{fence}", path.read_text(), re.MULTILINE | re.DOTALL):
            section = match["section"] or section
            if match["language"]:
                found.append(Block(match["language"], match["title"] or "", match["text"], section))
        return cls(found)

    def without(self, *sections: str) -> "Page":
        """The page without the sections that begin so."""
        return Page([block for block in self.blocks if not block.section.startswith(sections)])

    def commands(self, *languages: str) -> str:
        """The text of all blocks in these languages."""
        return "".join(block.text for block in self.blocks if block.language in languages)

    def answers(self) -> list[Any]:
        """The JSON that the page shows."""
        return [json.loads(block.text) for block in self.blocks if block.language == "json"]


def free_ports(count: int) -> list[str]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def same(one: Any, other: Any) -> bool:
    """Equal, but for the last digits of numbers, which differ between processors."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)
