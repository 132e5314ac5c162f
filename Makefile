# Every target first installs what it needs: into .venv, or into .venv-lowest for test-lowest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOWEST := .venv-lowest
PIP := -m pip install --quiet --disable-pip-version-check
PYTEST := -m pytest -n 2 --dist worksteal
# One thread per test worker: two workers with two threads each spend their time waiting for each other.
test test-slow test-lowest coverage: export OMP_NUM_THREADS := 1

.PHONY: help demo test test-slow test-lowest coverage lint format bench docs reference install clean
help:
	@echo "make demo         generate streets, train the three tasks, evaluate, write runs/demo/report.html"
	@echo "make test         the tests without the slow ones (under ten minutes on two cores)"
	@echo "make test-slow    the slow tests: training, real processes, the demo's figures"
	@echo "make test-lowest  the core's tests with the lowest supported versions (.venv-lowest)"
	@echo "make coverage     make test with the lines and branches that it runs, in build/coverage"
	@echo "make lint         ruff and mypy"
	@echo "make format       let ruff fix and format the code"
	@echo "make bench        speed, as ratios measured side by side"
	@echo "make docs         the documentation site, in build/docs"
	@echo "make reference    docs/reference.md: every key of recipes and data descriptions"
	@echo "make install      the environment alone (.venv)"
	@echo "make clean        remove the environments and everything in build"

# $(1): the environment's folder
define new_venv
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"expected Python >= 3.11, found {v.major}.{v.minor}: run make PYTHON=python3.11 (or newer)")'
	$(PYTHON) -m venv $(1)
endef

$(VENV)/.installed: pyproject.toml constraints.txt
	$(call new_venv,$(VENV))
	$(BIN)/python $(PIP) -c constraints.txt -e ".[dev]"
	@touch $@

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python $(PIP) -c constraints.txt -e ".[docs]"
	@touch $@

# The tests of the examples for other libraries are skipped where those libraries are missing.
$(VENV)/.integrations: $(VENV)/.installed
	$(BIN)/python $(PIP) -c constraints.txt -e ".[integrations]"
	@touch $@

$(LOWEST)/.installed: pyproject.toml constraints-lowest.txt
	$(call new_venv,$(LOWEST))
	$(LOWEST)/bin/python $(PIP) -c constraints-lowest.txt -e ".[scenes]" pytest pytest-xdist hypothesis
	@touch $@

install: $(VENV)/.installed

demo: install
	$(BIN)/equipoise demo

test: install
	$(BIN)/python $(PYTEST) -m "not slow"

test-slow: $(VENV)/.integrations
	$(BIN)/python $(PYTEST) -m slow

test-lowest: $(LOWEST)/.installed
	$(LOWEST)/bin/python $(PYTEST) -m "not slow" \
	  tests/core tests/scenes/config tests/scenes/grouping tests/scenes/io tests/scenes/networks

coverage: install
	$(BIN)/python $(PYTEST) -m "not slow" \
	  --cov --cov-report=term --cov-report=html:build/coverage/html $(TESTS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install
	$(BIN)/python -m benchmarks

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir build/docs

reference: install
	$(BIN)/python -m equipoise.scenes.reference docs/reference.md

clean:
	rm -rf $(VENV) $(LOWEST) build .pytest_cache .mypy_cache .ruff_cache .hypothesis
