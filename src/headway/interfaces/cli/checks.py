"""The checks of `headway doctor` that need no server code: Python, packages, folder, disk, spool, server, clock."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from headway import __version__
from headway.console import SERVER_PACKAGES
from headway.interfaces.cli.connection import API
from headway.interfaces.cli.rendering import size
from headway.sdk.backlog import remaining
from headway.sdk.config import CREDENTIALS, Config
from headway.sdk.orphans import folders
from headway.sdk.refusals import Refusals
from headway.sdk.transport import Answer, Transport, Unreachable

OLDEST_PYTHON = (3, 11)
LITTLE_DISK, TOO_LITTLE_DISK = 1_000_000_000, 100_000_000  # bytes
CLOCK_TOLERANCE_S = 5.0  # beyond it the server shifts the times of facts
LOOK_S = 5.0


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found."""

    verdict: Verdict
    found: str
    advice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What is looked at."""

    config: Config  # as the SDK finds it
    data_dir: str | None  # as given on the command line
    database_url: str | None

    @property
    def folder(self) -> Path:
        """The data folder."""
        return Path(self.config.data_dir)

    def ask(self, path: str) -> Answer:
        """What the server says.

        Raises:
            Unreachable: It says nothing.
        """
        if self.config.url is None:
            raise Unreachable("no server is known")
        transport = Transport(self.config.url, self.config.api_key, timeout_s=LOOK_S)
        try:
            return transport.request("GET", path)
        finally:
            transport.close()


Check = Callable[[Patient], Finding]


def _python(patient: Patient) -> Finding:
    found = f"{platform.python_implementation()} {platform.python_version()} on {platform.system()}"
    if sys.version_info < OLDEST_PYTHON:
        return Finding(verdict=Verdict.FAIL, found=found, advice="install Python 3.11 or newer")
    return Finding(verdict=Verdict.OK, found=found)


def _packages(patient: Patient) -> Finding:
    found, missing = [f"headway {__version__}"], []
    for name in SERVER_PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        advice = "pip install 'headway[server]'"
        return Finding(verdict=Verdict.FAIL, found=f"missing: {', '.join(missing)}", advice=advice)
    return Finding(verdict=Verdict.OK, found=", ".join(found))


def _data_folder(patient: Patient) -> Finding:
    folder = patient.folder
    if not folder.is_dir():
        return Finding(
            verdict=Verdict.WARN, found=f"{folder} does not exist yet", advice="`headway up` makes it"
        )
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        advice = "give it to the user who runs Headway"
        return Finding(verdict=Verdict.FAIL, found=f"{folder} cannot be read and written", advice=advice)
    credentials = folder / CREDENTIALS
    if os.name == "posix" and credentials.exists():
        mode = stat.S_IMODE(credentials.stat().st_mode)
        if mode & 0o077:
            found = f"{credentials} can be read by others ({mode:o})"
            return Finding(verdict=Verdict.FAIL, found=found, advice=f"chmod 600 '{credentials}'")
    return Finding(verdict=Verdict.OK, found=str(folder))


def _disk(patient: Patient) -> Finding:
    place = next(path for path in (patient.folder, *patient.folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    found = f"{size(free)} free at {place}"
    if free < TOO_LITTLE_DISK:
        return Finding(
            verdict=Verdict.FAIL, found=found, advice="make room: the database can hardly be written"
        )
    if free < LITTLE_DISK:
        return Finding(verdict=Verdict.WARN, found=found, advice="make room, or set HEADWAY_RETENTION_DAYS")
    return Finding(verdict=Verdict.OK, found=found)


def _spool(patient: Patient) -> Finding:
    place = patient.config.spool_dir
    waiting = sum(remaining(folder) for folder in folders(place))
    refused = len(Refusals(place).read())
    found = f"{waiting} facts wait, {refused} were refused, in {place}"
    if refused:
        return Finding(verdict=Verdict.WARN, found=found, advice="`headway spool refused` says why")
    if waiting:
        advice = "`headway spool send` sends those of processes that are gone"
        return Finding(verdict=Verdict.WARN, found=found, advice=advice)
    return Finding(verdict=Verdict.OK, found=found)


def _server(patient: Patient) -> Finding:
    url = patient.config.url
    if url is None:
        return Finding(
            verdict=Verdict.WARN,
            found="no server is known",
            advice="`headway up` starts one; HEADWAY_URL names another",
        )
    try:
        answer = patient.ask("/readyz")
    except Unreachable as error:
        return Finding(verdict=Verdict.WARN, found=str(error), advice="`headway up` starts it")
    if answer.status != 200:
        detail = str(answer.json().get("detail") or f"it answers {answer.status}")
        return Finding(verdict=Verdict.FAIL, found=f"{url}: {detail}", advice="look into the server's log")
    found = answer.json().get("version")
    if found != __version__:
        return Finding(
            verdict=Verdict.WARN,
            found=f"{url} runs headway {found}, this is {__version__}",
            advice="restart the server, or install its version",
        )
    return Finding(verdict=Verdict.OK, found=f"{url} is ready")


def _key(patient: Patient) -> Finding:
    if patient.config.url is None:
        return Finding(verdict=Verdict.WARN, found="not checked: no server is known")
    try:
        answer = patient.ask(f"{API}/me")
    except Unreachable:
        return Finding(verdict=Verdict.WARN, found="not checked: the server does not answer")
    told = answer.json()
    if answer.status != 200:
        advice = "`headway up` renews the key of this machine; for another server set HEADWAY_API_KEY"
        return Finding(verdict=Verdict.FAIL, found=str(told.get("detail")), advice=advice)
    return Finding(verdict=Verdict.OK, found=f"speaks for {told.get('email')}, {told.get('role')}")


def _clock(patient: Patient) -> Finding:
    try:
        before = time.time()
        told = patient.ask("/healthz").headers.get("date", "")
        middle = (before + time.time()) / 2
        # The header has whole seconds: the server's clock is half a second later on average.
        offset = parsedate_to_datetime(told).timestamp() + 0.5 - middle
    except (Unreachable, ValueError):
        return Finding(verdict=Verdict.WARN, found="not checked: the server does not tell the time")
    if abs(offset) > CLOCK_TOLERANCE_S:
        found = f"this machine's clock is {abs(offset):.0f} s {'behind' if offset > 0 else 'ahead of'} the server's"
        return Finding(
            verdict=Verdict.WARN, found=found, advice="set the clock (NTP); times are shifted meanwhile"
        )
    return Finding(verdict=Verdict.OK, found="agrees with the server's to the second")


CHECKS: dict[str, Check] = {
    "python": _python,
    "packages": _packages,
    "data folder": _data_folder,
    "disk": _disk,
    "spool": _spool,
    "server": _server,
    "key": _key,
    "clock": _clock,
}
