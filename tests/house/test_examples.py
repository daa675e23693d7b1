"""Every example runs as it stands, from start to end, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.house.sources import python_files, relative


def test_every_example_runs(tmp_path: Path) -> None:
    runs = {relative(example): run_alone(example, tmp_path) for example in python_files("examples")}

    assert {name: run.stderr for name, run in runs.items() if run.returncode} == {}


def run_alone(example: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(example)],
        cwd=folder,
        env={**os.environ, "HEADWAY_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
