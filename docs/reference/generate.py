"""Writes the reference pages that follow from the code: settings and problems, and the OpenAPI schema.

Usage: python docs/reference/generate.py
The house tests compare what is committed with what this makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from headway.domain.errors import HeadwayError
from headway.settings import Settings, setting_name

HERE = Path(__file__).resolve().parent

SETTINGS_PREAMBLE = """# Settings of the server

Made from `src/headway/settings.py` by `make docs`.

Each can be given in the environment or, in lower case and without `HEADWAY_`, in a file `headway.toml` in the
working folder (`port = 8400`). The command line wins over the environment, the environment over the file. A
value that cannot be used stops the start and names the setting; an unknown `HEADWAY_*` name is a warning that
names the nearest known one.
"""

PROBLEMS_PREAMBLE = """# Problems

Made from `src/headway/domain/errors.py` by `make docs`.

Every error of the API is an `application/problem+json` document (RFC 9457). Its `type` is `/problems/` and
one of the names below; a name once published stays. `title` and `detail` are for people and may change.
Members beside them carry what is concerned, such as `field`, `limit` or `expected_seq`.
"""

FIELD_PREAMBLE = """
## Problems of one fact

The facts endpoint refuses single facts and keeps the rest of the batch. A refusal names the fact's `seq`, the
problem, the `field` and, where there is one, the `limit`.
"""

FIELD_PROBLEMS = {
    "bad-text": "The text holds a NUL character or a lone surrogate, which no database can keep.",
    "hash-mismatch": "The content does not have the SHA-256 that was sent with it.",
    "missing-field": "A field that this kind of fact needs is not there.",
    "not-finite": "The number is NaN or infinite, or the JSON is nested too deep.",
    "out-of-range": "The value lies outside the range, the time span or the set of choices in `limit`.",
    "part-exceeds-whole": "A part of the tokens is larger than the whole it belongs to.",
    "too-long": "The value is longer than `limit`.",
    "too-short": "The value is shorter than what is needed.",
    "unknown-kind": "There is no such kind of fact.",
    "unknown-run": "The task has no run of this number.",
    "wrong-type": "The value has another form than the field takes.",
}


def settings_page() -> str:
    """One row for each field of `Settings`."""
    rows = [
        f"| `{setting_name(setting)}` | {_shown_default(setting)} | {setting.metadata['about']} |"
        for setting in fields(Settings)
    ]
    return "\n".join([SETTINGS_PREAMBLE, "| name | default | what it does |", "|---|---|---|", *rows, ""])


def _shown_default(setting: Any) -> str:
    if setting.metadata["shown"]:
        return str(setting.metadata["shown"])
    return "none" if setting.default == () else f"`{setting.default}`"


def problems_page() -> str:
    """One row for each error of the tree, and one for each problem of a single field."""
    errors = [f"| `{error.slug}` | {_first_line(error)} |" for error in error_tree(HeadwayError)]
    single = [f"| `{slug}` | {meaning} |" for slug, meaning in sorted(FIELD_PROBLEMS.items())]
    head = ["| problem | meaning |", "|---|---|"]
    return "\n".join([PROBLEMS_PREAMBLE, *head, *errors, FIELD_PREAMBLE, *head, *single, ""])


def error_tree(error: type[HeadwayError]) -> Iterator[type[HeadwayError]]:
    """The errors of `headway.domain.errors`, parents first."""
    if error.__module__ == "headway.domain.errors":
        yield error
        for child in error.__subclasses__():
            yield from error_tree(child)


def _first_line(error: type[HeadwayError]) -> str:
    return (error.__doc__ or "").partition("\n")[0]


def pages() -> dict[str, str]:
    """File name → content of every page made from the code."""
    return {"problems.md": problems_page(), "settings.md": settings_page()}


if __name__ == "__main__":
    for name, content in pages().items():
        (HERE / name).write_text(content, encoding="utf-8", newline="\n")
