# Every command sets itself up: it takes the newest Python 3.13, 3.12 or 3.11 that it finds, on the PATH or among
# pyenv's versions, and keeps a virtual environment per version. PYTHON=/path/to/python overrides the choice.

SHELL := /bin/bash
.DEFAULT_GOAL := help

ifndef PYTHON
PYTHON := $(shell for v in 3.13 3.12 3.11; do \
	for p in python$$v $$HOME/.pyenv/versions/$$v.*/bin/python $${PYENV_ROOT:-/nonexistent}/versions/$$v.*/bin/python python3; do \
	  command -v $$p >/dev/null 2>&1 && \
	  $$p -c "import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '$$v')" >/dev/null 2>&1 && \
	  command -v $$p && exit 0; \
	done; done)
endif

VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VENV := .venv-$(VERSION)
BIN := $(VENV)/bin
READY := $(VENV)/.ready
KUBE ?= stand-in

.PHONY: help setup other demo local test check interleavings e2e kube bench soak format lock clean

help:  ## what there is
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): requirements.txt requirements-dev.txt
	@test -n "$(VERSION)" || { echo "No Python 3.13, 3.12 or 3.11 was found. Install one, or say PYTHON=/path/to/python." >&2; exit 1; }
	@echo "setting up with Python $(VERSION), $(PYTHON)" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt >&2
	@touch $@

setup: $(READY)  ## only the set-up
	@echo "using Python $(VERSION), $(PYTHON)" >&2

demo: setup  ## the whole way of a certificate, step by step; JSON=1 prints one JSON object, KUBE=real takes real API servers
	@$(BIN)/python -m local.demo --kube $(KUBE) $(if $(JSON),--json)

local: setup  ## the stack with nothing in it, until Ctrl-C
	@$(BIN)/python -m local.stack

test: setup  ## all tests
	@$(BIN)/python -m pytest -n 4 --dist loadfile tests

check: setup  ## ruff, mypy strict, import-linter
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

interleavings: setup  ## law 7 beside crashes and sweeps: the real steps in every interleaving, millions of states
	@$(BIN)/python -m tests.interleavings --all

kube: setup  ## build etcd, kube-apiserver and kubectl from pinned Go modules (once)
	@$(BIN)/python -m local.apiserver.server build

# Both workers are tried: Microsoft's own (3.13) and the SDK's converters (3.11), where the interpreter is found.
OTHER := $(if $(filter 3.11,$(VERSION)),3.13,3.11)

other: setup
	@for p in python$(OTHER) $$HOME/.pyenv/versions/$(OTHER).*/bin/python; do \
	  if command -v $$p >/dev/null 2>&1 && $$p -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$(OTHER)')" 2>/dev/null; then \
	    exec $(MAKE) --no-print-directory setup PYTHON=$$p; fi; done; echo "no Python $(OTHER) was found" >&2

e2e: setup other  ## the same against real servers: kube-apiserver, the Azure CLI; both workers
	@programs=$$($(BIN)/python -m local.apiserver.server build) && KUBEBUILDER_ASSETS="$$programs" $(BIN)/python -m pytest tests/e2e

bench: setup  ## figures beside their floors, into docs/benchmarks.md
	@$(BIN)/python -m benchmarks

soak: setup  ## random changes and outages for some minutes, against a model
	@$(BIN)/python -m tests.soak

# One file serves all supported Pythons. A pin that is there stays, so that nothing new comes in unasked.
LOCK := -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url

lock: setup  ## requirements*.in into requirements*.txt, pinned whole with hashes; UPGRADE='idna cffi' lifts those two
	@for name in requirements requirements-dev; do \
	  $(BIN)/python $(LOCK) --custom-compile-command "make lock, from $$name.in" $(addprefix --upgrade-package=,$(UPGRADE)) \
	    $$name.in --output-file $$name.txt || exit 1; done

format: setup  ## ruff format
	@$(BIN)/ruff format && $(BIN)/ruff check --fix

clean:  ## forget the virtual environments
	@rm -rf .venv-3.* .local
