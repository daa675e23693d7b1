"""`import headway` happens in other people's programs: it must be small, quick and alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import headway

IMPORT_BUDGET_S = 0.040
TRIES = 15

TIMED = "import time; start = time.perf_counter(); import headway; print(time.perf_counter() - start)"
LOADED = """
import json, sys
before = set(sys.modules)
import headway
{use}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def run_python(program: str) -> str:
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return run.stdout


def modules_loaded_by(use: str) -> set[str]:
    loaded: set[str] = set(json.loads(run_python(LOADED.format(use=use))))
    return loaded


def foreign(modules: set[str]) -> set[str]:
    known = sys.stdlib_module_names | {"headway"}
    return {name for name in modules if name.partition(".")[0] not in known}


def server_rooms(modules: set[str]) -> set[str]:
    return {
        name
        for name in modules
        if re.match(r"headway\.(app|engine|interfaces|services|settings|store)\b", name)
    }


def test_import_headway_takes_less_than_forty_milliseconds() -> None:
    # The best of several tries: the budget is for the import, not for what else the machine is doing.
    best = min(float(run_python(TIMED)) for _ in range(TRIES))

    assert best < IMPORT_BUDGET_S


def test_import_headway_loads_no_third_party_module_and_no_server_code() -> None:
    loaded = modules_loaded_by(use="")

    assert foreign(loaded) == set()
    assert server_rooms(loaded) == set()


def test_the_whole_sdk_loads_no_third_party_module_and_no_server_code() -> None:
    names = set(headway.__all__) - {"tqdm", "trange"}  # these stand in for a library and load it

    loaded = modules_loaded_by(use="; ".join(f"headway.{name}" for name in sorted(names)))

    assert foreign(loaded) == set()
    assert server_rooms(loaded) == set()


def test_the_console_script_starts_with_the_standard_library_alone() -> None:
    loaded = modules_loaded_by(use="import headway.console")

    assert foreign(loaded) == set()
