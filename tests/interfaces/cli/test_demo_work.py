"""The work of the demo by itself: what it finds out about real files is true."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from headway.interfaces.cli.demo import archive
from headway.interfaces.cli.demo.crew import verdict
from headway.interfaces.cli.demo.library import Source, find_sources, folder, share, spread
from headway.interfaces.cli.demo.plan import make_plan
from headway.interfaces.cli.demo.report import Findings, Unreadable, copied, totals, write_report
from headway.interfaces.cli.demo.survey import FileSurvey, survey_file
from headway.interfaces.cli.demo.surveyor import understand

PROGRAM = '''"""A module."""

import os
from collections import Counter


class Shelf:
    def put(self, item, *, where=None):
        """Puts it there."""
        if item and where:
            return [x for x in item if x]
        try:
            os.stat(where)
        except OSError:
            pass

        def inner():
            return 1 if where else 2

        return inner

    def _hidden(self):  # not public
        return Counter()
'''


def source_of(path: Path, content: str | bytes) -> Source:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Source(path=path, name=path.name, size=path.stat().st_size)


def test_a_survey_counts_what_is_in_a_file(tmp_path: Path) -> None:
    source = source_of(tmp_path / "shelf.py", PROGRAM)

    found = survey_file(source.path, source.name)

    assert (found.lines, found.comment_lines, found.classes) == (23, 1, 1)
    assert found.documented
    assert found.imports == ("collections", "os")
    functions = {function.name: function for function in found.functions}
    assert set(functions) == {"Shelf.put", "Shelf.put.inner", "Shelf._hidden"}
    put = functions["Shelf.put"]
    # One path, `if`, `and`, the comprehension and its `if`, `except`; what `inner` decides is its own.
    assert (put.line, put.lines, put.complexity, put.documented, put.public) == (8, 13, 6, True, True)
    assert functions["Shelf.put.inner"].complexity == 2
    assert not functions["Shelf._hidden"].public


def test_a_survey_comes_through_json_unchanged(tmp_path: Path) -> None:
    source = source_of(tmp_path / "shelf.py", PROGRAM)
    found = survey_file(source.path, source.name)

    assert understand(json.dumps(found.as_json())) == found
    assert understand('{"name": "a.py", "problem": "bad"}') == ("a.py", "bad")


@pytest.mark.parametrize("content", [b"def f(:\n", b"x = '\xff'\n", b"\0", b"def f():\n    x = (1,\n"])
def test_what_is_no_python_is_a_syntax_error(tmp_path: Path, content: bytes) -> None:
    source = source_of(tmp_path / "broken.py", content)

    with pytest.raises(SyntaxError):
        survey_file(source.path, source.name)


def test_copied_functions_are_found_across_files_whatever_they_are_called(tmp_path: Path) -> None:
    body = "\n".join(f"    x{number} = {number}" for number in range(10))
    first = source_of(tmp_path / "a.py", f"def one():\n    '''Text.'''\n{body}\n")
    second = source_of(tmp_path / "b.py", f"def two():\n{body}\n")
    third = source_of(tmp_path / "c.py", f"def three():\n{body}\n    x = 0\n")

    surveys = [survey_file(source.path, source.name) for source in (first, second, third)]

    groups = copied(surveys)
    assert [[function.name for _, function in group] for group in groups] == [["one", "two"]]


def test_shards_hold_every_file_once_and_are_of_about_the_same_size() -> None:
    sources = find_sources(folder())

    shards = share(sources, 12)

    names = sorted(source.name for shard in shards for source in shard.sources)
    assert names == sorted(source.name for source in sources)
    largest_file = max(source.size for source in sources)
    assert max(shard.size for shard in shards) - min(shard.size for shard in shards) <= 2 * largest_file
    assert len({shard.title for shard in shards}) == len(shards)


def test_a_smaller_demo_reads_the_same_files_each_time() -> None:
    sources = find_sources(folder())

    assert spread(sources, 40) == spread(sources, 40)
    assert len(set(spread(sources, 40))) == 40
    assert spread(sources, len(sources) + 1) == sources


def test_a_plan_gives_every_shard_to_one_process(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, quick=True, files=60)

    given = [shard for portion in plan.portions() for shard in portion]

    assert sorted(shard.title for shard in given) == sorted(shard.title for shard in plan.shards)
    assert sum(len(shard.sources) for shard in given) == 60


def test_what_was_packed_comes_back_and_a_changed_file_is_noticed(tmp_path: Path) -> None:
    sources = [source_of(tmp_path / f"{name}.py", PROGRAM * count) for name, count in (("a", 1), ("b", 50))]
    measured, target = archive.Throughput(), tmp_path / "packed.zip"

    manifest = list(archive.pack(sources, target, measured))

    assert [packed.sha256 for packed in manifest] == [
        hashlib.sha256(source.path.read_bytes()).hexdigest() for source in sources
    ]
    assert measured.size == sum(source.size for source in sources)
    assert measured.packed_size == sum(packed.packed_size for packed in manifest)
    assert list(archive.verify(target, manifest)) == ["a.py", "b.py"]
    wrong = [archive.Packed(name="a.py", size=1, packed_size=1, sha256="0" * 64)]
    with pytest.raises(ValueError, match=r"a\.py differs"):
        list(archive.verify(target, wrong))


def test_broken_copies_cannot_be_restored_and_whole_ones_can(tmp_path: Path) -> None:
    source = source_of(tmp_path / "shelf.py", PROGRAM * 20)
    packed, copy = tmp_path / "shelf.gz", tmp_path / "copy.gz"
    archive.compress_file(source.path, packed)
    expected = archive.sha256_of(source.path)

    archive.copy_part(packed, copy, 0.6)
    with pytest.raises(EOFError):
        archive.restore(copy, expected)
    archive.copy_with_damage(packed, copy)
    with pytest.raises(gzip.BadGzipFile, match="CRC"):
        archive.restore(copy, expected)
    archive.copy_whole(packed, copy)

    assert archive.restore(copy, expected) == source.size
    with pytest.raises(ValueError, match="another file"):
        archive.restore(copy, "0" * 64)


def test_the_report_says_what_the_surveys_say(tmp_path: Path) -> None:
    source = source_of(tmp_path / "shelf.py", PROGRAM)
    survey = survey_file(source.path, source.name)
    findings = findings_of([survey], [Unreadable(name="bad.py", problem="invalid | syntax")])

    report = write_report(findings)

    assert totals(findings) == {
        "files": 1,
        "unreadable_files": 1,
        "lines": 23,
        "classes": 1,
        "functions": 3,
        "docstring_coverage_percent_outside_tests": 50.0,
        "copied_functions": 0,
    }
    assert "| `Shelf.put` | shelf.py:8 | 13 |" in report
    assert "| bad.py | invalid \\| syntax |" in report


def test_a_report_about_nothing_says_unknown_instead_of_zero() -> None:
    findings = findings_of([], [])

    assert totals(findings)["docstring_coverage_percent_outside_tests"] is None
    assert "unknown" in write_report(findings)


def test_the_verdict_on_the_strongest_compression_is_made_of_measurements() -> None:
    strongest = archive.Throughput(size=2_000_000, packed_size=300_000, seconds=2.0)
    usual = archive.Throughput(size=2_000_000, packed_size=400_000, seconds=0.1)

    assert verdict(strongest, usual) == (
        "on the same 2.0 MB the strongest compression leaves 15 % instead of 20 %, "
        "at 1.0 MB/s instead of 20.0 MB/s"
    )


def findings_of(surveys: list[FileSurvey], unreadable: list[Unreadable]) -> Findings:
    return Findings(
        version="CPython 3.11",
        surveys=surveys,
        unreadable=unreadable,
        strongest=archive.Throughput(),
        usual=archive.Throughput(),
    )
