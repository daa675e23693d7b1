"""Facts that the server refused: kept as JSON lines in `spool/refused`, logged once per type of problem."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from headway.sdk import locks, notices
from headway.sdk.spool import REFUSED, SUFFIX
from headway.sdk.wire import now

FOLDER_BYTES = 64_000_000


class Refusals:
    """The folder of refused facts under one spool folder."""

    def __init__(self, root: str) -> None:
        """Keep where it is; it is made when the first fact is refused."""
        self.folder = os.path.join(root, REFUSED)

    def keep(self, producer: str, fact: Mapping[str, Any], problem: Mapping[str, Any]) -> None:
        """The fact and the server's reason are in the folder, as long as there is room."""
        slug = str(problem.get("type") or "unknown").rpartition("/")[2]
        detail = problem.get("detail") or "no reason given"
        notices.warn_once(
            f"refused {slug}",
            f"the server refused a {fact.get('kind')} fact of task {fact.get('task_id')} ({slug}): {detail}; "
            f"such facts are kept in {self.folder}",
        )
        line = json.dumps(
            {"refused_at": now(), "producer": producer, "problem": dict(problem), "fact": dict(fact)}
        )
        try:
            self._append(os.path.join(self.folder, producer + SUFFIX), (line + "\n").encode())
        except OSError as error:
            notices.warn_once("refused folder", f"{self.folder} cannot be written: {error}")

    def _append(self, path: str, line: bytes) -> None:
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        if sum(entry.stat().st_size for entry in os.scandir(self.folder)) + len(line) > FOLDER_BYTES:
            notices.warn_once("refused full", f"{self.folder} is full; further refused facts are not kept")
            return
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | locks.BINARY, locks.PRIVATE)
        try:
            os.write(fd, line)
        finally:
            os.close(fd)

    def clear(self) -> None:
        """Nothing is kept any more."""
        for name in os.listdir(self.folder) if os.path.isdir(self.folder) else ():
            os.unlink(os.path.join(self.folder, name))

    def read(self) -> list[dict[str, Any]]:
        """What was kept, oldest first within each producer."""
        found: list[dict[str, Any]] = []
        names = sorted(os.listdir(self.folder)) if os.path.isdir(self.folder) else []
        for name in names:
            with open(os.path.join(self.folder, name), encoding="utf-8") as stream:
                found += [json.loads(line) for line in stream if line.endswith("}\n")]
        return found
