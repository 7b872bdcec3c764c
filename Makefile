# The targets are the habits. Each sets up what it needs; a second call installs nothing.
#   make demo | test | test-cluster | cluster-test | lint | types | imports | format | docs | bench | console | screenshots | clean
#   make test ARGS="tests/unit -k window"

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first interpreter that is new enough; `make PYTHON=/path/to/python3.12 test` overrides.
PYTHON ?= $(shell for candidate in python3 python3.11 python3.12 python3.13 python3.14; do \
	"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$candidate"; break; }; \
	done)
VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.synced
ARGS ?=

# Much of the suite waits for processes to start and timers to fire: three tests at once keep two cores busy. Whoever
# is through with their share takes from the others' (worksteal). A part runs in one process, as `--pdb` and `-x` want.
WHOLE_SUITE := --numprocesses 3 --dist worksteal --reruns 1 -rfERs

# Settings of the person who runs this must not decide what is installed here: an index or a resolution of their own
# makes `--locked` refuse, and `user = true` in a pip.conf does not go with a virtual environment.
UV_IGNORED := UV_INDEX UV_INDEX_URL UV_DEFAULT_INDEX UV_EXTRA_INDEX_URL UV_FIND_LINKS UV_RESOLUTION UV_PRERELEASE \
	UV_EXCLUDE_NEWER UV_FROZEN UV_NO_DEV UV_PYTHON UV_PROJECT UV_NO_INSTALL_PROJECT UV_CONFIG_FILE VIRTUAL_ENV
UV := env $(addprefix -u ,$(UV_IGNORED)) UV_NO_CONFIG=1 UV_PROJECT_ENVIRONMENT="$(VENV)" UV_LINK_MODE=copy "$(BIN)/uv"
PIP := env -u PIP_TARGET -u PIP_PREFIX PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_DISABLE_PIP_VERSION_CHECK=1 \
	"$(BIN)/python" -m pip --quiet

.PHONY: help setup demo test test-cluster cluster-test lint types imports format docs bench console screenshots clean

help:
	@sed -n '2,3s/^# *//p' Makefile

setup: $(STAMP)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or later was found. Install one, or name it: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@echo "Setting up .venv with $$("$(PYTHON)" --version); this happens once."
	@"$(PYTHON)" -m venv "$(VENV)"

# uv first, because it is quick and keeps to the lock. Where only pip knows the way to an index (a mirror in a
# pip.conf), pip installs the very same locked files, by their hashes.
$(STAMP): pyproject.toml uv.lock | $(BIN)/python
	@test -x "$(BIN)/uv" || $(PIP) install uv
	@$(UV) sync --quiet --locked --all-extras --python "$(BIN)/python" || { \
		echo "uv could not install from the lock; installing the same files with pip."; \
		$(UV) export --quiet --frozen --all-extras --no-emit-project --output-file "$(VENV)/locked.txt" >/dev/null && \
		$(PIP) install --no-deps --require-hashes --requirement "$(VENV)/locked.txt" && \
		$(PIP) install --no-deps --editable . ; }
	@touch "$@"

demo: $(STAMP)
	@"$(BIN)/outlive" demo $(ARGS)

test: $(STAMP)
	@"$(BIN)/python" -m pytest $(or $(ARGS),$(WHOLE_SUITE))

# The durable part on a cluster that runs already: make test-cluster TEMPORAL_ADDRESS=host:port
# Each test process makes namespaces of its own there. TEMPORAL_* of the environment are heeded (TLS, API key).
DURABLE_TESTS := tests/temporal tests/crash
test-cluster: $(STAMP)
	@TEMPORAL_ADDRESS="$(TEMPORAL_ADDRESS)" "$(BIN)/python" -m pytest --on-cluster $(or $(ARGS),$(DURABLE_TESTS) $(WHOLE_SUITE))

# Real Temporal processes, PostgreSQL, Kafka and S3 on this machine, some of them killed; the first time builds them.
cluster-test: $(STAMP)
	@"$(BIN)/python" -m pytest tests/cluster -rP $(ARGS)

lint: $(STAMP)
	@"$(BIN)/ruff" check .
	@"$(BIN)/ruff" format --check .

types: $(STAMP)
	@"$(BIN)/mypy"

imports: $(STAMP)
	@"$(BIN)/lint-imports"

format: $(STAMP)
	@"$(BIN)/ruff" format .
	@"$(BIN)/ruff" check --fix .

docs: $(STAMP)
	@"$(BIN)/python" docs/generate.py

bench: $(STAMP)
	@"$(BIN)/python" bench/compare.py --generated --documents 1000 --pairs 1 --in-flight 200

# The pages of the console, from TypeScript: needs Node 20.19 or later. What is built is committed; running needs no Node.
FRONT_END := console/frontend
console: $(STAMP)
	@command -v npm >/dev/null || { echo "Node and npm were not found. Install Node 20.19 or later; only building needs it." >&2; exit 1; }
	@"$(BIN)/python" -m outlive.console.describe "$(FRONT_END)/openapi.json"
	@cd "$(FRONT_END)" && npm ci --silent && npm run --silent types && npm run --silent build

# The pictures of the console in docs/images, of a project that works meanwhile; needs Chromium.
screenshots: $(STAMP)
	@"$(BIN)/python" docs/screenshots.py $(ARGS)

clean:
	rm -rf "$(VENV)" "$(FRONT_END)/node_modules" .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist bench/.cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
