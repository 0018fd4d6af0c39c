# make attack        set up, then attack the bundled classifier (ARGS="--limit 50" passes options on)
# make test          set up, then run every test (ARGS="-k svgd" likewise); test-core leaves out the slow ones
# make check         formatting, lint and types
# make setup         the virtual environment alone; done once, and again when a file that it depends on changes
# make wheel         source distribution and wheel in dist/ (ARGS="--no-isolation" where pip reaches no index)
# make check-wheel   the same, then install the wheel in an empty environment and do the main job there, away from here
# make test-versions the tests that are not slow, with the oldest and with the newest versions that pyproject.toml allows
# make peers         TextAttack in an environment of its own, .venv-peers, for scripts/compare_attacks.py
# make clean         remove the virtual environments, caches and build products (runs/ stays)
#
# PYTHON=python3.12 chooses the interpreter, TORCH_SPEC="torch==2.13.0+cu126 --index-url URL" the build of torch.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
STAMP := $(VENV)/.textsem-setup
torch_of = $(shell sed -n 's/^torch==//p' $(1))
TORCH_VERSION := $(call torch_of,constraints.txt)
CPU_INDEX := https://download.pytorch.org/whl/cpu

PEERS := .venv-peers
PEERS_STAMP := $(PEERS)/.textsem-setup

OLDEST := .venv-oldest
OLDEST_STAMP := $(OLDEST)/.textsem-setup
NEWEST := .venv-newest
NEWEST_STAMP := $(NEWEST)/.textsem-setup

.PHONY: setup venv attack test test-core test-oldest test-newest test-versions check wheel check-wheel \
    check-wheel-in-scratch peers clean

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
define install_torch_of
set -e; \
if [ -n '$(TORCH_SPEC)' ]; then $(PIP) install --quiet $(TORCH_SPEC); exit 0; fi; \
if $(VENV)/bin/python -c 'import importlib.metadata as m, sys; \
    sys.exit(m.version("torch").split("+")[0] != "$(1)")' 2>/dev/null; then exit 0; fi; \
if nvidia-smi >/dev/null 2>&1; then $(PIP) install --quiet 'torch==$(1)'; exit 0; fi; \
index=; \
if $(VENV)/bin/python -c 'import urllib.request as u; u.urlopen("$(CPU_INDEX)/torch/", timeout=5)' 2>/dev/null; then \
    index='--extra-index-url $(CPU_INDEX)'; fi; \
if $(PIP) install --quiet $$index 'torch==$(1)+cpu' 2>/dev/null; then exit 0; fi; \
trial=$$($(PIP) install --dry-run $$index 'torch==$(1)'); \
case "$$trial" in *nvidia-*) \
    echo "found no CPU build of torch $(1), only one for CUDA, and no GPU here;" \
         "to take it all the same: make setup TORCH_SPEC=torch==$(1)" >&2; exit 1;; esac; \
$(PIP) install --quiet $$index 'torch==$(1)'
endef
install_torch = $(call install_torch_of,$(TORCH_VERSION))

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

# The oldest torch may have no CPU build within reach; TORCH_SPEC=torch==2.6.0 then takes the one with CUDA libraries, and
# otherwise the tested torch stands in for it.
$(OLDEST_STAMP): VENV := $(OLDEST)
$(OLDEST_STAMP): PIP := $(OLDEST)/bin/python -m pip --disable-pip-version-check
$(OLDEST_STAMP): pyproject.toml constraints-oldest.txt
	$(PYTHON) -m venv --clear $(OLDEST)
	@echo "installing into $(OLDEST): some minutes"
	@( $(call install_torch_of,$(call torch_of,constraints-oldest.txt)) ) || { \
	    echo "so the oldest versions are tested with torch $(TORCH_VERSION)" >&2; $(install_torch); }
	grep -v '^torch==' constraints-oldest.txt >$(OLDEST)/constraints.txt
	$(PIP) install --quiet --constraint $(OLDEST)/constraints.txt --editable '.[test]'
	@touch $@

# Only torch is the tested one: pip's newest is often the build with CUDA libraries.
$(NEWEST_STAMP): VENV := $(NEWEST)
$(NEWEST_STAMP): PIP := $(NEWEST)/bin/python -m pip --disable-pip-version-check
$(NEWEST_STAMP): pyproject.toml
	$(PYTHON) -m venv --clear $(NEWEST)
	@echo "installing into $(NEWEST): some minutes"
	@$(install_torch)
	$(PIP) install --quiet --editable '.[test]'
	@touch $@

attack: $(STAMP)
	$(VENV)/bin/python scripts/attack_snli.py $(ARGS)

test: $(STAMP)
	$(VENV)/bin/python -m pytest $(ARGS)

test-core: $(STAMP)
	$(VENV)/bin/python -m pytest -m 'not slow' $(ARGS)

test-oldest: $(OLDEST_STAMP)
	$(OLDEST)/bin/python -m pytest -p no:cacheprovider -m 'not slow' $(ARGS)

test-newest: $(NEWEST_STAMP)
	$(NEWEST)/bin/python -m pytest -p no:cacheprovider -m 'not slow' $(ARGS)

test-versions: test-oldest test-newest

wheel: $(STAMP)
	rm -rf build dist
	$(VENV)/bin/python -m build $(ARGS)

# SCRATCH=DIR keeps environment and results in that folder; otherwise they are in a temporary one, and removed.
check-wheel: wheel
	@scratch='$(SCRATCH)'; if [ -z "$$scratch" ]; then scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; fi; \
	$(MAKE) --no-print-directory check-wheel-in-scratch SCRATCH="$$scratch"

check-wheel-in-scratch: DEVELOPMENT := $(VENV)
check-wheel-in-scratch: VENV = $(SCRATCH)/environment
check-wheel-in-scratch: PIP = $(VENV)/bin/python -m pip --disable-pip-version-check
check-wheel-in-scratch:
	rm -rf $(SCRATCH)/job && mkdir -p $(SCRATCH)/job
	$(PYTHON) -m venv --clear $(VENV)
	@$(install_torch)
	$(DEVELOPMENT)/bin/python scripts/packaging/check_wheel.py --wheel dist/*.whl --environment $(VENV) \
	    --scratch $(SCRATCH)/job

check: $(STAMP)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

clean:
	rm -rf $(VENV) $(PEERS) $(OLDEST) $(NEWEST) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find textsem scripts tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
