# make help lists the targets. Each one sets up what it needs in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ONLY ?=
# Processes that tests start would otherwise compile the package again, each of them.
unexport PYTHONDONTWRITEBYTECODE
# $(call install,folder of the environment,constraints,what): with uv if it is there and works, otherwise with
# pip, whose output is reduced to a line for each package. uv shows its own progress.
install = \
  { command -v uv >/dev/null && \
    uv pip install --compile-bytecode --python $(1)/bin/python --constraint $(2) --editable $(3); } || { \
    { PYTHONUNBUFFERED=1 $(1)/bin/python -m pip --disable-pip-version-check install \
      --constraint $(2) --editable $(3); echo $$? >$(1)/.status; } | while read -r action package; do \
        case "$$action $$package" in \
          "Collecting "*) echo "  $${package%% (*}" ;; \
          "Installing collected "*) echo "  Unpacking the packages …" ;; \
        esac; done >&2; exit "$$(cat $(1)/.status)"; }
# Prints the path of the newest Python here: in the PATH, of pyenv, or of uv.
newest_python = \
  for version in 3.14 3.13 3.12; do \
    for python in "python$$version" "$${PYENV_ROOT:-$$HOME/.pyenv}/versions/$$version".*/bin/python; do \
      "$$python" -c "" 2>/dev/null && command -v "$$python" && exit; \
    done; \
    uv python find "$$version" 2>/dev/null && exit; \
  done; \
  echo "Python 3.12 or newer is required; set its path with: make newest NEWEST=/path/to/python" >&2; exit 1
NEWEST ?= $(shell $(newest_python))
SMALL := not browser and not office and not spark and not slow
# Containers often run as root, which Jupyter allows only if asked explicitly.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

.DEFAULT_GOAL := help
.PHONY: help demo lab serve test quick lowest newest check format bench bench-shapes bench-large bench-sync bench-memory pictures clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.ready ## Create the demo snapshot and print the path of its page and its link
	@$(BIN)/custdyn demo

lab: $(VENV)/.ready ## Open JupyterLab with the notebooks
	@$(BIN)/jupyter lab $(AS_ROOT) --notebook-dir=. notebooks/customer_dynamics.ipynb

serve: $(VENV)/.ready ## Serve the snapshots at their links
	@$(BIN)/custdyn serve

test: $(VENV)/.test-ready ## Run all tests, including browser, LibreOffice and Spark (ONLY=… selects)
	@$(BIN)/python -m pytest --numprocesses 3 --dist worksteal $(ONLY)

quick: $(VENV)/.test-ready ## Run the quick tests only (under two minutes)
	@$(BIN)/python -m pytest --numprocesses 2 --few-examples -m "$(SMALL) and not long" $(ONLY)

lowest: $(VENV)-lowest/.ready ## Run all but the slow tests with the lowest versions of dependencies
	@$(VENV)-lowest/bin/python -m pytest --numprocesses 2 --few-examples -m "$(SMALL)"

newest: $(VENV)-newest/.ready ## Run all but the slow tests with the newest Python that is installed (NEWEST=/path/to/python)
	@$(VENV)-newest/bin/python -m pytest --numprocesses 2 --few-examples -m "$(SMALL)"

check: $(VENV)/.test-ready ## Lint, types, structure
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest --quiet tests/test_architecture.py tests/test_documentation.py

format: $(VENV)/.test-ready ## Format the code
	@$(BIN)/ruff format .

bench: $(VENV)/.test-ready ## Compare the speed with DuckDB SQL, Polars, pandas and openpyxl (ROWS=1000000 DOCUMENT=…)
	@$(BIN)/python -m tests.bench --rows $(or $(ROWS),1000000) $(if $(DOCUMENT),--document $(DOCUMENT))

bench-shapes: $(VENV)/.test-ready ## Compare the first report with DuckDB SQL on ledgers as different systems store them (ROWS=10000000)
	@$(BIN)/python -m tests.bench.by_shape --rows $(or $(ROWS),10000000) $(if $(DOCUMENT),--document $(DOCUMENT))

bench-sync: $(VENV)/.test-ready ## Compare importing data with hand-written code: PostgreSQL, MariaDB, CSV (ROWS=10000000)
	@$(BIN)/python -m tests.bench.sync --rows $(or $(ROWS),10000000)

bench-large: $(VENV)/.test-ready ## Measure growth up to 100 million rows, with PostgreSQL (DOCUMENT=…; half an hour, 25 GB of disk)
	@$(BIN)/python -m tests.bench.large $(if $(DOCUMENT),--document $(DOCUMENT))

bench-memory: $(VENV)/.test-ready ## Make a report on a mart four times larger than the memory it may use (as root)
	@$(BIN)/python -m tests.bench.within_memory

pictures: $(VENV)/.test-ready ## Regenerate the pictures in the README
	@$(BIN)/python -m tests.browser.pictures

clean: ## Remove generated files except snapshots
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-newest .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis dist

$(VENV)-lowest/.ready: pyproject.toml constraints-lowest.txt
	@$(PYTHON) -m venv $(VENV)-lowest
	@echo "Installing the lowest versions of about 150 packages into $(VENV)-lowest: this takes minutes …" >&2
	@$(call install,$(VENV)-lowest,constraints-lowest.txt,'.[test]')
	@touch $@

$(VENV)-newest/.ready: pyproject.toml constraints.txt
	@python="$(NEWEST)"; [ -n "$$python" ] && "$$python" --version >&2 && "$$python" -m venv $(VENV)-newest
	@echo "Installing about 150 packages into $(VENV)-newest: this takes minutes …" >&2
	@$(call install,$(VENV)-newest,constraints.txt,'.[test]')
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is required; set its path with: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Creating a virtual environment in $(VENV) …" >&2
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "Creating a virtual environment failed; on Debian, run: apt install python3-venv" >&2; exit 1; }

$(VENV)/.ready: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing about 110 packages into $(VENV): the first time, this takes a few minutes …" >&2
	@$(call install,$(VENV),constraints.txt,.)
	@touch $@

$(VENV)/.test-ready: $(VENV)/.ready
	@echo "Installing about 40 packages for tests into $(VENV) …" >&2
	@$(call install,$(VENV),constraints.txt,'.[test]')
	@touch $@
