# `make run` serves the shipped model on this machine, `make test` checks everything.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
RAVDESS_DIR ?= ../shared/data/ravdess

.DEFAULT_GOAL := help
.PHONY: help run test lint unit evaluate eda lock audit clean

help:  ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

$(INSTALLED): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed; set PYTHON=") if not (3, 11) <= sys.version_info[:2] < (3, 14) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(INSTALLED)  ## serve the shipped model on 127.0.0.1 until Ctrl-C
	@$(BIN)/ser serve

test: lint unit  ## lint, types, import rules and the whole test suite

lint: $(INSTALLED)  ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(INSTALLED)  ## the test suite
	$(BIN)/python -m pytest

evaluate: $(INSTALLED)  ## retrain and evaluate the baselines on the recordings of RAVDESS_DIR
	$(BIN)/ser evaluate --data $(RAVDESS_DIR) --output reports/evaluation

eda: $(INSTALLED)  ## pictures of the recordings of RAVDESS_DIR
	$(BIN)/ser eda --data $(RAVDESS_DIR) --output reports/eda

lock:  ## resolve requirements/dev.txt anew (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --generate-hashes --python-version 3.11 --no-header -o requirements/dev.txt

audit: $(INSTALLED)  ## known vulnerabilities of the locked packages; fails where they cannot be looked up
	$(BIN)/pip-audit --strict --require-hashes --disable-pip -r requirements/dev.txt

clean:  ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache reports
