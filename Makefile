# `make help` lists what there is. Everything is set up by the target that needs it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
DEMO_VENV ?= .venv-demo
# Where hfc lives, apart from everything else; the program looks there, or where HFC_VENV says.
HFC_VENV ?= $(HOME)/.cache/veriframe/hfc
# What tests need beside Fabric's programs, only where those are.
FOR_FABRIC := $(if $(or $(wildcard $(or $(FABRIC_BIN),$(HOME)/.cache/veriframe/fabric/bin)/peer),$(shell command -v peer)),$(HFC_VENV)/.ready)
# What else pytest should be told, for example PYTEST="-n 2 -k tamper".
PYTEST ?=

# The first Python between 3.11 and 3.13 that also runs; PYTHON=… names one.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(DEMO_VENV)/.ready ## record, anchor, tamper, verify: needs only Python 3.11 to 3.13
	@$(DEMO_VENV)/bin/veriframe demo

.PHONY: test
test: $(VENV)/.ready system node $(FOR_FABRIC) ## run all tests
	@$(VENV)/bin/python -m pytest $(PYTEST)

.PHONY: lint
lint: $(VENV)/.ready ## ruff, mypy --strict, and who imports whom
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/python -m pytest -q tests/test_imports.py

.PHONY: fmt
fmt: $(VENV)/.ready ## bring the source into form
	@$(VENV)/bin/ruff check --fix-only --quiet .
	@$(VENV)/bin/ruff format .

.PHONY: bench
bench: $(VENV)/.ready ## run every measurement beside its peer; results in bench/results/
	@$(VENV)/bin/python -m pip install --quiet --require-hashes -r requirements/bench.txt
	@mkdir -p bench/results
	@for script in bench/p*.py; do echo "== $$script"; $(VENV)/bin/python "$$script"; done

.PHONY: vectors
vectors: $(VENV)/.ready ## make the own test vectors anew; git diff shows whether the formats moved
	@for script in tests/vectors/make_*.py; do $(VENV)/bin/python "$$script"; done

.PHONY: docs
docs: $(VENV)/.ready ## write the pages that are generated from the code
	@$(VENV)/bin/python -m cli.reference docs/cli.md
	@$(VENV)/bin/python docs/formats/make_lists.py
	@$(VENV)/bin/python -m chaincode.page docs/contract.md

.PHONY: hfc
hfc: $(HFC_VENV)/.ready ## the environment of the client for Fabric networks without the Gateway

.PHONY: lock
lock: ## renew the hash-pinned requirements (needs uv)
	@requirements/relock

.PHONY: system
system: ## the programs some tests compare with: installed by apt where root, else named
	@.ci/system

.PHONY: node
node: system ## Hyperledger's Node client and shim, which some tests compare with
	@tests/fabric/node/install

.PHONY: clean
clean: ## remove what the targets above made
	rm -rf $(VENV) $(DEMO_VENV) $(HFC_VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* htmlcov bench/results tests/fabric/node/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: python
python:
	@if [ -z "$(PYTHON)" ]; then echo "Veriframe needs Python 3.11, 3.12 or 3.13; name one with PYTHON=…" >&2; exit 1; fi
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }

# An environment is ready when its lock and the project's own metadata have been installed into it.
$(DEMO_VENV)/.ready: requirements/sampler.txt requirements/build.txt pyproject.toml | python
	$(call install,$(DEMO_VENV),requirements/sampler.txt)

$(VENV)/.ready: requirements/dev.txt requirements/build.txt pyproject.toml | python
	$(call install,$(VENV),requirements/dev.txt)

# Its packages demand versions that cannot be had together: installed as listed, without asking them. Two are old source
# archives of plain Python, built by what hfc-build.txt names and nothing that pip would fetch for it.
$(HFC_VENV)/.ready: requirements/hfc.txt requirements/hfc-build.txt | python
	@echo "Setting up $(HFC_VENV) (once)…" >&2
	@test -x $(HFC_VENV)/bin/python || $(PYTHON) -m venv $(HFC_VENV)
	@$(HFC_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/hfc-build.txt
	@$(HFC_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --no-build-isolation -r requirements/hfc.txt
	@touch $@

define install
	@echo "Setting up $(1) (once)…" >&2
	@test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(2) -r requirements/build.txt
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
endef
