"""Checks configuration files in parallel, one child task for each; one of them is broken, and its task really fails.

The parent goes on: it completes with a result that says so.
"""

from __future__ import annotations

import contextvars
import json
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import headway

FILES = {
    "service.toml": 'name = "shop"\nport = 8080\n',
    "limits.json": '{"requests_per_minute": 600}\n',
    "broken.json": '{"requests_per_minute": }\n',
    "paths.toml": '[paths]\ndata = "/var/lib/shop"\n',
}


def check(file: Path) -> None:
    """The names at the top of the file are its task's result; a file that cannot be read fails its task."""
    with headway.task(f"Check {file.name}", project="examples", agent="checker", task_type="check") as task:
        content = file.read_text()
        task.set_result(sorted(tomllib.loads(content) if file.suffix == ".toml" else json.loads(content)))


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        headway.task("Check the configuration", project="examples", agent="checker") as task,
        ThreadPoolExecutor(max_workers=4) as pool,
    ):
        for name, content in FILES.items():
            Path(folder, name).write_text(content)
        # A copy of the context takes the current task along into the thread.
        runs = {
            name: pool.submit(contextvars.copy_context().run, check, Path(folder, name)) for name in FILES
        }
        errors = {name: str(error) for name, run in runs.items() if (error := run.exception())}
        for name, message in errors.items():
            task.log(f"{name}: {message}", level="error")
        task.set_result({"checked": len(runs), "broken": sorted(errors)})
    print(f"{len(runs)} files checked, broken: {', '.join(errors) or 'none'}")


if __name__ == "__main__":
    main()
