"""The reference pages say what the code does: nothing undocumented, nothing documented that is gone."""

from __future__ import annotations

import ast
import runpy
from typing import Any

import pytest

from tests.house.sources import ROOT, python_files

REFERENCE = ROOT / "docs" / "reference"
GENERATED: dict[str, Any] = runpy.run_path(str(REFERENCE / "generate.py"))
PAGES: dict[str, str] = GENERATED["pages"]()
ERROR_SLUGS = {error.slug for error in GENERATED["error_tree"](GENERATED["HeadwayError"])}


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_committed_page_is_what_the_code_says(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == PAGES[name], "run `make docs`"


def test_every_problem_of_a_fact_is_documented() -> None:
    raised = {
        slug for file in python_files("src") for slug in slugs_raised(ast.parse(file.read_text("utf-8")))
    }

    assert raised <= GENERATED["TEXTS"].keys()


def test_no_two_errors_share_a_problem_name() -> None:
    errors = list(GENERATED["error_tree"](GENERATED["HeadwayError"]))

    assert len(ERROR_SLUGS) == len(errors)


def slugs_raised(tree: ast.AST) -> set[str]:
    """The problem names of every `InvalidFact("…", …)` and `Refused("…", …)` below the node."""
    return {
        str(call.args[0].value)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name | ast.Attribute)
        and (call.func.id if isinstance(call.func, ast.Name) else call.func.attr)
        in ("InvalidFact", "Refused")
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
