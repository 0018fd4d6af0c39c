# make attack        set up, then attack the bundled classifier (ARGS="--limit 50" passes options on)
# make test          set up, then run every test (ARGS="-k svgd" likewise); test-core leaves out the slow ones
# make check         formatting, lint and types
# make setup         the virtual environment alone; done once, and again when a file that it depends on changes
# make peers         TextAttack in an environment of its own, .venv-peers, for scripts/compare_attacks.py
# make clean         remove the virtual environments, caches and build products (runs/ stays)
#
# PYTHON=python3.12 chooses the interpreter, TORCH_SPEC="torch==2.13.0+cu126 --index-url URL" the build of torch.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
STAMP := $(VENV)/.textsem-setup
TORCH_VERSION := $(shell sed -n 's/^torch==//p' constraints.txt)
CPU_INDEX := https://download.pytorch.org/whl/cpu

PEERS := .venv-peers
PEERS_STAMP := $(PEERS)/.textsem-setup

.PHONY: setup venv attack test test-core check peers clean

setup venv: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -x $(VENV)/bin/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "textsem needs Python 3.11 or later, and '$(PYTHON)' is not one: try make PYTHON=python3.11" >&2; exit 1; }
	@$(VENV)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV): some minutes the first time"
	@$(install_torch)
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

# torch goes in first, because its ordinary wheel on Linux brings gigabytes of CUDA libraries.
#  - TORCH_SPEC given, or an NVIDIA GPU present: the build asked for, or pip's choice.
#  - Otherwise only a build marked +cpu, from PyTorch's own index where that answers within 5 seconds (offline, pip's
#    retries against it would cost about 10) and from the configured indexes and --find-links.  Where there is none, an
#    unmarked build (macOS; a private index) passes if a trial resolution shows that it brings no nvidia-* packages.
define install_torch
set -e; \
if [ -n '$(TORCH_SPEC)' ]; then $(PIP) install --quiet $(TORCH_SPEC); exit 0; fi; \
if $(VENV)/bin/python -c 'import importlib.metadata as m, sys; \
    sys.exit(m.version("torch").split("+")[0] != "$(TORCH_VERSION)")' 2>/dev/null; then exit 0; fi; \
if nvidia-smi >/dev/null 2>&1; then $(PIP) install --quiet 'torch==$(TORCH_VERSION)'; exit 0; fi; \
index=; \
if $(VENV)/bin/python -c 'import urllib.request as u; u.urlopen("$(CPU_INDEX)/torch/", timeout=5)' 2>/dev/null; then \
    index='--extra-index-url $(CPU_INDEX)'; fi; \
if $(PIP) install --quiet $$index 'torch==$(TORCH_VERSION)+cpu' 2>/dev/null; then exit 0; fi; \
trial=$$($(PIP) install --dry-run $$index 'torch==$(TORCH_VERSION)'); \
case "$$trial" in *nvidia-*) \
    echo "found no CPU build of torch $(TORCH_VERSION), only one for CUDA, and no GPU here;" \
         "to take it all the same: make setup TORCH_SPEC=torch==$(TORCH_VERSION)" >&2; exit 1;; esac; \
$(PIP) install --quiet $$index 'torch==$(TORCH_VERSION)'
endef

# The same way of choosing a build of torch, in the other environment.
peers: $(PEERS_STAMP)

$(PEERS_STAMP): VENV := $(PEERS)
$(PEERS_STAMP): PIP := $(PEERS)/bin/python -m pip --disable-pip-version-check
$(PEERS_STAMP): scripts/peers/requirements.txt constraints.txt
	@$(VENV)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV): some minutes the first time"
	@$(install_torch)
	$(PIP) install --quiet --requirement scripts/peers/requirements.txt
	@touch $@

attack: $(STAMP)
	$(VENV)/bin/python scripts/attack_snli.py $(ARGS)

test: $(STAMP)
	$(VENV)/bin/python -m pytest $(ARGS)

test-core: $(STAMP)
	$(VENV)/bin/python -m pytest -m 'not slow' $(ARGS)

check: $(STAMP)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

clean:
	rm -rf $(VENV) $(PEERS) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find textsem scripts tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
