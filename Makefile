# Everything a contributor needs; `make run` and `make test` work on a fresh clone.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
LOWEST := $(VENV)-lowest
# What checks the pages' scripts comes from npm, into a folder outside the repository.
NPM    := $(HOME)/.cache/gateway-tests
export GATEWAY_NODE_MODULES ?= $(NPM)/node_modules
TOOLS  := $(GATEWAY_NODE_MODULES)/.bin
WEB    := tests/bridges/web

.PHONY: run test lowest check check-scripts pictures bench soak interop audit format clean help

run: $(STAMP)  ## start the gateway with simulated devices
	$(BIN)/gateway run --demo

test: $(STAMP)  ## all tests but the long runs and those beside other servers
	$(BIN)/pytest -n 3 --dist loadgroup -m "not soak and not interop"

lowest: $(LOWEST)/.installed  ## all tests but the long runs, on the lowest versions that pyproject.toml permits
	$(LOWEST)/bin/pytest -n 3 --dist loadgroup -m "not soak"

$(LOWEST)/.installed: pyproject.toml
	$(PYTHON) -m venv --clear $(LOWEST)
	sed -n 's/^    "\([A-Za-z0-9.-]*\)>=\([0-9.]*\).*/\1==\2/p' pyproject.toml > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check -c $(LOWEST)/constraints.txt -e ".[test]"
	touch $@

check: $(STAMP) check-scripts  ## lint, types, static security scan
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit -q -c pyproject.toml -r gateway bridges config

check-scripts:  ## the pages' scripts: types, lint, form, node --test
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory checked-scripts; \
	else echo "npm is not installed: the scripts of the pages are NOT checked. On Debian: apt install nodejs npm"; fi

.PHONY: checked-scripts
checked-scripts: $(TOOLS)/.of-package-json
	$(TOOLS)/tsc -p $(WEB)/jsconfig.json
	$(TOOLS)/eslint -c $(WEB)/eslint.config.js bridges/web/static $(WEB)/scripts
	$(TOOLS)/prettier --print-width 100 --log-level warn --check "bridges/web/static/!(uplot).js" "$(WEB)/**/*.js"
	node --test --test-reporter=dot $(WEB)/scripts/*.test.js

$(TOOLS)/.of-package-json: $(WEB)/package.json
	@echo "Installing what checks the pages' scripts into $(GATEWAY_NODE_MODULES), once"
	@mkdir -p $(GATEWAY_NODE_MODULES)
	cp $(WEB)/package.json $(GATEWAY_NODE_MODULES)/..
	npm install --silent --no-audit --no-fund --prefix $(GATEWAY_NODE_MODULES)/..
	@touch $@

pictures: $(STAMP)  ## the pictures of the README, taken anew
	$(BIN)/python -m tests.pictures

bench: $(STAMP)  ## measure this machine, socket to listener
	$(BIN)/python -m benchmarks

soak: $(STAMP)  ## the long runs: kill -9 cycles, slow listeners, churn
	$(BIN)/pytest -m soak

interop: $(STAMP)  ## beside the servers of others: Prometheus
	$(BIN)/pytest -m interop

audit: $(STAMP)  ## ask PyPI about known holes in what is installed
	$(BIN)/pip-audit --skip-editable

format: $(STAMP)  ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	@test ! -x $(TOOLS)/prettier || $(TOOLS)/prettier --print-width 100 --log-level warn --write "bridges/web/static/!(uplot).js" "$(WEB)/**/*.js"

clean:  ## remove the environment and what tools leave
	rm -rf $(VENV) $(VENV)-* build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1: /p' $(MAKEFILE_LIST)

# `make PYTHON=python3.13 test` where .venv is of another Python: make it anew with the one asked for.
ifneq ($(origin PYTHON),file)
ifneq ($(wildcard $(BIN)/python),)
ifneq ($(shell $(BIN)/python -V 2>&1),$(shell $(PYTHON) -V 2>&1))
$(shell rm -rf $(VENV))
endif
endif
endif

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Python 3.11 or later is needed, this is `$(PYTHON) -V`. Another one: make PYTHON=python3.12 run"; exit 1; }
	@echo "Installing into $(VENV), once; this takes about a minute"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[test,check]"
	touch $@
