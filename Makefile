# Everything a developer or a visitor runs. Each target sets up what it needs; the second time that is a no-op.

VENV := .venv
BIN := $(VENV)/bin
# `python3` may be a shim of a version manager that cannot run it, so each is tried, not just looked up.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

# Touched when an installation has succeeded; older than pyproject.toml means: install again.
DEMO_READY := $(VENV)/.ready-demo
DEV_READY := $(VENV)/.ready-dev

# Logs of real systems, when somebody has put them beside the clone.
ifneq ($(wildcard ../shared/data),)
export FLOWTRAIL_DEMO_DATA ?= $(abspath ../shared/data)
endif

# Packages of clients written for Node, which tests send with; the node that runs them is a Python package.
CLIENTS_READY := .tools/node/.ready

# A process-mining tool that tests read our exports with: no dependency, hence in an environment of its own.
PM4PY_READY := .tools/pm4py/.ready

# A worker starts its own mongod when its tests need one, hence no more than four.
PYTEST := $(BIN)/python -m pytest
PARALLEL ?= -n auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test check bench torture lint clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(DEMO_READY) ## Start a server on sample data and say where to look
	@$(BIN)/flowtrail demo $(ARGS)

test: lint $(CLIENTS_READY) $(PM4PY_READY) ## The gate: linters, types, imports, then every test but torture
	@$(PYTEST) -m "not torture" $(PARALLEL) $(ARGS)

check: lint ## The fast part of the gate, for between two edits
	@$(PYTEST) -m "not torture" $(wildcard tests/unit tests/architecture) $(ARGS)

lint: $(DEV_READY)
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "run: $(BIN)/ruff format"; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache

bench: $(DEV_READY) ## Measure this machine; reports stay in benchmarks/results
	@$(BIN)/flowtrail bench --output benchmarks/results/$$(date -u +%Y-%m-%dT%H%M%S).json $(ARGS)

torture: $(DEV_READY) ## Long, randomised and destructive tests
	@$(PYTEST) -m torture $(ARGS)

clean: ## Remove the environment, caches and builds; data stays
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Flowtrail needs Python 3.11 or newer; name it with make PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) has no working venv module (Debian: apt install python3-venv)" >&2; \
		rm -rf $(VENV); exit 1; }

$(DEMO_READY): pyproject.toml | $(BIN)/python
	@echo "installing flowtrail into $(VENV) …" >&2
	@$(PIP) --editable '.[server,parquet]'
	@touch $@

$(PM4PY_READY): tests/support/pm4py.py $(DEV_READY)
	@echo "installing pm4py into .tools/pm4py …" >&2
	@$(BIN)/python -m tests.support.pm4py >/dev/null
	@touch $@

$(CLIENTS_READY): tests/clients/node/package-lock.json $(DEV_READY)
	@echo "installing the clients that tests send with into $(@D) …" >&2
	@$(BIN)/python -m tests.support.node
	@touch $@

# The larger set holds the smaller one.
$(DEV_READY): pyproject.toml | $(BIN)/python
	@echo "installing flowtrail and its tools into $(VENV) …" >&2
	@$(PIP) --editable '.[server,mongodb,parquet,dev]'
	@touch $(DEMO_READY) $@
