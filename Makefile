# Headway's commands. `make` alone prints them.

PYTHON ?= python3
TEST_WORKERS ?= 2
PYTEST_ARGS ?=
UP_ARGS ?=

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
PY := $(BIN)/python
LOCK_VENV := .venv-lock
LOCK := $(LOCK_VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-annotate --no-header $(LOCK_ARGS)

.DEFAULT_GOAL := targets
.PHONY: targets install install-dev run test check format bench bench-scale web lock docs

targets: ## print the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' \
		| awk -F'|' '{ printf "make %-14s %s\n", $$1, $$2 }'

install: ## make .venv with the locked runtime (nothing to do when the lock is unchanged)
	@$(PYTHON) requirements/install.py run

install-dev: ## make .venv with the locked runtime and the tools for development
	@$(PYTHON) requirements/install.py dev

run: install web ## start Headway on an embedded SQLite file and open it (UP_ARGS='--port 8500')
	$(BIN)/headway up $(UP_ARGS)

test: check ## install, check, and run all tests with SQLite and PostgreSQL
	$(PY) -m pytest -n $(TEST_WORKERS) --ignore=tests/house $(PYTEST_ARGS)

check: install-dev ## format, lint, types, import contracts, house tests
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(BIN)/lint-imports
	$(PY) -m pytest -q -n 0 tests/house

format: install-dev ## format the sources and fix what ruff can fix
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

bench: install-dev ## measure ingest, single facts, SDK, start-up, memory and estimates (benchmarks/RESULTS.md)
	$(PY) -m benchmarks.run $(BENCH_ARGS)

bench-scale: install-dev ## build ten million tasks and measure reading them, and a million open ones changing
	$(PY) -m benchmarks.run --scale $(BENCH_ARGS)

web: ## build the dashboard into the package (until web/ exists there is nothing to build)
	@if [ -f web/package.json ]; then cd web && npm ci && npm run build; \
	else echo "web/ is absent: the plain page at / needs no build"; fi

lock: ## write requirements/*.txt: pinned, hashed, without addresses (LOCK_ARGS=--upgrade takes the newest)
	$(PYTHON) -m venv $(LOCK_VENV)
	$(LOCK_VENV)/bin/python -m pip install --quiet uv
	$(LOCK) pyproject.toml --extra all --output-file requirements/lock.txt
	$(LOCK) --group build --constraints requirements/lock.txt --output-file requirements/build.txt
	$(LOCK) pyproject.toml --extra all --group dev --constraints requirements/lock.txt \
		--constraints requirements/build.txt --output-file requirements/dev.txt

docs: install-dev ## write the pages of docs/reference/ that are made from the code
	$(PY) docs/reference/generate.py
