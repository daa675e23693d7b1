"""The pages for users, and the examples in them: fenced blocks, with what a comment before them says.

| comment before a block | meaning |
|---|---|
| `<!-- not run: reason -->` | it cannot run here, and why |
| `<!-- stops after: text -->` | it would go on for ever; it is ended once it has printed the text |
| `<!-- an answer -->` | JSON that a server says, not one that it is sent |

A block of `text` is something to look at: output or a drawing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(
    r"(?:^<!-- (?P<directive>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<source>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One fenced block."""

    page: Path
    line: int  # of its fence
    language: str
    source: str
    directive: str  # the comment before it, empty without one

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"{name_of(self.page)}:{self.line}"

    def told(self, directive: str) -> str | None:
        """What the comment says after this word and a colon; None when it says something else."""
        word, _, rest = self.directive.partition(":")
        return rest.strip() if word == directive else None


def name_of(page: Path) -> str:
    """The page's name as people write it."""
    return page.relative_to(ROOT).as_posix()


def examples_of(page: Path) -> list[Example]:
    """The examples of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Example(
            page=page,
            line=text.count("\n", 0, found.start("language")) + 1,
            language=found["language"],
            source=found["source"],
            directive=found["directive"] or "",
        )
        for found in _FENCE.finditer(text)
    ]


def prose_of(page: Path) -> str:
    """The page without its examples."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links_of(page: Path) -> list[str]:
    """Where the page's links lead."""
    return _LINK.findall(prose_of(page))


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = _HEADING.findall(prose_of(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
