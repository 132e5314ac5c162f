# The entrance: every target installs what it needs into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help demo test test-slow lint format bench docs reference install clean
help:
	@echo "make demo       generate streets, train the three tasks, evaluate, write runs/demo/report.html"
	@echo "make test       the tests a user runs (under ten minutes on two cores)"
	@echo "make test-slow  the long tests: training, real processes, the demo's figures"
	@echo "make lint       ruff and mypy"
	@echo "make bench      speed, as ratios measured side by side"
	@echo "make reference  docs/reference.md: every key of recipes and data descriptions"
	@echo "make docs       the reference, from the docstrings, in build/docs"
	@echo "make install    the environment alone (.venv)"

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"expected Python >= 3.11, found {v.major}.{v.minor}: run make PYTHON=python3.11 (or newer)")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $(STAMP)

install: $(STAMP)

demo: $(STAMP)
	$(BIN)/equipoise demo

# One thread a worker: two workers with two threads each spend their time waiting for each other.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-slow: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m slow

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python -m benchmarks

docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	$(BIN)/python -m pdoc --docformat google --output-directory build/docs equipoise

reference: $(STAMP)
	$(BIN)/python -m equipoise.scenes.reference docs/reference.md

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis
