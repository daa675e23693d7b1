"""The lock, the state file and the credentials in the data folder."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from headway.domain.errors import HeadwayError
from headway.interfaces.cli import data_folder
from headway.interfaces.cli.data_folder import Running

HOLDER = """
import sys
from pathlib import Path
from headway.interfaces.cli.data_folder import Running, announce, claimed
folder = Path(sys.argv[1])
with claimed(folder) as mine:
    announce(folder, Running(pid=1, url="http://127.0.0.1:1"))
    print(mine, flush=True)
    sys.stdin.read()
"""


def test_only_one_process_serves_a_folder_and_the_next_one_finds_it(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"

        with data_folder.claimed(tmp_path) as mine:
            assert not mine
        found = data_folder.running(tmp_path, wait_s=0)
        holder.kill()

    assert found == Running(pid=1, url="http://127.0.0.1:1")
    with data_folder.claimed(tmp_path) as mine:
        assert mine
        assert data_folder.running(tmp_path, wait_s=0) is None  # what the killed one left is gone


def test_the_state_file_is_for_this_user_alone_and_never_half_written(tmp_path: Path) -> None:
    data_folder.announce(tmp_path, Running(pid=1, url="http://127.0.0.1:1"))

    assert [file.name for file in tmp_path.iterdir()] == ["server.json"]
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "server.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", '{"url": "http://127.0.0.1:1"}', '{"api_key": 1}'])
def test_a_credentials_file_without_a_key_counts_as_missing(tmp_path: Path, content: str) -> None:
    (tmp_path / "credentials.json").write_text(content)

    assert data_folder.api_key(tmp_path) is None


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(HeadwayError, match=r"file[/\\]folder cannot be made"):
        data_folder.make(tmp_path / "file" / "folder")
