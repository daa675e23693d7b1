"""The inspector: looks into what is really broken, and gets back from copies what can be got back.

Its failures are real: files that are no Python of this version, and copies that ended early or were damaged.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from headway.interfaces.cli.demo import archive
from headway.interfaces.cli.demo.library import Source
from headway.interfaces.cli.demo.plan import Plan
from headway.interfaces.cli.demo.report import Unreadable
from headway.interfaces.cli.demo.survey import survey_file
from headway.sdk.task_handle import TaskHandle

MOST_INSPECTED = 3
COPIED_SHARE = 0.6  # of a copy that is interrupted


def inspect(parent: TaskHandle, plan: Plan, unreadable: Sequence[Unreadable]) -> None:
    """Opens a task for each file that could not be read; it fails with what is wrong with the file.

    Where the surveyors could read everything, an interrupted copy of the largest file is looked at.
    """
    names = {file.name for file in unreadable[:MOST_INSPECTED]}
    files = [source for source in plan.sources if source.name in names] or [_interrupted_copy(plan)]
    with ThreadPoolExecutor(max_workers=MOST_INSPECTED) as pool:
        list(pool.map(lambda source: _inspect_one(parent, plan, source), files))


def _inspect_one(parent: TaskHandle, plan: Plan, source: Source) -> None:
    task = parent.child(f"Find out what {source.name} is", agent="inspector", task_type=plan.kind("inspect"))
    with suppress(SyntaxError), task:
        task.log(f"{source.size} bytes, SHA-256 {archive.sha256_of(source.path)}")
        task.progress(50, phase="parsing")
        survey_file(source.path, source.name)


def _interrupted_copy(plan: Plan) -> Source:
    """A copy of the largest file that ends too early to be Python: in the middle of its last function."""
    largest = max(plan.library, key=lambda source: source.size)
    copy = plan.output / f"interrupted-{largest.path.name}"
    lines = largest.path.read_bytes().splitlines(keepends=True)
    heads = [number for number, line in enumerate(lines) if line.lstrip().startswith(b"def ")]
    copy.write_bytes(b"".join(lines[: (heads or [0])[-1]]) + b"def ")
    return Source(path=copy, name=copy.name, size=copy.stat().st_size)


def restore_twice(parent: TaskHandle, plan: Plan, damage: str) -> None:
    """Restores a file from a broken copy, which fails, then from a whole one, which succeeds as run 2.

    Args:
        parent: the task it is part of.
        plan: names the files.
        damage: `truncated` or `damaged`.
    """
    source = _restored_source(plan, damage)
    original, copy = plan.output / f"{damage}-original.gz", plan.output / f"{damage}-copy.gz"
    archive.compress_file(source.path, original)
    _copy_badly(original, copy, damage)
    task = parent.child(
        f"Restore {source.name} from a {damage} copy", agent="restorer", task_type=plan.kind("restore")
    )
    expected = archive.sha256_of(source.path)
    with suppress(EOFError, OSError, zlib.error):
        _restore(task, copy, expected)
    if task.status != "failed":
        return
    archive.copy_whole(original, copy)
    task.retry()
    task.log(f"copied {copy.name} again: {copy.stat().st_size} of {original.stat().st_size} bytes are there")
    _restore(task, copy, expected)


def _restore(task: TaskHandle, copy: Path, expected_sha256: str) -> None:
    with task:
        task.log(f"{copy.name} has {copy.stat().st_size} bytes")
        task.progress(10, phase="unpacking")
        size = archive.restore(copy, expected_sha256)
        task.set_result({"bytes": size, "sha256": expected_sha256})


def _copy_badly(original: Path, copy: Path, damage: str) -> None:
    if damage == "truncated":
        archive.copy_part(original, copy, COPIED_SHARE)
    else:
        archive.copy_with_damage(original, copy)


def _restored_source(plan: Plan, damage: str) -> Source:
    """The largest file for one kind of damage, the second largest for the other."""
    ranked = sorted(plan.library, key=lambda source: -source.size)
    return ranked[0 if damage == "truncated" else 1]
