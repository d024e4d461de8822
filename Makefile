# Throughgate. `make demo` and `make test` do all their own set-up.
SHELL := /bin/bash
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NODE := tests/node/node_modules/.installed
ASSETS := gateway/console/node_modules/.installed
VECTORS ?= $(abspath ../shared/vectors)
export THROUGHGATE_VECTORS ?= $(VECTORS)
PIP := $(BIN)/python -m pip install -qq --no-compile --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest

.PHONY: help setup demo test coverage lint types imports faults fuzz bench bench-long bench-peers nightly lock docs clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP)  ## virtual environment, locked dependencies, .venv/bin/throughgate

$(STAMP): requirements-dev.lock pyproject.toml
	@.ci/make-venv $(VENV)
	@echo "Installing locked dependencies (about half a minute)"
	@$(PIP) --require-hashes --only-binary :all: -r requirements-dev.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(NODE): tests/node/package-lock.json
	@.ci/need openssl curl softhsm2-util:softhsm2 pg_ctlcluster:postgresql redis-server postfix chromium node:nodejs npm pango-view:pango1.0-tools
	@if command -v npm >/dev/null; then \
	  npm ci --prefix tests/node --ignore-scripts --no-audit --no-fund --silent && touch $@; fi

# The console's style and script are a dependency like any other; without them it says so.
$(ASSETS): gateway/console/package-lock.json
	@.ci/need node:nodejs npm
	@if command -v npm >/dev/null; then \
	  npm ci --prefix gateway/console --ignore-scripts --no-audit --no-fund --silent && touch $@; fi

demo: setup $(ASSETS)  ## the whole story on real servers, in under half a minute
	$(BIN)/throughgate demo $(DEMO_ARGS)

test: setup $(ASSETS) $(NODE)  ## format, lint, types, import contracts, tests
	$(BIN)/python -m tests

coverage: setup $(ASSETS) $(NODE)  ## the tests, with what they do not reach
	$(BIN)/python -m tests --cov --cov-report=term

lint: setup  ## format and lint only
	$(BIN)/ruff format --check . && $(BIN)/ruff check .

types: setup  ## mypy --strict
	$(BIN)/mypy

imports: setup  ## the dependency rule
	$(BIN)/lint-imports

faults: setup $(NODE)  ## kill -9 and other faults, long form
	THROUGHGATE_LONG_FAULTS=1 $(PYTEST) -m faults -p no:randomly --timeout 3600

fuzz: setup  ## adapters against 10,000 hostile inputs each
	THROUGHGATE_FUZZ_EXAMPLES=10000 $(PYTEST) tests/adapters tests/contract -q -n auto --maxprocesses 4 --dist load --timeout 3600

bench: setup  ## policy, adapters, log, console, ceiling and journey, in one run
	$(BIN)/python -m bench

bench-long: setup  ## a backlog of 100,000, a store full of years, an hour's soak
	$(BIN)/python -m bench long $(LONG_ARGS)

bench-peers: setup  ## beside Alertmanager, Celery, BullMQ and Apprise, in one run
	@.ci/need prometheus-alertmanager redis-server pg_ctlcluster:postgresql node:nodejs npm setpriv:util-linux
	$(BIN)/python -m bench.peers $(PEERS_ARGS)

nightly: export THROUGHGATE_EXAMPLES = whole
nightly: coverage faults fuzz bench  ## everything, every property with all its examples

docs: setup  ## regenerate the terminal picture from a real run
	$(BIN)/throughgate demo --picture docs/demo.svg

lock: setup  ## resolve the dependencies anew (hashes, no registry addresses)
	@$(PIP) uv
	$(BIN)/uv pip compile pyproject.toml --extra demo --extra hsm --extra kms --extra otel --extra pdf --extra scaled --extra sqs --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet -o requirements-dev.lock

clean:  ## remove what the targets made
	rm -rf $(VENV) tests/node/node_modules gateway/console/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* build dist
