# Everything runs in .venv, which the first target that needs it makes. GNU make 3.81 (macOS) is enough.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SITE := _build/html

# numpy and scipy each bring an OpenBLAS with a pool of threads of its own. On matrices of the book's size the pools
# spend their time waiting for each other: one thread is about ten times faster.
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1
export VECLIB_MAXIMUM_THREADS := 1
# Notebooks run with the venv's kernel, whatever kernels the user has installed.
export JUPYTER_PREFER_ENV_PATH := 1

BUILD = $(BIN)/jupyter-book build . -W --keep-going
# Execute what changed, two chapters at a time; the build itself would take one after the other.
CHAPTERS = $(BIN)/python -m tools.chapters --workers $(WORKERS)
PYTEST = $(BIN)/python -m pytest
# Processes that share the tests of the library, a file at a time, or the chapters.
WORKERS ?= 2
# Of the packages in `make drift-library` and `make drift-chapters`: oldest or newest.
VERSIONS ?= newest

.PHONY: help book test html notebooks lab clean browser lint test-library test-notebooks environments coverage drift-library drift-chapters test-site check-site pdf screenshots links mutants benchmarks tiny-results assignments

help:
	@echo "make book            set up, execute every chapter afresh, build the site, say where it is"
	@echo "make test            set up, check everything, say what passed"
	@echo
	@echo "make html            build the site again; only chapters whose code has changed are executed"
	@echo "make notebooks       execute the chapters in place and clean them, for committing"
	@echo "make lab             open the chapters in JupyterLab"
	@echo "make lint            ruff, and the notebooks' cleanliness"
	@echo "make test-library    the tests of lorabook and its doctests"
	@echo "make test-notebooks  run every chapter where only what Colab installs is there, and compare its outputs"
	@echo "make test-site       open every page in Chromium, without a network"
	@echo "make coverage        the tests of lorabook again, counting the lines that they run"
	@echo "make environments    what the chapters run in for test-notebooks, which makes it by itself"
	@echo "make drift-library, make drift-chapters"
	@echo "                     the tests, and the chapters, with VERSIONS=oldest or newest (the default) of all packages"
	@echo "make assignments     the problem sets: an archive for students, one for teachers (GRADING_SEED=… for hidden tests of your own)"
	@echo "make mutants         change the library in small ways: do the tests notice? (MODULES=bounds for one)"
	@echo "make benchmarks      how fast is the library? into benchmarks/results.json, which a page of the book shows"
	@echo "make tiny-results    run the tiny language-model grids, hours of CPU, into the file that a chapter shows"
	@echo "make screenshots     every page, light and dark, wide and phone, into screenshots/"
	@echo "make pdf             the book as a PDF, through LaTeX"
	@echo "make links           look up every link that leaves the site"
	@echo "make clean           remove everything that make made"
	@echo
	@echo "Python 3.11.5 to 3.13 is needed; name one with PYTHON=python3.12"

$(INSTALLED): requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON); name one: make PYTHON=python3.12 book"; exit 1; }
	@$(PYTHON) tools/check_python.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

book: $(INSTALLED)
	rm -rf _build
	$(CHAPTERS)
	$(BUILD)
	@echo
	@echo "The book is built. Open file://$(CURDIR)/$(SITE)/index.html"

# --all: read every page again, so that a warning of an unchanged page is seen too. The outputs come from the cache.
html: $(INSTALLED)
	$(CHAPTERS)
	$(BUILD) --all

# Needs LaTeX, so it is no part of `make test`.
pdf: $(INSTALLED)
	$(CHAPTERS)
	$(BIN)/python -m tools.pdf

notebooks: $(INSTALLED)
	$(BIN)/python tools/notebooks.py

lab: $(INSTALLED)
	$(BIN)/jupyter lab book/start_here.ipynb

browser: $(INSTALLED)
	@$(BIN)/python tools/browser.py

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/notebooks.py --check

test-library: $(INSTALLED)
	$(PYTEST) tests lorabook -n $(WORKERS) --dist loadfile --ignore=tests/site --ignore=tests/test_notebooks.py $(COVERAGE)

# Counting makes the tests nearly twice as slow, so it is no part of `make test`.
coverage:
	@$(MAKE) --no-print-directory test-library COVERAGE="--cov=lorabook --cov-report=term"

test-notebooks: $(INSTALLED)
	$(PYTEST) tests/test_notebooks.py
	$(BIN)/python tools/environments.py chapters --workers $(WORKERS)

# One for each set of extras that a chapter's first cell installs, in .venv/environments.
environments: $(INSTALLED)
	$(BIN)/python tools/environments.py prepare

# With another Python than that of .venv: make drift-library PYTHON=python3.13
drift-library:
	@$(PYTHON) tools/check_python.py
	$(PYTHON) tools/environments.py library --versions $(VERSIONS) --workers $(WORKERS)

drift-chapters: $(INSTALLED)
	$(BIN)/python tools/environments.py chapters --versions $(VERSIONS) --workers $(WORKERS)

test-site: html
	@$(MAKE) --no-print-directory check-site

check-site: browser
	$(PYTEST) tests/site -n $(WORKERS) --dist loadgroup

screenshots: html browser
	$(BIN)/python -m tools.screenshots

# The seed goes by way of the environment, so that it may have spaces and quotes.
export GRADING_SEED
assignments: $(INSTALLED)
	$(BIN)/python -m tools.assignments

# Minutes a module, so it is no part of `make test`.
mutants: $(INSTALLED)
	$(BIN)/python tools/mutants.py $(MODULES)

# Times say something only on a machine that does nothing else, so it is no part of `make test`.
benchmarks: $(INSTALLED)
	@mkdir -p _build
	$(PYTEST) benchmarks -o addopts= -p no:cacheprovider -q --benchmark-json=_build/benchmarks.json
	$(BIN)/python -m benchmarks.results _build/benchmarks.json

# Hours of CPU, so it is no part of `make test`; tests check that the file belongs to the code and to the grids.
tiny-results: $(INSTALLED)
	for grid in noise samples spectra; do \
	    $(BIN)/lorabook llm run $$grid --tiny --out _build/tiny-results --engine local --workers 2 || exit 1; \
	done
	$(BIN)/python -m lorabook.llm.packed _build/tiny-results

# Needs a network, so it is no part of `make test`.
links: $(INSTALLED)
	$(BIN)/jupyter-book build . --builder linkcheck --keep-going

# Every part runs, whatever became of those before it; the last lines are the whole verdict.
PARTS := lint test-library test-notebooks book check-site
test: $(INSTALLED)
	@verdict=; failed=0; \
	for part in $(PARTS); do \
	    echo; echo "=== $$part"; \
	    if $(MAKE) --no-print-directory $$part; then word=passed; else word=FAILED; failed=1; fi; \
	    verdict="$$verdict$$part $$word\n"; \
	done; \
	echo; printf "$$verdict" | while read part word; do printf '%-16s %s\n' $$part $$word; done; \
	if [ $$failed = 0 ]; then echo "Everything passed."; else echo "NOT everything passed."; fi; \
	exit $$failed

clean:
	rm -rf $(VENV) _build screenshots mutants *.egg-info .pytest_cache .ruff_cache .hypothesis .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
