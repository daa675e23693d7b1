"""The console script on a machine that has only the SDK: the standard library and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import headway
from tests.house.sources import ROOT


def bare_console(*words: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from headway.console import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-S", "-c", program, *words],  # -S: as if nothing had ever been installed
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_server_command_says_what_to_install() -> None:
    run = bare_console("up")

    assert run.returncode == 2
    assert run.stderr == "This command needs the server: pip install 'headway[server]'\n"


def test_the_version_is_known_without_the_server() -> None:
    run = bare_console("--version")

    assert (run.returncode, run.stdout) == (0, f"headway {headway.__version__}\n")


def test_the_spool_command_works_without_the_server() -> None:
    run = bare_console("spool", "--help")

    assert run.returncode == 0
    assert "spool" in run.stdout
