"""One surveyor: a process of its own that reads the shards it is given and reports each as a task.

It is told what to do on its standard input and tells what it found on its standard output, one JSON line per
file. Which task its work belongs to it learns from HEADWAY_TASK_ID, as every program does.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import headway
from headway.interfaces.cli.demo.library import Shard, Source
from headway.interfaces.cli.demo.survey import FileSurvey, survey_file

INTERRUPTED = 130  # what shells expect of a program that Ctrl-C ended


def order(shards: Sequence[Shard], *, agent_id: str, task_type: str, project: str) -> str:
    """The JSON that tells a surveyor what to do."""
    listed = [
        {
            "title": shard.title,
            "files": [(str(source.path), source.name, source.size) for source in shard.sources],
        }
        for shard in shards
    ]
    return json.dumps({"agent_id": agent_id, "task_type": task_type, "project": project, "shards": listed})


def main() -> int:
    """Works through the order on the standard input."""
    warnings.simplefilter("ignore")  # of the code that is read, such as invalid escapes in old files
    told = json.load(sys.stdin)
    for listed in told["shards"]:
        sources = tuple(Source(path=Path(path), name=name, size=size) for path, name, size in listed["files"])
        _survey(Shard(title=listed["title"], sources=sources), told)
    return 0


def _survey(shard: Shard, told: dict[str, Any]) -> None:
    with headway.task(
        f"Survey {shard.title}",
        project=told["project"],
        agent="surveyor",
        agent_id=told["agent_id"],
        task_type=told["task_type"],
    ) as task:
        began, surveys, unreadable = perf_counter(), [], 0
        for done, found in enumerate(_read(shard), start=1):
            task.raise_if_cancelled()
            print(json.dumps(found), flush=True)
            name = found["name"]
            if "problem" in found:
                unreadable += 1
                task.log(f"{name} is not Python of this version: {found['problem']}", level="warning")
            else:
                surveys.append(found)
            task.progress(100 * done / len(shard.sources), name, phase="parsing")
        seconds = perf_counter() - began
        functions = sum(len(found["functions"]) for found in surveys)
        task.metric("files_per_second", len(shard.sources) / seconds, unit="1/s", type="throughput")
        task.metric("functions", functions, type="counter")
        task.set_result({"files": len(surveys), "functions": functions, "unreadable": unreadable})


def _read(shard: Shard) -> Iterator[dict[str, Any]]:
    for source in shard.sources:
        try:
            yield survey_file(source.path, source.name).as_json()
        except SyntaxError as error:
            yield {"name": source.name, "problem": str(error)}


def understand(line: str) -> FileSurvey | tuple[str, str]:
    """What a line of a surveyor says: a survey, or the name and problem of a file that cannot be read."""
    found = json.loads(line)
    if "problem" in found:
        return found["name"], found["problem"]
    return FileSurvey.from_json(found)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # Ctrl-C reaches the editor, too, who has more to say about it
        sys.exit(INTERRUPTED)
