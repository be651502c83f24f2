# Everything a contributor needs; `make run` and `make test` work on a fresh clone.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: run test check bench soak audit format clean help

run: $(STAMP)  ## start the gateway with simulated devices
	$(BIN)/gateway run --demo

test: $(STAMP)  ## all tests but the long runs
	$(BIN)/pytest -n 3 --dist loadgroup -m "not soak"

check: $(STAMP)  ## lint, types, static security scan
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit -q -c pyproject.toml -r gateway bridges config

bench: $(STAMP)  ## measure this machine, socket to listener
	$(BIN)/python -m benchmarks

soak: $(STAMP)  ## the long runs: kill -9 cycles, slow listeners, churn
	$(BIN)/pytest -m soak

audit: $(STAMP)  ## ask PyPI about known holes in what is installed
	$(BIN)/pip-audit --skip-editable

format: $(STAMP)  ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the environment and what tools leave
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1: /p' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Python 3.11 or later is needed, this is `$(PYTHON) -V`. Another one: make PYTHON=python3.12 run"; exit 1; }
	@echo "Installing into $(VENV), once; this takes about a minute"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[test,check]"
	touch $@
