"""The demo's report: what the surveys of single files come to, as Markdown."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headway.interfaces.cli.demo.archive import Throughput
from headway.interfaces.cli.demo.survey import FileSurvey, Function

TOP = 10
TEST_FOLDERS = frozenset({"test", "tests", "idle_test"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A file that is not Python of this version."""

    name: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything the crew found out."""

    version: str
    surveys: Sequence[FileSurvey]
    unreadable: Sequence[Unreadable]
    strongest: Throughput  # of the attempt at the strongest compression
    usual: Throughput  # the usual compression of the same files


def totals(findings: Findings) -> dict[str, int | float | None]:
    """The figures that stand at the top of the report."""
    functions = [function for survey in findings.surveys for function in survey.functions]
    public = [
        function
        for survey in findings.surveys
        if not is_test(survey.name)
        for function in survey.functions
        if function.public
    ]
    return {
        "files": len(findings.surveys),
        "unreadable_files": len(findings.unreadable),
        "lines": sum(survey.lines for survey in findings.surveys),
        "classes": sum(survey.classes for survey in findings.surveys),
        "functions": len(functions),
        "docstring_coverage_percent_outside_tests": share(
            sum(function.documented for function in public), len(public)
        ),
        "copied_functions": sum(len(copies) - 1 for copies in copied(findings.surveys)),
    }


def is_test(name: str) -> bool:
    """Whether a file belongs to the library's tests, whose functions nobody documents."""
    return not TEST_FOLDERS.isdisjoint(name.split("/")[:-1])


def share(part: int, whole: int) -> float | None:
    """A percentage to one digit, None of nothing."""
    return round(100 * part / whole, 1) if whole else None


def copied(surveys: Iterable[FileSurvey]) -> list[list[tuple[FileSurvey, Function]]]:
    """Groups of functions in different files whose code is the same, the largest loss of lines first."""
    groups: defaultdict[str, list[tuple[FileSurvey, Function]]] = defaultdict(list)
    for survey in surveys:
        for function in survey.functions:
            if function.fingerprint:
                groups[function.fingerprint].append((survey, function))
    found = [group for group in groups.values() if len({survey.name for survey, _ in group}) > 1]
    return sorted(found, key=lambda group: -(len(group) - 1) * group[0][1].lines)


def write_report(findings: Findings) -> str:
    """The report as Markdown."""
    placed = [(survey, function) for survey in findings.surveys for function in survey.functions]
    longest = sorted(placed, key=lambda pair: -pair[1].lines)[:TOP]
    tangled = sorted(placed, key=lambda pair: -pair[1].complexity)[:TOP]
    parts = [
        f"# The standard library of {findings.version}",
        _bullets(totals(findings)),
        "## Packages\n\n" + _packages(findings.surveys),
        "## Longest functions\n\n" + _functions(longest, "lines"),
        "## Most complex functions\n\n" + _functions(tangled, "complexity"),
        "## Most imported modules\n\n" + _imported(findings.surveys),
        "## Copied code\n\n" + _copies(copied(findings.surveys)[:TOP]),
        "## Not Python of this version\n\n" + _unreadable(findings.unreadable),
        "## Compression\n\n" + _compression(findings),
    ]
    return "\n\n".join(parts) + "\n"


def _bullets(figures: Mapping[str, int | float | None]) -> str:
    return "\n".join(
        f"- {name.replace('_', ' ')}: {'unknown' if value is None else f'{value:,}'}"
        for name, value in figures.items()
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(str(value).replace("|", "\\|") for value in row) + " |" for row in rows]
    return "\n".join(lines)


def _packages(surveys: Sequence[FileSurvey]) -> str:
    groups: defaultdict[str, list[FileSurvey]] = defaultdict(list)
    for survey in surveys:
        groups[survey.name.partition("/")[0] if "/" in survey.name else "(modules)"].append(survey)
    rows = []
    for name, members in groups.items():
        functions = [function for survey in members for function in survey.functions]
        public = [function for function in functions if function.public]
        documented = share(sum(function.documented for function in public), len(public))
        lines = sum(survey.lines for survey in members)
        mean = sum(function.complexity for function in functions) / len(functions) if functions else None
        rows.append((name, len(members), lines, len(functions), documented, mean))
    rows.sort(key=lambda row: -row[2])
    heads = ("package", "files", "lines", "functions", "documented", "mean complexity")
    return _table(
        heads,
        (
            (name, files, f"{lines:,}", functions, _unit(documented, " %"), _unit(mean, ""))
            for name, files, lines, functions, documented, mean in rows
        ),
    )


def _unit(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:.1f}{unit}"


def _functions(placed: Sequence[tuple[FileSurvey, Function]], head: str) -> str:
    rows = (
        (f"`{function.name}`", f"{survey.name}:{function.line}", getattr(function, head))
        for survey, function in placed
    )
    return _table(("function", "where", head), rows)


def _imported(surveys: Sequence[FileSurvey]) -> str:
    counts = Counter(name for survey in surveys for name in survey.imports)
    return _table(
        ("module", "imported by files"), ((f"`{name}`", count) for name, count in counts.most_common(TOP))
    )


def _copies(groups: Sequence[Sequence[tuple[FileSurvey, Function]]]) -> str:
    if not groups:
        return "None found."
    rows = (
        (
            f"`{group[0][1].name}`",
            group[0][1].lines,
            len(group),
            ", ".join(sorted({survey.name for survey, _ in group})[:4]),
        )
        for group in groups
    )
    return _table(("function", "lines", "copies", "files"), rows)


def _unreadable(files: Sequence[Unreadable]) -> str:
    if not files:
        return "Every file could be read."
    return _table(("file", "problem"), ((file.name, file.problem) for file in files))


def _compression(findings: Findings) -> str:
    rows = (
        (name, f"{measured.size:,}", _unit(_percent(measured.ratio), " %"), _unit(measured.mb_per_s, ""))
        for name, measured in (("deflate, level 6", findings.usual), ("xz, strongest", findings.strongest))
    )
    return _table(("method", "bytes read", "of their size", "MB/s"), rows)


def _percent(ratio: float | None) -> float | None:
    return None if ratio is None else 100 * ratio
