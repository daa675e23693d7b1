"""The demo's material: the source files of the Python standard library that this interpreter runs on."""

from __future__ import annotations

import os
import platform
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# Not part of the standard library, or not source: the first are installed beside it, the others are caches.
LEFT_OUT = frozenset({"site-packages", "dist-packages", "__pycache__"})
NAMES_IN_TITLE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source file."""

    path: Path
    name: str  # below the library's folder, with "/"
    size: int  # bytes

    @property
    def package(self) -> str:
        """The top folder it lies in, "modules" for files that lie in none."""
        return self.name.partition("/")[0] if "/" in self.name else "modules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A share of the library that one agent takes on."""

    title: str
    sources: tuple[Source, ...]

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(source.size for source in self.sources)


def version() -> str:
    """Which Python's library it is."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def folder() -> Path:
    """Where this interpreter keeps its standard library."""
    return Path(sysconfig.get_path("stdlib"))


def find_sources(root: Path) -> list[Source]:
    """Every Python source file below a folder, by name; links and files that cannot be read are left out."""
    found = []
    for place, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - LEFT_OUT)
        for file in files:
            path = Path(place, file)
            if path.suffix == ".py" and path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
                name = path.relative_to(root).as_posix()
                found.append(Source(path=path, name=name, size=path.stat().st_size))
    return sorted(found, key=lambda source: source.name)


def spread(sources: Sequence[Source], count: int) -> list[Source]:
    """At most `count` of the files, taken evenly from the whole list and always the same ones."""
    if count >= len(sources):
        return list(sources)
    return [sources[index * len(sources) // count] for index in range(count)]


def share(sources: Iterable[Source], parts: int) -> list[Shard]:
    """The files in at most `parts` shards of about the same size; neighbours in the library stay together."""
    files = sorted(sources, key=lambda source: (source.package, source.name))
    whole = sum(source.size for source in files) or 1
    groups: list[list[Source]] = [[] for _ in range(parts)]
    passed = 0
    for source in files:
        groups[min(passed * parts // whole, parts - 1)].append(source)
        passed += source.size
    return [Shard(title=_title(group), sources=tuple(group)) for group in groups if group]


def _title(sources: Sequence[Source]) -> str:
    packages = list(dict.fromkeys(source.package for source in sources))
    if len(packages) == 1:
        first, last = sources[0].path.stem, sources[-1].path.stem
        return f"{packages[0]}: {first}" + (f" to {last}" if len(sources) > 1 else "")
    named = ", ".join(packages[:NAMES_IN_TITLE])
    more = len(packages) - NAMES_IN_TITLE
    return f"{named} and {more} more" if more > 0 else named
