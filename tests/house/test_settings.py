"""Settings: where they come from, what stops the start, what is only a warning."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from headway.sdk.config import discover
from headway.settings import Settings, SettingsError, is_loopback, load_settings
from tests.house.sources import PACKAGE


def test_the_defaults_are_complete(tmp_path: Path) -> None:
    settings, warnings = load_settings({"HEADWAY_DATA_DIR": str(tmp_path)}, tmp_path)

    assert warnings == []
    assert not settings.database_url_given
    assert settings == Settings(
        data_dir=tmp_path.resolve(),
        database_url=f"sqlite:///{(tmp_path.resolve() / 'headway.sqlite3').as_posix()}",
        ledger_url=f"sqlite:///{(tmp_path.resolve() / 'headway.sqlite3').as_posix()}",
    )


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "headway.toml").write_text(
        'port = 1\nhost = "::1"\nlog_level = "error"\nallowed_hosts = ["a.example", "b.example"]\n'
    )
    environ = {"HEADWAY_PORT": "2", "HEADWAY_LOG_LEVEL": "debug"}

    settings, warnings = load_settings(environ, tmp_path, port=3, host=None)

    assert warnings == []
    assert (settings.port, settings.log_level, settings.host) == (3, "debug", "::1")
    assert settings.allowed_hosts == ("a.example", "b.example")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEADWAY_PORT", "65536"),
        ("HEADWAY_PORT", "eighty"),
        ("HEADWAY_LEASE_SECONDS", "nan"),
        ("HEADWAY_LEASE_SECONDS", "0"),
        ("HEADWAY_LOG_FORMAT", "xml"),
        ("HEADWAY_LOG_LEVEL", "loud"),
        ("HEADWAY_QUEUE_BYTES", "64MB"),
        ("HEADWAY_BATCH_FACTS", "10001"),
        ("HEADWAY_CORS_ORIGINS", "app.example.com"),
        ("HEADWAY_DATABASE_URL", "mysql://root@127.0.0.1/test"),
        ("HEADWAY_DATABASE_URL", "sqlite://relative.db"),
        ("HEADWAY_LEDGER_URL", "headway.sqlite3"),
    ],
)
def test_a_wrong_value_stops_the_start_with_its_name(name: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({name: value}, tmp_path)

    assert caught.value.name == name
    assert str(caught.value).startswith(f"{name}: must ")


def test_a_file_that_is_no_toml_stops_the_start_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "headway.toml").write_text("port 8400")

    with pytest.raises(SettingsError, match=r"headway\.toml"):
        load_settings({}, tmp_path)


def test_an_unknown_name_is_a_warning_that_names_the_nearest_known_one(tmp_path: Path) -> None:
    (tmp_path / "headway.toml").write_text('hots = "127.0.0.1"\n')

    _, warnings = load_settings({"HEADWAY_DATABSE_URL": "x", "PORT": "1"}, tmp_path)

    assert warnings == [
        "HEADWAY_DATABSE_URL is not a setting of Headway; the nearest one is HEADWAY_DATABASE_URL",
        "HEADWAY_HOTS is not a setting of Headway; the nearest one is HEADWAY_HOST",
    ]


def test_names_of_the_sdk_and_of_the_tests_are_known(tmp_path: Path) -> None:
    names = ("URL", "API_KEY", "SPOOL_DIR", "PROJECT", "AGENT", "TASK_ID", "DISABLED", "TEST_POSTGRES")

    _, warnings = load_settings({f"HEADWAY_{name}": "1" for name in names}, tmp_path)

    assert warnings == []


def test_listening_beyond_this_machine_is_a_warning(tmp_path: Path) -> None:
    _, warnings = load_settings({"HEADWAY_HOST": "0.0.0.0"}, tmp_path)

    assert len(warnings) == 1
    assert "TLS" in warnings[0]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("192.0.2.1", False),
        ("example.com", False),
    ],
)
def test_loopback_is_told_from_the_network(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_secrets_are_neither_shown_in_errors_nor_in_the_settings_themselves(tmp_path: Path) -> None:
    password = "hw_example_password"
    with pytest.raises(SettingsError) as caught:
        load_settings({"HEADWAY_DATABASE_URL": f"mysql://root:{password}@127.0.0.1/test"}, tmp_path)
    settings, _ = load_settings({"HEADWAY_DATABASE_URL": f"postgres://u:{password}@127.0.0.1/test"}, tmp_path)

    assert password not in str(caught.value)
    assert password not in repr(settings)
    assert settings.database_url_given
    assert settings.database_url == f"postgresql://u:{password}@127.0.0.1/test"


def test_server_and_sdk_agree_on_the_data_folder(tmp_path: Path) -> None:
    for environ in ({}, {"XDG_DATA_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}):
        settings, _ = load_settings(environ, tmp_path)

        assert str(settings.data_dir) == discover({}, environ, str(tmp_path)).data_dir


def test_every_setting_is_used() -> None:
    sources = "\n".join(
        file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py") if file != PACKAGE / "settings.py"
    )

    idle = [setting.name for setting in fields(Settings) if f"settings.{setting.name}" not in sources]

    assert idle == []
