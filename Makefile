# Needs Python 3.11 (or 3.12, 3.13), pip and make; everything else goes into .venv.
#
#   make demo     the three tasks on both frameworks, compared in one report
#   make test     the test suite                        ARGS="tests/methods -k lime" runs a part of it
#   make help     the other targets

PYTHON ?= $(shell command -v python3.11 || command -v python3 || command -v python)
VENV ?= .venv
WORKERS ?= 2
CONFIG ?= configs/homework.yaml

BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed
LINTERS = $(VENV)/.linters
PEERS = $(VENV)/.peers
GPU_VENV ?= .venv-gpu
GPU_INSTALLED = $(GPU_VENV)/.installed

# A framework that is missing fails the suite and does not skip its tests.
# One thread per process: several workers with a pool of threads each only wait for one another.
pytest = TWINLENS_REQUIRE_BOTH=1 OMP_NUM_THREADS=1 $(1)/bin/python -m pytest -n $(WORKERS) --dist loadfile

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install peers demo test lint bench parity ide doctor test-gpu-pins wheel-check clean

help:
	@echo "make demo           the three tasks on both frameworks, compared in one report"
	@echo "make test           the test suite (ARGS='tests/methods -k lime' for a part, WORKERS=4 for more processes)"
	@echo "make doctor         what is installed, what is missing, how to get it"
	@echo "make bench          side by side with hand-written loops and other libraries, ratios printed"
	@echo "make parity         docs/parity.md: every method on both frameworks, and beside the other libraries"
	@echo "make lint           ruff, mypy and the order of the layers"
	@echo "make ide            typings/, which editors need to find the packages"
	@echo "make peers          captum, grad-cam and others, for the tests that compare with them"
	@echo "make test-gpu-pins  backend, method and comparison tests with requirements-gpu.txt"
	@echo "make wheel-check    build the wheel and import it in a clean environment"
	@echo "make clean          remove what the other targets made"

# $(1): folder of the environment, $(2): requirements
define install
@test -n "$(PYTHON)" || { echo "No Python found. Install Python 3.11, or name it: make PYTHON=/path/to/python3.11"; exit 1; }
@$(PYTHON) tools/check_python.py
@echo "Installing $(2) into $(1), some minutes the first time ..."
@$(PYTHON) -m venv $(1)
@$(1)/bin/python -m pip install --quiet --disable-pip-version-check -r $(2)
@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-data.txt
@touch $@
endef

install: $(INSTALLED)

$(INSTALLED): requirements.txt requirements-data.txt pyproject.toml
	$(call install,$(VENV),$<)

$(GPU_INSTALLED): requirements-gpu.txt requirements-data.txt pyproject.toml
	$(call install,$(GPU_VENV),$<)

$(LINTERS): requirements-dev.txt $(INSTALLED)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# Without their dependencies: see the file.
$(PEERS): requirements-peers.txt $(INSTALLED)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

peers: $(PEERS)

demo: $(INSTALLED)
	$(BIN)/twinlens run $(CONFIG) $(ARGS)

test: $(INSTALLED)
	$(call pytest,$(VENV)) $(ARGS)

doctor: $(INSTALLED)
	@$(BIN)/twinlens doctor

bench: $(INSTALLED) $(PEERS)
	@for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file $(ARGS) || exit 1; done

# Every method on both frameworks and beside the other libraries, as a table.
parity: $(INSTALLED) $(PEERS)
	$(BIN)/python benchmarks/parity_table.py $(ARGS)

# mypy and import-linter see the packages through the links, as editors do.
lint: $(LINTERS) ide
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd typings && $(abspath $(BIN))/lint-imports --config ../pyproject.toml --no-cache --no-logo

ide: $(INSTALLED)
	@$(BIN)/python tools/link_packages.py

wheel-check: $(INSTALLED)
	$(BIN)/python tools/check_wheel.py

test-gpu-pins: $(GPU_INSTALLED)
	$(call pytest,$(GPU_VENV)) tests/backends tests/methods tests/parity tests/comparison tests/test_docs_frameworks.py $(ARGS)

clean:
	rm -rf .venv .venv-gpu build dist typings *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
