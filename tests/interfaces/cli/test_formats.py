"""Exported rows come back from every form of file as they were."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from typing import Any

import pytest

from headway.domain.errors import InvalidInput
from headway.interfaces.cli.export.formats import write_csv, write_jsonl

ROWS: list[dict[str, Any]] = [
    {
        "id": "1",
        "name": 'a "b", c\nd',
        "labels": {"k": "v"},
        "ok": True,
        "progress": None,
        "cost_usd": "0.10",
    },
    {"id": "2", "name": "käse \u2603", "labels": {}, "ok": False, "progress": 0.0, "cost_usd": None},
]


def test_json_lines_keep_every_value() -> None:
    stream = io.BytesIO()

    assert write_jsonl(ROWS, stream) == 2

    assert [json.loads(line) for line in stream.getvalue().splitlines()] == ROWS


def test_csv_has_a_heading_and_tells_unknown_from_zero() -> None:
    stream = io.BytesIO()

    assert write_csv(ROWS, stream) == 2

    found = list(csv.DictReader(io.StringIO(stream.getvalue().decode(), newline="")))
    assert found == [
        {
            "id": "1",
            "name": 'a "b", c\nd',
            "labels": '{"k": "v"}',
            "ok": "true",
            "progress": "",
            "cost_usd": "0.10",
        },
        {"id": "2", "name": "käse \u2603", "labels": "{}", "ok": "false", "progress": "0.0", "cost_usd": ""},
    ]


def test_csv_refuses_a_row_whose_fields_would_be_lost() -> None:
    with pytest.raises(InvalidInput, match="extra"):
        write_csv([ROWS[0], {**ROWS[1], "extra": 1}], io.BytesIO())


def test_nothing_to_export_is_an_empty_file() -> None:
    stream = io.BytesIO()

    assert write_csv([], stream) == write_jsonl([], stream) == 0
    assert stream.getvalue() == b""


def test_parquet_without_its_library_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from headway.interfaces.cli.main import main\n"
        "sys.exit(main(['export', 'tasks', '-o', 'tasks.parquet']))"
    )

    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert run.returncode == 1
    assert "pip install 'headway[parquet]'" in run.stderr
