# The few commands people run. `make setup` is implied by all others and quick when nothing has changed.
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(if $(shell $(p) -c \
	'import sys; sys.version_info < (3, 11) and sys.exit(1); print("ok")' 2>/dev/null),$(p))))
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: setup setup-dev demo test lint up
setup: .venv/.installed static/vendor/.installed
setup-dev: .venv/.installed-dev static/vendor/.installed

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Director needs Python 3.11 or newer; install it, or say which: make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q -e . -c constraints.txt
	@touch $@

.venv/.installed-dev: .venv/.installed
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q -e '.[dev]' -c constraints.txt
	@touch $@

static/vendor/.installed: package.json scripts/vendor.py | .venv/.installed
	$(BIN)/python scripts/vendor.py
	@touch $@

# make demo ONCE=1 stops after the outcome instead of serving the pages.
demo: setup
	$(BIN)/python manage.py demo $(if $(ONCE),--once) $(if $(PORT),--port $(PORT))

up: setup
	$(BIN)/python manage.py up $(if $(PORT),--port $(PORT))

# Whole files go to as many test processes as there are cores, each with servers of its own; ARGS="-n 0 ..." uses one.
test: setup-dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: setup-dev
	scripts/check
