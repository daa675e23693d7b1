from __future__ import annotations

import json
from pathlib import Path

import pytest

from headway.sdk.config import default_data_dir, discover

URL, KEY = "http://127.0.0.1:8400", "hw_example"


def credentials(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"url": URL, "api_key": KEY, "tenant_id": "t", "user_id": "u"}
    (folder / "credentials.json").write_text(json.dumps(content))


def test_arguments_win_over_the_environment_over_the_file_over_the_credentials(tmp_path: Path) -> None:
    credentials(tmp_path / "data")
    environ = {"HEADWAY_DATA_DIR": str(tmp_path / "data")}
    last = discover({}, environ, str(tmp_path))
    assert (last.url, last.api_key, last.local) == (URL, KEY, True)

    (tmp_path / "headway.toml").write_text('url = "http://file:1/"\nproject = "from-file"\nport = 8400\n')
    from_file = discover({}, environ, str(tmp_path))
    assert (from_file.url, from_file.api_key, from_file.project) == ("http://file:1", None, "from-file")

    environ |= {"HEADWAY_URL": "https://environment/base/", "HEADWAY_API_KEY": "hw_environment"}
    from_environment = discover({}, environ, str(tmp_path))
    assert from_environment.url == "https://environment/base"
    assert (from_environment.api_key, from_environment.project) == ("hw_environment", "from-file")

    given = discover({"url": "http://argument", "project": "given", "agent": None}, environ, str(tmp_path))
    assert (given.url, given.project, given.local) == ("http://argument", "given", False)


def test_the_stored_key_serves_only_the_server_it_belongs_to(tmp_path: Path) -> None:
    credentials(tmp_path)
    environ = {"HEADWAY_DATA_DIR": str(tmp_path)}

    assert discover({"url": URL + "/"}, environ, str(tmp_path)).api_key == KEY
    assert discover({"url": "https://elsewhere.example"}, environ, str(tmp_path)).api_key is None


def test_a_spool_found_through_the_data_folder_is_meant_for_it_whatever_the_port(tmp_path: Path) -> None:
    credentials(tmp_path)
    environ = {"HEADWAY_DATA_DIR": str(tmp_path)}

    assert discover({}, environ, str(tmp_path)).destination == f"data-dir:{tmp_path}"
    assert discover({"url": URL}, environ, str(tmp_path)).destination == URL
    assert discover({}, {"HEADWAY_DATA_DIR": str(tmp_path / "none")}, str(tmp_path)).url is None


@pytest.mark.parametrize(
    ("environ", "file", "warns"),
    [
        ({"HEADWAY_URL": "ftp://x"}, "", "HEADWAY_URL must start with http"),
        ({"HEADWAY_SPOOL_BYTES": "much"}, "", "HEADWAY_SPOOL_BYTES must be a number of bytes"),
        ({}, "url = broken", "headway.toml cannot be read"),
    ],
)
def test_what_cannot_be_used_is_a_warning_and_never_an_exception(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, environ: dict[str, str], file: str, warns: str
) -> None:
    (tmp_path / "headway.toml").write_text(file)

    config = discover({}, {"HEADWAY_DATA_DIR": str(tmp_path), **environ}, str(tmp_path))

    assert (config.url, config.spool_bytes) == (None, 1_000_000_000)
    assert warns in caplog.text


def test_broken_credentials_are_a_warning_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "credentials.json").write_text("{")

    assert discover({}, {"HEADWAY_DATA_DIR": str(tmp_path)}, str(tmp_path)).url is None
    assert "credentials.json cannot be read" in caplog.text


@pytest.mark.parametrize("value", ["1", "true", "Yes", " on "])
def test_disabled_is_understood_in_the_usual_spellings(tmp_path: Path, value: str) -> None:
    assert discover({}, {"HEADWAY_DISABLED": value}, str(tmp_path)).disabled
    assert not discover({}, {"HEADWAY_DISABLED": "0"}, str(tmp_path)).disabled


def test_the_key_is_not_shown(tmp_path: Path) -> None:
    assert KEY not in repr(discover({"url": URL, "api_key": KEY}, {}, str(tmp_path)))


def test_each_platform_has_its_own_data_folder() -> None:
    assert default_data_dir({"LOCALAPPDATA": "C:/Local"}, "win32").replace("\\", "/") == "C:/Local/headway"
    assert default_data_dir({}, "darwin").endswith("/Library/Application Support/headway")
    assert default_data_dir({"XDG_DATA_HOME": "/xdg"}, "linux") == "/xdg/headway"
    assert default_data_dir({}, "linux").endswith("/.local/share/headway")
