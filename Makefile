# Everything a contributor needs; `make run` and `make test` work on a fresh clone.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: run test check bench soak format clean

run: $(STAMP)  ## start the gateway with simulated devices
	$(BIN)/gateway run --demo

test: $(STAMP)  ## all tests but the long runs
	$(BIN)/pytest -n 2 --dist loadgroup -m "not soak"

check: $(STAMP)  ## lint, types, static security scan
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit -q -c pyproject.toml -r gateway bridges config

bench: $(STAMP)  ## measure this machine, socket to listener
	$(BIN)/python -m benchmarks

soak: $(STAMP)  ## the long runs: kill -9 cycles, slow listeners, churn
	$(BIN)/pytest -m soak

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[test,check]"
	touch $@
