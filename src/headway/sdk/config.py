"""Where the SDK finds its server and its spool: arguments, environment, `headway.toml`, `credentials.json`.

A value that cannot be used is a warning and never an exception: reporting must not stop the work it reports.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headway.sdk import loading, notices

PREFIX = "HEADWAY_"
FILE_NAME = "headway.toml"
CREDENTIALS = "credentials.json"
SPOOL_BYTES = 1_000_000_000
NAMES = ("url", "api_key", "spool_dir", "spool_bytes", "project", "agent", "disabled", "data_dir")
_TRUE = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything the SDK can be told."""

    url: str | None = None  # of the server, without a trailing slash; None while nothing names one
    api_key: str | None = None
    data_dir: str = ""  # folder of credentials.json
    spool_dir: str = ""  # folder of facts that are not acknowledged yet
    spool_bytes: int = SPOOL_BYTES  # beyond it progress and logs are dropped and counted
    project: str | None = None  # of tasks that name none
    agent: str | None = None  # kind of agent of tasks that name none
    disabled: bool = False  # report nothing at all
    local: bool = (
        False  # whether the server was found through credentials.json, which may name another one later
    )

    def __repr__(self) -> str:
        """All but the key."""
        return f"Config(url={self.url!r}, spool_dir={self.spool_dir!r}, disabled={self.disabled})"

    @property
    def destination(self) -> str | None:
        """What a spool is meant for: the server's address, or the data folder that named it."""
        return f"data-dir:{self.data_dir}" if self.local else self.url


def discover(given: Mapping[str, Any], environ: Mapping[str, str], cwd: str) -> Config:
    """The configuration of this process.

    Args:
        given: arguments by name (see `NAMES`); None means not given.
        environ: the process environment.
        cwd: where `headway.toml` is looked for.
    """
    found = {
        **_from_file(os.path.join(cwd, FILE_NAME)),
        **{
            name: environ[PREFIX + name.upper()]
            for name in NAMES
            if environ.get(PREFIX + name.upper(), "").strip()
        },
        **{name: value for name, value in given.items() if value is not None},
    }
    data_dir = os.path.abspath(
        os.path.expanduser(_text(found, "data_dir") or default_data_dir(environ, sys.platform))
    )
    url, api_key = _text(found, "url"), _text(found, "api_key")
    local = url is None
    if url is None or api_key is None:
        stored = _credentials(os.path.join(data_dir, CREDENTIALS))
        if local or _address(stored.get("url")) == _address(url):
            url, api_key = url or stored.get("url"), api_key or stored.get("api_key")
    return Config(
        url=_address(url),
        api_key=api_key,
        data_dir=data_dir,
        spool_dir=os.path.abspath(
            os.path.expanduser(_text(found, "spool_dir") or os.path.join(data_dir, "spool"))
        ),
        spool_bytes=_size(found.get("spool_bytes")),
        project=_text(found, "project"),
        agent=_text(found, "agent"),
        disabled=str(found.get("disabled", "")).strip().lower() in _TRUE,
        local=local,
    )


def default_data_dir(environ: Mapping[str, str], platform: str) -> str:
    """The platform's folder for data of this user.

    Args:
        environ: the process environment.
        platform: as in `sys.platform`.
    """
    home = os.path.expanduser("~")
    if platform == "win32":
        return os.path.join(environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local"), "headway")
    if platform == "darwin":
        return os.path.join(home, "Library", "Application Support", "headway")
    return os.path.join(environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share"), "headway")


def _text(found: Mapping[str, Any], name: str) -> str | None:
    value = found.get(name)
    return str(value).strip() or None if value is not None else None


def _size(value: object) -> int:
    if value is None:
        return SPOOL_BYTES
    try:
        size = int(str(value).replace("_", ""))
    except ValueError:
        size = -1
    if size < 0:
        notices.warn_once("spool_bytes", f"HEADWAY_SPOOL_BYTES must be a number of bytes, not {value!r}")
        return SPOOL_BYTES
    return size


def _address(url: object) -> str | None:
    if not isinstance(url, str) or not url:
        return None
    if not url.startswith(("http://", "https://")):
        notices.warn_once("url", f"HEADWAY_URL must start with http:// or https://, not {url[:200]!r}")
        return None
    return url.rstrip("/")


def _from_file(path: str) -> dict[str, Any]:
    if not os.path.exists(path):
        return {}
    with loading.turn:
        import tomllib  # most programs have no such file

    try:
        with open(path, "rb") as stream:
            content = tomllib.load(stream)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        notices.warn_once(path, f"{path} cannot be read: {error}")
        return {}
    return {name: content[name] for name in NAMES if name in content}


def _credentials(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        notices.warn_once(path, f"{path} cannot be read: {error}")
        return {}
    if not isinstance(content, dict):
        return {}
    return {name: value for name, value in content.items() if isinstance(value, str)}
