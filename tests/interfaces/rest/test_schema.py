"""The whole OpenAPI document, tried with generated requests: no answer of 500, and every answer as described."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.house.sources import ROOT
from tests.interfaces.serving import RunningServer

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
STREAM = "/api/v1/stream"  # never ends; its own tests are in tests/interfaces/live


TRIED = settings(max_examples=15, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def described(sqlite_server: RunningServer) -> Any:
    """The document of a running server."""
    return schemathesis.openapi.from_url(f"{sqlite_server.url}/openapi.json")


def operations() -> list[tuple[str, str]]:
    """Path and method of everything the document describes."""
    document = json.loads((ROOT / "docs" / "reference" / "openapi.json").read_text(encoding="utf-8"))
    return [(path, method) for path, found in document["paths"].items() for method in found if path != STREAM]


@pytest.mark.parametrize(("path", "method"), operations())
def test_every_operation_answers_as_it_is_described(
    described: Any, sqlite_server: RunningServer, path: str, method: str
) -> None:
    headers = {"Authorization": f"Bearer {sqlite_server.tenant().api_key}"}

    @TRIED
    @given(case=described[path][method].as_strategy())
    def ask(case: Any) -> None:
        case.validate_response(case.call(headers=headers), checks=CHECKS)

    ask()
