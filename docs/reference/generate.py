"""Writes the reference pages that follow from the code: facts, settings, problems, and the OpenAPI schema.

Usage: python docs/reference/generate.py
The house tests compare what is committed with what this makes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from headway.app import create_app
from headway.domain.checks import Rule
from headway.domain.errors import HeadwayError
from headway.domain.facts import KINDS, RULES, SERVER_KINDS
from headway.interfaces.rest.problem_texts import FIELD_TEXTS, HTTP_TEXTS, TEXTS
from headway.interfaces.rest.problems import STATUSES
from headway.settings import Settings, load_settings, setting_name

HERE = Path(__file__).resolve().parent

SETTINGS_PREAMBLE = """# Settings of the server

Made from `src/headway/settings.py` by `make docs`.

Each can be given in the environment or, in lower case and without `HEADWAY_`, in a file `headway.toml` in the
working folder (`port = 8400`). The command line wins over the environment, the environment over the file. A
value that cannot be used stops the start and names the setting; an unknown `HEADWAY_*` name is a warning that
names the nearest known one.
"""

PROBLEMS_PREAMBLE = """# Problems

Made from `src/headway/domain/errors.py` and `src/headway/interfaces/rest/problem_texts.py` by `make docs`.

Every error of the API is an `application/problem+json` document (RFC 9457). Its `type` is `/problems/` and
one of the names below; a name once published stays. `title` and `detail` are for people and may change.
Members beside them carry what is concerned, such as `field`, `limit` or `expected_seq`.
"""

FIELD_PREAMBLE = """
## Problems of one fact or field

The facts endpoint refuses single facts and keeps the rest of the batch. A refusal names the fact's `seq`,
the problem, the `field` and, where there is one, the `limit`. A request with one body is answered 422 with
the same names.
"""

HTTP_PREAMBLE = """
## Problems of the request itself
"""


FORMS = {
    "text": "text",
    "id": "UUID",
    "time": "ISO 8601 time with a zone, 2000 to 2100",
    "integer": "whole number",
    "number": "finite number",
    "flag": "true or false",
    "choice": "one of a set",
    "json": "any JSON",
    "object": "JSON object",
    "texts": "object of texts",
    "money": "dollars, best as a decimal text",
}
KINDS_PREAMBLE = """# Kinds of facts

Made from `src/headway/domain/facts.py` by `make docs`. How facts are sent is in
[Facts on the wire](facts-on-the-wire.md), what they do in [the lifecycle](../concepts/lifecycle.md).

A field in **bold** is needed, all others may be left out or `null`. Lengths of texts are in characters, of JSON in
bytes of its UTF-8 encoding.

## Fields of every fact
"""


def kinds_page() -> str:
    """A table of fields for each kind of fact that a client can report."""
    shared = RULES["heartbeat"]
    parts = [KINDS_PREAMBLE, *_field_rows(shared), ""]
    for kind, rules in RULES.items():
        if kind in SERVER_KINDS:
            continue
        about = " ".join((KINDS[kind].__doc__ or "").split())
        parts += [f"## `{kind}`\n\n{about}\n"]
        own = {name: rule for name, rule in rules.items() if name not in shared}
        parts += [*_field_rows(own), ""] if own else ["No other fields.\n"]
    return "\n".join(parts)


def _field_rows(rules: Mapping[str, Rule]) -> list[str]:
    rows = [
        f"| {f'**`{name}`**' if rule.required else f'`{name}`'} | {FORMS[rule.form]} | {_range_of(rule)} |"
        for name, rule in rules.items()
    ]
    return ["| field | form | limits |", "|---|---|---|", *rows]


def _range_of(rule: Rule) -> str:
    if rule.choices:
        return ", ".join(f"`{choice}`" for choice in rule.choices)
    unit = {"text": " characters", "json": " bytes", "object": " bytes", "texts": " entries"}.get(
        rule.form, ""
    )
    if rule.high is None:
        return "" if rule.low is None else f"at least {rule.low:,}{unit}"
    return f"up to {rule.high:,}{unit}" if rule.low is None else f"{rule.low:,} to {rule.high:,}{unit}"


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
    """One row for each error of the tree, for each problem of a single field, and for each of HTTP."""
    of_errors = {error.slug: error for error in error_tree(HeadwayError)}
    errors = [f"| `{slug}` | {status_of_kind(error)} | {TEXTS[slug]} |" for slug, error in of_errors.items()]
    return "\n".join(
        [
            PROBLEMS_PREAMBLE,
            "| problem | status | meaning |",
            "|---|---|---|",
            *errors,
            *_meanings(FIELD_PREAMBLE, FIELD_TEXTS),
            *_meanings(HTTP_PREAMBLE, HTTP_TEXTS),
            "",
        ]
    )


def _meanings(preamble: str, texts: dict[str, str]) -> list[str]:
    rows = [f"| `{slug}` | {meaning} |" for slug, meaning in sorted(texts.items())]
    return [preamble, "| problem | meaning |", "|---|---|", *rows]


def error_tree(error: type[HeadwayError]) -> Iterator[type[HeadwayError]]:
    """The errors of `headway.domain.errors`, parents first."""
    if error.__module__ == HeadwayError.__module__:
        yield error
        for child in error.__subclasses__():
            yield from error_tree(child)


def status_of_kind(error: type[HeadwayError]) -> int:
    """The HTTP status that errors of this kind are answered with."""
    return next(STATUSES[kind] for kind in error.__mro__ if kind in STATUSES)


def openapi_schema() -> str:
    """The schema of the REST API, as the server serves it at `/openapi.json`."""
    with TemporaryDirectory() as folder:
        settings, _ = load_settings({}, Path(folder), data_dir=folder)
        schema = create_app(settings).openapi()
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def pages() -> dict[str, str]:
    """File name → content of every page made from the code."""
    return {
        "fact-kinds.md": kinds_page(),
        "openapi.json": openapi_schema(),
        "problems.md": problems_page(),
        "settings.md": settings_page(),
    }


if __name__ == "__main__":
    for name, content in pages().items():
        (HERE / name).write_text(content, encoding="utf-8", newline="\n")
