"""Programs that use the SDK, as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.sdk.receiver import KEY, Receiver

ROOT = Path(__file__).parents[2]
NEXT = """
import headway, sys
headway.create_task("next").complete()
assert headway.flush(30)
sys.stdin.read()
"""  # the program that runs after another, until its input ends


def environment(folder: Path, receiver: Receiver | None, **more: str) -> dict[str, str]:
    """The environment of a program whose spool is in the folder and whose server is the receiver."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADWAY_")}
    url = {"HEADWAY_URL": receiver.url, "HEADWAY_API_KEY": KEY} if receiver is not None else {}
    return {
        **kept,
        **url,
        "PYTHONPATH": str(ROOT / "src"),
        "HEADWAY_DATA_DIR": str(folder / "data"),
        "HEADWAY_SPOOL_DIR": str(folder / "spool"),
        **more,
    }


def start(source: str, env: dict[str, str], cwd: Path) -> subprocess.Popen[str]:
    """The program runs."""
    return subprocess.Popen(
        [sys.executable, "-c", source],
        env=env,
        cwd=cwd,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(source: str, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """What the program printed and how it ended."""
    return subprocess.run(
        [sys.executable, "-c", source],
        env=env,
        cwd=cwd,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def spools(folder: Path) -> list[Path]:
    """The spool folders that processes left behind."""
    root = folder / "spool"
    return sorted(path for path in root.iterdir() if path.name != "refused") if root.is_dir() else []
