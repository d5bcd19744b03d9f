# Every target sets up what it needs: a virtual environment with the tested versions.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OLDEST ?= .venv-oldest

.PHONY: demo test coverage test-oldest check format lint types docs picture dist bench environments clean

demo: $(READY)  ## search 60 networks on digits, print the table, write the HiPlot page
	$(BIN)/python examples/digits_search.py

test: $(READY)  ## the whole test suite; a thread for each worker
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

coverage: $(READY)  ## the suite, and which lines it runs, 95 % at least; twice the time
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --cov --cov-report=term

test-oldest: $(OLDEST)/.ready  ## what other versions may change, on the lowest that pyproject.toml names
	OMP_NUM_THREADS=1 $(OLDEST)/bin/python -m pytest -n auto -m "not once"

check: format lint types test  ## all that must pass before a change lands

format: $(READY)
	$(BIN)/ruff format --check .

lint: $(READY)
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

docs: $(READY)  ## the site, with warnings as errors: docs/_build/html/index.html
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

picture: $(READY)  ## the picture of the README, from what the demo writes
	$(BIN)/python docs/picture.py

dist: $(READY)  ## sdist and wheel in dist/, checked as a package index would
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m twine check --strict dist/*

bench: $(READY)  ## all benchmarks: tables, and benchmarks/results/*.json; three hours
	for name in single_fit grid_search real_nets resume scaling cross_validation training_log learning_rates \
	    honest_compare diagnosis defaults many_nets strong pages; do \
	  $(BIN)/python benchmarks/$$name.py || exit 1; done

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "skact needs Python 3.11 or later: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Setting up $(VENV) with the tested versions: once, a few minutes."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(OLDEST)/.ready: pyproject.toml constraints-oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --constraint constraints-oldest.txt --editable '.[test]'
	@touch $@

environments: $(READY) $(OLDEST)/.ready  ## both virtual environments; side by side with --jobs=2

clean:
	rm -rf dist docs/_build docs/backreferences docs/gallery docs/reference/generated
	rm -rf $(VENV) $(OLDEST) .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
