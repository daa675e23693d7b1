"""In CI nothing may be skipped: what was not tried is not known to work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.sources import ROOT

SKIPS = """
import pytest

def test_that_skips_itself():
    pytest.skip("no such database")

@pytest.mark.skipif(True, reason="not on this platform")
def test_that_is_marked():
    pass

@pytest.mark.xfail(strict=True)
def test_that_is_known_to_fail():
    assert False

def test_that_runs():
    pass
"""


def outcome(folder: Path, source: str, ci: str) -> tuple[int, str]:
    (folder / "test_sample.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\n")
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "tests.conftest",
            "-p",
            "no:cacheprovider",
            "test_sample.py",
        ],
        cwd=folder,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout.strip().splitlines()[-1].partition(" in ")[0]


def test_a_developer_may_skip(tmp_path: Path) -> None:
    assert outcome(tmp_path, SKIPS, ci="") == (0, "1 passed, 2 skipped, 1 xfailed")


def test_ci_may_not(tmp_path: Path) -> None:
    assert outcome(tmp_path, SKIPS, ci="true") == (1, "1 failed, 1 passed, 1 xfailed, 1 error")


@pytest.mark.parametrize(("ci", "expected"), [("", 5), ("true", 2)])
def test_a_module_that_skips_itself_is_an_error_in_ci(ci: str, expected: int, tmp_path: Path) -> None:
    source = "import pytest\npytest.importorskip('no_such_module')\n"

    assert outcome(tmp_path, source, ci)[0] == expected
