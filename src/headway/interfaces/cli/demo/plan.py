"""What the demo is going to do: which files, in how many shards, by how many processes, written where."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headway.interfaces.cli.demo.library import Shard, Source, find_sources, folder, share, spread, version

PROJECT = "headway-demo"
QUICK_FILES = 300
SHARDS, QUICK_SHARDS = 12, 6
PROCESSES = 2  # enough to see work side by side without taking the machine over
EVIDENCE, QUICK_EVIDENCE = 12, 3  # files after which the strongest compression is judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The work of one demo."""

    version: str  # of the Python whose library it is
    library: tuple[Source, ...]  # all of it
    sources: tuple[Source, ...]  # what is surveyed
    shards: tuple[Shard, ...]
    processes: int
    evidence: int  # files
    output: Path
    quick: bool

    @property
    def size(self) -> int:
        """Bytes of what is surveyed."""
        return sum(source.size for source in self.sources)

    def kind(self, work: str) -> str:
        """The type of a task; those of small demos differ, so that estimates compare like with like."""
        return f"{work}-quick" if self.quick else work

    def portions(self) -> list[Sequence[Shard]]:
        """The shards of each process, the large ones spread evenly."""
        return [self.shards[start :: self.processes] for start in range(self.processes)]


def make_plan(output: Path, *, quick: bool, files: int | None) -> Plan:
    """A plan for this machine.

    Args:
        output: folder for the report and the archive.
        quick: whether some seconds have to do.
        files: how many files at most; all of them (or some, when quick) when left out.
    """
    library = find_sources(folder())
    wanted = files or (QUICK_FILES if quick else len(library))
    sources = spread(library, wanted)
    shards = share(sources, QUICK_SHARDS if quick else SHARDS)
    return Plan(
        version=version(),
        library=tuple(library),
        sources=tuple(sources),
        shards=tuple(shards),
        processes=max(1, min(PROCESSES, len(shards), os.cpu_count() or 1)),
        evidence=QUICK_EVIDENCE if quick else EVIDENCE,
        output=output,
        quick=quick,
    )
