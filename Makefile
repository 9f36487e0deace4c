# make help lists the targets. Each one sets up what it needs in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install --constraint constraints.txt
ONLY ?=
# Containers often run as root, which Jupyter allows only if asked explicitly.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

.DEFAULT_GOAL := help
.PHONY: help demo lab serve test quick lowest check format bench pictures clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.ready ## Create the demo snapshot and print the path of its page and its link
	@$(BIN)/custdyn demo

lab: $(VENV)/.ready ## Open JupyterLab with the notebooks
	@$(BIN)/jupyter lab $(AS_ROOT) --notebook-dir=. notebooks/customer_dynamics.ipynb

serve: $(VENV)/.ready ## Serve the snapshots at their links
	@$(BIN)/custdyn serve

test: $(VENV)/.test-ready ## Run all tests, including browser and LibreOffice (ONLY=… selects)
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup $(ONLY)

quick: $(VENV)/.test-ready ## Run the quick tests only
	@$(BIN)/python -m pytest --numprocesses 2 --few-examples -m "not browser and not office and not slow" $(ONLY)

lowest: $(VENV)-lowest/.ready ## Run the quick tests with the lowest versions of dependencies
	@$(VENV)-lowest/bin/python -m pytest --numprocesses 2 --few-examples -m "not browser and not office and not slow"

check: $(VENV)/.test-ready ## Lint, types, structure
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest --quiet tests/test_architecture.py tests/test_documentation.py

format: $(VENV)/.test-ready ## Format the code
	@$(BIN)/ruff format .

bench: $(VENV)/.test-ready ## Compare the speed with DuckDB SQL, Polars and pandas (ROWS=1000000 DOCUMENT=…)
	@$(BIN)/python -m tests.bench --rows $(or $(ROWS),1000000) $(if $(DOCUMENT),--document $(DOCUMENT))

pictures: $(VENV)/.test-ready ## Regenerate the pictures in the README
	@$(BIN)/python -m tests.browser.pictures

clean: ## Remove generated files except snapshots
	rm -rf $(VENV) $(VENV)-lowest .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis dist

$(VENV)-lowest/.ready: pyproject.toml constraints-lowest.txt
	@$(PYTHON) -m venv $(VENV)-lowest
	@$(VENV)-lowest/bin/python -m pip --quiet --disable-pip-version-check install \
	  --constraint constraints-lowest.txt --editable '.[test]'
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is required; set its path with: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "Creating a virtual environment failed; on Debian, run: apt install python3-venv" >&2; exit 1; }

$(VENV)/.ready: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Setting up .venv (takes about a minute the first time) …" >&2
	@$(PIP) --editable .
	@touch $@

$(VENV)/.test-ready: $(VENV)/.ready
	@echo "Installing test dependencies …" >&2
	@$(PIP) --editable '.[test]'
	@touch $@
