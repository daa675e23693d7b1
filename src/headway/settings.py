"""The server's settings: read once from the environment or `headway.toml`, frozen, and handed down.

No other module of the server reads the environment. The SDK has its own reader, because it runs in other
people's processes; server and SDK must only agree on the data folder, where `credentials.json` is exchanged.
"""

from __future__ import annotations

import difflib
import ipaddress
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headway.domain import limits
from headway.domain.errors import HeadwayError
from headway.sdk import config as sdk_config

PREFIX = "HEADWAY_"
FILE_NAME = "headway.toml"
SDK_NAMES = frozenset(PREFIX + name.upper() for name in (*sdk_config.NAMES, "task_id"))
DEVELOPMENT_NAMES = frozenset(PREFIX + name for name in ("CI_NEWEST", "CRASH_TRIALS", "TEST_POSTGRES"))

Parse = Callable[[str], Any]


class SettingsError(HeadwayError):
    """A setting has a value that Headway cannot use."""

    slug = "invalid-setting"

    def __init__(self, name: str, detail: str) -> None:
        """Name the setting and say what it must be."""
        super().__init__(f"{name}: {detail}", setting=name)
        self.name = name


def _integer(low: int, high: int) -> Parse:
    def parse(text: str) -> int:
        try:
            number = int(text.replace("_", ""))
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return number

    return parse


def _seconds(low: float, high: float) -> Parse:
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ValueError(f"must be a number of seconds from {low:g} to {high:g}")
        return number

    return parse


def _one_of(*choices: str) -> Parse:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text.lower()

    return parse


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _origins(text: str) -> tuple[str, ...]:
    origins = _words(text)
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query:
            raise ValueError("must be origins like https://app.example.com, separated by commas")
    return origins


def _database_url(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if scheme == "postgres":
        scheme = "postgresql"
    if not separator or scheme not in ("sqlite", "postgresql") or (scheme == "sqlite" and rest[:1] != "/"):
        raise ValueError("must be sqlite:///path/to/file or postgresql://user@host/database")
    return f"{scheme}://{rest}"


def _setting(
    default: Any, about: str, parse: Parse, *, shown: str | None = None, secret: bool = False
) -> Any:
    """One field with what its row in the documentation needs; a secret is never printed."""
    metadata = {"about": about, "parse": parse, "shown": shown, "secret": secret}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a server can be told, checked and complete."""

    data_dir: Path = _setting(
        Path(),
        "Folder of the embedded database, `credentials.json` and artifacts.",
        Path,
        shown="the platform's user data folder",
    )
    database_url: str = _setting(
        "",
        "Database of accounts, projects and settings: `sqlite:///file` or `postgresql://user@host/database`.",
        _database_url,
        shown="`headway.sqlite3` in the data folder",
        secret=True,
    )
    ledger_url: str = _setting(
        "",
        "Database of tasks and facts, if another one.",
        _database_url,
        shown="the same as `HEADWAY_DATABASE_URL`",
        secret=True,
    )
    host: str = _setting("127.0.0.1", "Address to listen on.", str)
    port: int = _setting(8400, "Port to listen on; 0 takes a free one.", _integer(0, 65_535))
    allowed_hosts: tuple[str, ...] = _setting(
        (), "Host names, besides loopback, under which browsers may reach the server; commas between.", _words
    )
    cors_origins: tuple[str, ...] = _setting(
        (), "Origins of other web pages that may call the API; commas between.", _origins
    )
    lease_seconds: float = _setting(
        90.0,
        "A run of the SDK that is silent for this long is taken for lost (`timeout`, inferred).",
        _seconds(1, 86_400),
    )
    queue_bytes: int = _setting(
        64_000_000,
        "Facts waiting for their commit; beyond it the answer is 503 with `Retry-After`.",
        _integer(1_000_000, 16_000_000_000),
    )
    batch_facts: int = _setting(
        limits.BATCH_FACTS, "Most facts in one request.", _integer(1, limits.BATCH_FACTS)
    )
    batch_bytes: int = _setting(
        limits.BATCH_BYTES,
        "Largest request of facts, after decompression.",
        _integer(10_000, limits.BATCH_BYTES),
    )
    commit_facts: int = _setting(
        4_000, "Most facts that share one commit; more wait for the next.", _integer(1, 100_000)
    )
    reader_connections: int = _setting(4, "Database connections for reading, per process.", _integer(1, 200))
    log_format: str = _setting("text", "How the server logs: `text` or `json`.", _one_of("text", "json"))
    log_level: str = _setting(
        "info",
        "Least level the server logs: `debug`, `info`, `warning` or `error`.",
        _one_of("debug", "info", "warning", "error"),
    )

    @property
    def database_url_given(self) -> bool:
        """False when the rows live in the embedded file of the data folder because nothing else was said."""
        return self.database_url != _embedded_url(self.data_dir)


def setting_name(setting: Field[Any]) -> str:
    """The environment variable of a field of `Settings`."""
    return PREFIX + setting.name.upper()


SERVER_NAMES = tuple(setting_name(setting) for setting in fields(Settings))
KNOWN_NAMES = SDK_NAMES | DEVELOPMENT_NAMES | frozenset(SERVER_NAMES)


def load_settings(environ: Mapping[str, str], cwd: Path, **overrides: object) -> tuple[Settings, list[str]]:
    """Reads the settings: overrides win over the environment, which wins over `headway.toml`.

    Args:
        environ: the process environment; only names with the prefix `HEADWAY_` and the platform's
            user folders are looked at.
        cwd: where `headway.toml` is looked for and relative paths start.
        overrides: fields of `Settings` given on the command line; None means not given.

    Returns:
        The settings, and one sentence per name or value that deserves a warning.

    Raises:
        SettingsError: a value cannot be used; carries the setting's name.
    """
    given = _from_file(cwd / FILE_NAME) | {
        name: value for name, value in environ.items() if name.startswith(PREFIX) and value.strip()
    }
    given |= {
        PREFIX + name.upper(): _as_text(value) for name, value in overrides.items() if value is not None
    }
    values = {setting.name: _parsed(setting, given) for setting in fields(Settings)}
    settings = Settings(**_completed(values, environ, cwd))
    return settings, [*_unknown(given), *_exposed(settings)]


def _from_file(file: Path) -> dict[str, str]:
    try:
        with file.open("rb") as stream:
            content = tomllib.load(stream)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(str(file), f"cannot be read: {error}") from error
    return {PREFIX + name.upper(): _as_text(value) for name, value in content.items()}


def _as_text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    return str(value)


def _parsed(setting: Field[Any], given: Mapping[str, str]) -> Any:
    name = setting_name(setting)
    if name not in given:
        return setting.default
    try:
        return setting.metadata["parse"](given[name].strip())
    except ValueError as error:
        shown = "" if setting.metadata["secret"] else f", not {given[name]!r}"
        raise SettingsError(name, f"{error}{shown}") from None


def _completed(values: dict[str, Any], environ: Mapping[str, str], cwd: Path) -> dict[str, Any]:
    folder: Path = values["data_dir"]
    if folder == Path():
        folder = Path(sdk_config.default_data_dir(environ, sys.platform))
    folder = (cwd / folder.expanduser()).resolve()
    database_url = values["database_url"] or _embedded_url(folder)
    ledger_url = values["ledger_url"] or database_url
    return values | {"data_dir": folder, "database_url": database_url, "ledger_url": ledger_url}


def _embedded_url(folder: Path) -> str:
    return f"sqlite:///{(folder / 'headway.sqlite3').as_posix()}"


def _unknown(given: Mapping[str, str]) -> list[str]:
    warnings = []
    for name in sorted(given.keys() - KNOWN_NAMES):
        nearest = difflib.get_close_matches(name, sorted(KNOWN_NAMES), n=1, cutoff=0)[0]
        warnings.append(f"{name} is not a setting of Headway; the nearest one is {nearest}")
    return warnings


def _exposed(settings: Settings) -> list[str]:
    if is_loopback(settings.host):
        return []
    return [f"{PREFIX}HOST={settings.host} listens beyond this machine without TLS; put a TLS proxy in front"]


def is_loopback(host: str) -> bool:
    """True when only this machine can reach a server that listens on `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
