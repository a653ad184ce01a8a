# Every target does its own set-up (tools/setup), on a bare Debian 12 too; the second time that costs a fraction of a second.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test check format bench setup lock clean

BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# The second way to run Blender: its Python module, in an environment of its own. Unused where that was never made.
export LANEWAY_BPY_PYTHON := $(CURDIR)/.venv-bpy/bin/python
# A farm that runs on this computer already must not take part in a demo or a test.
unexport LANEWAY_URL LANEWAY_TOKEN LANEWAY_DATA LANEWAY_ENGINES

help: ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

demo: ## render a Blender scene on two lanes, check every frame, encode the movie  (OPEN=1 shows it)
	@tools/setup venv renderers
	@$(BIN)/python demo/run.py $(if $(OPEN),--open)

test: ## everything that must hold: check, then unit, architecture, integration and acceptance tests  (ONLY='tests/unit -k frames')
	@tools/setup venv renderers bpy
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m pytest $(or $(ONLY),tests/unit tests/architecture tests/integration tests/acceptance)

check: ## style, types and import contracts
	@tools/setup venv
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "not formatted as ruff would: make format"; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@said=$$($(BIN)/lint-imports --no-cache) || { echo "$$said"; exit 1; }

format: ## put the code into its form
	@tools/setup venv
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format

bench: ## the benchmarks, one JSON object a line  (ONLY=dispatch,submit)
	@tools/setup venv renderers bench
	@$(BIN)/python -m bench $(if $(ONLY),--only $(ONLY))

setup: ## all environments and programs that the other targets use
	@tools/setup venv renderers bpy

lock: ## renew the pinned versions from pyproject.toml
	@tools/lock

clean: ## what was made, except the environments
	rm -rf build dist demo/out bench/out .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis
	find core engines tests demo bench -name __pycache__ -type d -prune -exec rm -rf {} +
