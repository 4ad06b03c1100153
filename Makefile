# Ten verbs, each of which does its own set-up on a machine that has make and nothing else of ours.
# Shell logic lives in scripts/. Where Python is elsewhere: make PYTHON=/path/to/python3

BIN := .venv/bin
# Two stamps in one .venv: what runs a hub, and all that tests take.
HUB := .venv/.hub
READY := .venv/.ready
PYTEST := $(BIN)/pytest -n 2 --dist loadfile
export PYTHON
# A clone that was moved, or whose Python is gone, makes its .venv anew.
$(shell scripts/check-venv || rm -f $(HUB) $(READY))
# Where the home cannot be written, pip, npm and others keep here what they download.
ifneq ($(shell test -w "$$HOME" && echo writable),writable)
export XDG_CACHE_HOME ?= $(CURDIR)/.cache
export npm_config_cache ?= $(XDG_CACHE_HOME)/npm
endif

.PHONY: help demo test check contract faults chaos bench docs dist clean
.NOTPARALLEL:

help:
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1 \t\2/p' Makefile | expand -t 18

demo: $(HUB) ## start a hub on this machine and open a page that shows it at work
	$(BIN)/fast-sse demo

test: check ## everything CI asks for: check, then every test but the full counts of chaos
	@scripts/setup-test-packages
	@scripts/setup-clients
	$(PYTEST) -m "not chaos"

check: $(READY) ## lint, formatting, types, and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

contract: $(READY) ## the one suite that every store passes
	$(PYTEST) -m "not chaos" tests/contract

faults: $(READY) ## kill, cut, fill and stall the hub, in the small counts of CI
	@scripts/setup-test-packages
	$(PYTEST) -m "not chaos" tests/faults

chaos: $(READY) ## the same faults in full counts, results to docs/chaos.md and docs/clients.md; takes long
	@scripts/setup-test-packages
	@scripts/setup-clients
	$(BIN)/pytest -m chaos --timeout 3600

bench: $(READY) ## measure Fast SSE and its peers side by side on this machine; takes up to an hour
	$(BIN)/python benchmarks/sidebyside.py

docs: $(READY) ## check that the docs name every setting, route, metric and error, and that examples run
	$(BIN)/pytest -m "not chaos" tests/test_docs.py tests/docs tests/openapi

dist: $(HUB) ## build the wheel and the source archive into dist/
	rm -rf dist
	$(BIN)/hatchling build

clean: ## remove what tools left behind; .venv and a hub's data in var/ stay
	rm -rf dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache benchmarks/scratch
	find src tests scripts benchmarks -name __pycache__ -prune -exec rm -rf {} + 2> /dev/null || true

$(HUB): requirements-core.lock pyproject.toml scripts/setup-venv
	@scripts/setup-venv requirements-core.lock
	@touch $@

$(READY): requirements.lock pyproject.toml scripts/setup-venv
	@scripts/setup-venv requirements.lock
	@touch $(HUB) $@
