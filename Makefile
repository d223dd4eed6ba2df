# `make` alone lists the verbs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help run test sessions docs figures check lint types imports format bench clean

help: ## list the verbs
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $(VENV)/installed $@

run: $(VENV)/installed ## run the default session for 20 s, on simulated hardware
	$(BIN)/bci run theta-phase --duration 20

test: $(VENV)/installed-dev ## every test but those of the next three, with coverage of the safety code
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 20 \
		-m 'not session and not document and not figures' \
		--cov --cov-report=term:skip-covered --cov-report=json:.coverage.json
	$(BIN)/python tests/coverage_gate.py .coverage.json

sessions: $(VENV)/installed-dev ## whole sessions in real time, which want the machine for themselves
	$(BIN)/python -m pytest --durations 10 -m session tests/closed_loop tests/bench

docs: $(VENV)/installed-dev ## run every command of the documents
	$(BIN)/python -m pytest --numprocesses 2 --dist load -m document tests/docs

figures: $(VENV)/installed-dev ## the detectors' figures on real recordings, where there are any
	$(BIN)/python -m pytest --numprocesses 2 --dist load -m figures tests/bench

check: lint types imports ## lint, types and import contract

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

imports: $(VENV)/installed-dev
	$(BIN)/lint-imports

format: $(VENV)/installed-dev ## rewrite the code as the formatter likes it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/installed-dev ## measure latency beside the bare transport
	$(BIN)/bci bench latency
	$(BIN)/python -m pytest tests/benchmarks

clean: ## remove what can be made again; recordings in sessions/ stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
