# Every target is one line; what it does lives in the `loyalty` command or in a tool's own settings.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OLDEST := $(VENV)/oldest_client/.ready
DRT := $(VENV)/drt/.ready

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## simulated vendors, a first load, a second sync, with a summary on screen
	@$(BIN)/loyalty demo

test: $(READY) $(OLDEST) ## the tests (all but the long siege of `make soak`)
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not slow"

soak: $(READY) ## strange vendors, kills and a full disk against whole runs, a week of faults: some hours
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m slow && $(BIN)/python -m pytest -n 2 tests/property --hypothesis-profile=explore

check: $(READY) ## lint, types, import rule, SQL style, current lock and generated documents
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports && (cd dbt_project && ../$(BIN)/sqlfluff lint -q .) && $(BIN)/python tools/check_lock.py && $(BIN)/python tools/generate_docs.py --check

run: $(READY) ## extract → build → publish → sync with the keys in .env
	@$(BIN)/loyalty run

dev: $(READY) ## the Dagster UI; behind it the sandbox, when .env has no keys
	@$(BIN)/loyalty dev

docs: $(READY) ## write the generated parts of the documents anew
	@$(BIN)/python tools/generate_docs.py

bench: $(READY) $(DRT) ## measure; results go to benchmarks/results
	@$(BIN)/python -m benchmarks.extract && $(BIN)/python -m benchmarks.growth && $(BIN)/python -m benchmarks.plan_speed && $(BIN)/python -m benchmarks.activate && $(BIN)/python -m benchmarks.webhooks && $(BIN)/python -m benchmarks.events

lock: $(READY) ## resolve requirements.lock anew (versions and hashes, no addresses)
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra dev pyproject.toml -o requirements.lock

fix: $(READY) ## format and repair what the linters can
	@$(BIN)/ruff check --fix -q .; $(BIN)/ruff format -q .; cd dbt_project && ../$(BIN)/sqlfluff fix -q .

env: $(READY) ## make .venv exactly as locked

$(READY): requirements.lock pyproject.toml
	@PYTHON=$(PYTHON) VENV=$(VENV) bash tools/make_environment.sh && touch $@

$(OLDEST): tests/oldest_client.lock
	@$(BIN)/uv pip install -q --require-hashes --target $(VENV)/oldest_client -r $< && touch $@

$(DRT): benchmarks/drt.lock
	@$(BIN)/uv pip install -q --require-hashes --target $(VENV)/drt -r $< && touch $@

.PHONY: help demo test check run dev docs bench lock fix soak env
