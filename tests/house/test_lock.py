"""The locked versions: complete, hashed, the same everywhere, and free of addresses."""

from __future__ import annotations

import re
import sys
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.house.sources import ROOT, imported_modules, python_files

OWNERS = {"starlette": "fastapi", "pydantic_core": "pydantic"}  # come with these, and are part of their face
LOCKS = ("build.txt", "dev.txt", "lock.txt")
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def locked(name: str) -> dict[str, Requirement]:
    """Distribution → its one pinned requirement; the hashes are cut off."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8").replace("\\\n", " ")
    pins = [Requirement(re.split(r"\s+--hash=", line)[0]) for line in text.splitlines() if line.strip()]
    return {pin.name: pin for pin in pins}


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_a_hash_and_no_line_an_address(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    pins = text.replace("\\\n", " ").splitlines()

    assert "://" not in text
    assert [pin for pin in pins if "--hash=sha256:" not in pin] == []


def test_what_is_developed_with_is_what_is_run() -> None:
    run, build, develop = locked("lock.txt"), locked("build.txt"), locked("dev.txt")

    assert {name: develop.get(name) for name in run} == run
    assert {name: str(develop[name].specifier) for name in build} == {
        name: str(pin.specifier) for name, pin in build.items()
    }


def test_the_lock_fits_what_the_project_asks_for() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    groups = PYPROJECT["dependency-groups"]
    wanted = [Requirement(text) for text in [*extras["server"], *extras["postgres"]]]
    tools = [Requirement(text) for group in groups.values() for text in group if isinstance(text, str)]

    assert unmet(wanted, locked("lock.txt")) == []
    assert unmet(tools, locked("dev.txt")) == []


def test_the_sdk_depends_on_nothing() -> None:
    assert PYPROJECT["project"]["dependencies"] == []


def test_everything_imported_is_asked_for() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    asked = {Requirement(text).name.replace("-", "_") for text in [*extras["server"], *extras["postgres"]]}
    files = [file for file in python_files("src") if "sdk" not in file.parts]
    imported = {name.partition(".")[0] for file in files for name in imported_modules(file)}

    foreign = imported - sys.stdlib_module_names - {"headway"}

    assert {OWNERS.get(name, name) for name in foreign} <= asked


def unmet(wanted: list[Requirement], pins: dict[str, Requirement]) -> list[str]:
    return [
        str(requirement)
        for requirement in wanted
        if requirement.name not in pins
        or not requirement.specifier.contains(str(pins[requirement.name].specifier).removeprefix("=="))
    ]
