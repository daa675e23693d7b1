"""The checks of `headway doctor` that need server code: the settings and the database."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from headway.domain.errors import HeadwayError, SchemaOutdated
from headway.interfaces.cli.checks import Check, Finding, Patient, Verdict
from headway.interfaces.cli.starting import with_services
from headway.services.suite import Services
from headway.settings import Settings, SettingsError, load_settings


def _load(patient: Patient) -> tuple[Settings, list[str]]:
    return load_settings(os.environ, Path.cwd(), data_dir=patient.data_dir, database_url=patient.database_url)


def _settings(patient: Patient) -> Finding:
    try:
        _, warnings = _load(patient)
    except SettingsError as error:
        return Finding(
            verdict=Verdict.FAIL, found=error.detail, advice="docs/reference/settings.md lists them"
        )
    if warnings:
        return Finding(verdict=Verdict.WARN, found="; ".join(warnings), advice="correct or remove them")
    return Finding(verdict=Verdict.OK, found="every setting is known")


def _database(patient: Patient) -> Finding:
    try:
        settings, _ = _load(patient)
    except SettingsError:
        return Finding(verdict=Verdict.FAIL, found="not checked: the settings are wrong")
    shown = _without_password(settings.database_url)
    if shown.startswith("sqlite:") and not Path(shown.removeprefix("sqlite:///")).exists():
        return Finding(
            verdict=Verdict.WARN, found=f"{shown} does not exist yet", advice="`headway up` makes it"
        )
    try:
        with_services(settings, _ask)
    except SchemaOutdated as error:
        return Finding(verdict=Verdict.FAIL, found=error.detail, advice="headway migrate")
    except HeadwayError as error:
        return Finding(
            verdict=Verdict.FAIL, found=f"{shown}: {error.detail}", advice="is the database running?"
        )
    return Finding(verdict=Verdict.OK, found=f"{shown} is reachable and its schema fits")


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return url if parts.password is None else url.replace(f":{parts.password}@", ":…@", 1)


async def _ask(services: Services) -> None:
    await services.system.require_ready()


CHECKS: dict[str, Check] = {"settings": _settings, "database": _database}
