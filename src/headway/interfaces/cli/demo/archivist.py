"""The archivist: packs the files, proves that they come back, and tries stronger compression."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import headway
from headway.interfaces.cli.demo.archive import (
    Packed,
    Throughput,
    compare_strongest,
    pack,
    verify,
    write_manifest,
)
from headway.interfaces.cli.demo.library import Source
from headway.interfaces.cli.demo.plan import Plan
from headway.sdk.task_handle import TaskHandle

MEASURES = 10  # how often the throughput is reported while packing


@dataclass(slots=True, kw_only=True)
class Archivist:
    """One archivist with two jobs that run side by side, in threads of the editor's process."""

    plan: Plan
    parent: TaskHandle
    strongest: Throughput = field(default_factory=Throughput)
    usual: Throughput = field(default_factory=Throughput)  # on the same files as `strongest`
    attempt: TaskHandle | None = None
    evidence: Event = field(default_factory=Event)  # enough is known to judge the attempt
    given_up: Event = field(default_factory=Event)  # the editor has stopped: nobody waits for anything

    def pack(self) -> None:
        """Packs all files, then reads every one back."""
        target = self.plan.output / "library.zip"
        with self.parent.child(
            "Pack the library", agent="archivist", task_type=self.plan.kind("pack")
        ) as task:
            manifest = self._pack_into(target, task)
            for done, name in enumerate(verify(target, manifest), start=1):
                task.progress(50 + 50 * done / len(manifest), name, phase="reading back")
            listed = self.plan.output / "manifest.jsonl"
            write_manifest(listed, manifest)
            task.artifact("library.zip", path=target, type="data")
            task.artifact("manifest.jsonl", path=listed, type="data")
            packed_size = sum(packed.packed_size for packed in manifest)
            task.set_result({"files": len(manifest), "bytes": self.plan.size, "packed_bytes": packed_size})

    def _pack_into(self, target: Path, task: TaskHandle) -> list[Packed]:
        measured, manifest = Throughput(), []
        every = max(1, len(self.plan.sources) // MEASURES)
        for packed in pack(self.plan.sources, target, measured):
            task.raise_if_cancelled()
            manifest.append(packed)
            task.progress(50 * len(manifest) / len(self.plan.sources), packed.name, phase="packing")
            if len(manifest) % every == 0:
                _measure(task, measured)
        return manifest

    def try_strongest(self) -> None:
        """Compresses file after file of the library as small as possible, until somebody wants it stopped."""
        attempt = self.parent.child(
            "Pack the library as small as possible",
            agent="archivist",
            task_type=self.plan.kind("pack-strongest"),
        )
        self.attempt = attempt
        try:
            with suppress(headway.Cancelled), attempt:
                for done, source in enumerate(self._largest_first(), start=1):
                    attempt.raise_if_cancelled()
                    if self.given_up.is_set():
                        attempt.cancel("the editor has stopped")
                        return
                    compare_strongest(source, self.strongest, self.usual)
                    attempt.progress(100 * done / len(self.plan.library), source.name, phase="compressing")
                    if done == self.plan.evidence:
                        _measure(attempt, self.strongest)
                        self.evidence.set()
        finally:
            self.evidence.set()  # whatever happened, nobody waits for it any longer

    def _largest_first(self) -> list[Source]:
        """Where strong compression has most to gain, so that few files are enough to judge it."""
        return sorted(self.plan.library, key=lambda source: -source.size)


def _measure(task: TaskHandle, measured: Throughput) -> None:
    if measured.mb_per_s is not None and measured.ratio is not None:
        task.metric("packing_rate", measured.mb_per_s, unit="MB/s", type="throughput")
        task.metric("packed_share", measured.ratio)
