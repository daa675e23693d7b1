"""Sizes and places: what is too large is asked to split, and nothing hides in a room without a name."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.house.sources import PACKAGE, ROOT, functions, imported_modules, python_files, relative

LONGEST_FILE = 400
LONGEST_FUNCTION = 50
USUAL_FUNCTION = 40

# These lists may only get shorter: an entry whose file or function fits again must be removed.
OVERSIZED_FILES: set[str] = set()
OVERSIZED_FUNCTIONS: set[str] = set()
MIGRATIONS = (
    "src/headway/store/sql/migrations/versions/"  # lists of DDL, which nobody may change once released
)

NAMELESS_ROOMS = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}
FOLDERS = ("src", "tests", "benchmarks", "examples", "requirements", "docs")


def test_no_file_is_too_long() -> None:
    lengths = {
        relative(file): len(file.read_text(encoding="utf-8").splitlines())
        for file in python_files(*FOLDERS)
        if not relative(file).startswith(MIGRATIONS)
    }

    too_long = {name: length for name, length in lengths.items() if length > LONGEST_FILE}

    assert too_long.keys() == OVERSIZED_FILES, too_long


def test_no_function_is_too_long() -> None:
    lengths = {
        name: length
        for file in python_files("src")
        for name, length in functions(file)
        if not name.startswith(MIGRATIONS)
    }

    too_long = {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION}

    assert too_long.keys() == OVERSIZED_FUNCTIONS, too_long


def test_ninety_five_of_a_hundred_functions_are_under_forty_lines() -> None:
    lengths = [length for file in python_files("src") for _, length in functions(file)]

    assert sum(length < USUAL_FUNCTION for length in lengths) >= 0.95 * len(lengths)


def test_every_room_is_named_after_what_is_in_it() -> None:
    rooms = [path for path in PACKAGE.rglob("*") if path.is_dir() or path.suffix == ".py"]

    nameless = [relative(path) for path in rooms if NAMELESS_ROOMS & set(path.stem.split("_"))]

    assert nameless == []


def test_every_module_says_what_is_in_it() -> None:
    silent = [
        relative(file)
        for file in python_files("src", "benchmarks", "examples")
        if file.stat().st_size and not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    ]

    assert silent == []


def test_only_a_ledger_decides_what_state_a_task_is_in() -> None:
    importers = {
        relative(file).removeprefix("src/headway/")
        for file in python_files("src")
        if any(name.startswith("headway.domain.lifecycle") for name in imported_modules(file))
    }

    deciders = {name for name in importers if not name.startswith("domain/lifecycle/")}

    assert {name.partition("/")[0] for name in deciders} == {"store"}


def test_nobody_reads_the_environment_but_those_who_hand_it_down() -> None:
    readers = {
        relative(file)
        for file in python_files("src")
        if not relative(file).startswith(("src/headway/sdk/", "src/headway/interfaces/cli/"))
        and any(
            isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        )
    }

    assert readers <= {"src/headway/app.py"}


def test_a_new_utils_folder_breaks_the_import_contracts(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    utils = tmp_path / "src" / "headway" / "utils"
    utils.mkdir()
    (utils / "__init__.py").touch()

    program = "from importlinter.cli import lint_imports_command as run; run()"
    run = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src"), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert run.returncode == 1
    assert "utils" in run.stdout
