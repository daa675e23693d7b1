"""What the pages name exists: links, tests, commands, public names, methods."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import headway
from headway.domain.lifecycle import HANDLERS
from headway.interfaces.cli.main import COMMANDS
from tests.examples.pages import PAGES, ROOT, anchors_of, links_of, name_of, prose_of

TESTS = {
    name
    for file in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    dead = [link for link in links_of(page) if "://" not in link and not leads_somewhere(page, link)]

    assert dead == []


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not anchor or anchor in anchors_of(target))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"`(test_\w+)`", prose_of(page)))

    assert named <= TESTS


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        for link in links_of(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target in PAGES and target not in reached:
                waiting.append(target)

    assert set(PAGES) - reached == set()


def test_the_readme_links_the_one_function_that_decides_a_status() -> None:
    assert "src/headway/domain/lifecycle/__init__.py" in links_of(ROOT / "README.md")


def test_the_lifecycle_explains_every_kind_of_fact_that_moves_a_run() -> None:
    prose = prose_of(ROOT / "docs/concepts/lifecycle.md")
    moving = {kind for kind, handler in HANDLERS.items() if handler.__module__.endswith(".runs")}

    assert {kind for kind in moving if f"`{kind}`" not in prose} == set()


def test_every_command_is_documented() -> None:
    prose = prose_of(ROOT / "docs/reference/cli.md")

    assert {name for name in COMMANDS if f"`headway {name}" not in prose} == set()


def test_every_public_name_of_the_sdk_is_documented() -> None:
    prose = prose_of(ROOT / "docs/reference/sdk.md")

    assert {name for name in headway.__all__ if not re.search(rf"`{name}[`(]", prose)} == set()


@pytest.mark.parametrize(
    ("heading", "owner"), [("TaskHandle", headway.TaskHandle), ("Client", headway.Client)]
)
def test_every_method_of_the_sdk_is_documented_and_none_that_is_gone(heading: str, owner: type) -> None:
    section = prose_of(ROOT / "docs/reference/sdk.md").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)(?:\([^`]*)?`", section))
    public = {name for name in dir(owner) if not name.startswith("_")}

    assert named <= public | {"name", "run", "status"}
    assert public - named - INTERNAL == set()


# Public in Python's eyes, but not for users: what the progress bar and the process's end need of a handle.
INTERNAL = {"claim_progress", "release_progress", "end_with", "end_with_process", "create", "line", "close"}
