# make setup   an environment in .venv with everything for demo and tests
# make demo    the main job on real data: Indian Pines, two networks, two splits (5 minutes)
# make test    everything that CI runs
# make check   format, lint, types, quick tests: before every commit
# make wheel   build the wheel, install it in an empty environment, run its command
# make site    the documentation as a web site, in build/site
# make docs    write docs/commands.md anew from the command line
# make repro   draw one committed figure at random and make it again (SEED=3: that draw)
# make fix     let the formatter and the linter mend what they can

PYTHON ?= python3
# e.g. PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu" for the CPU build of torch
PIP_ARGS ?=
BIN := .venv/bin

.PHONY: setup demo test types suite check wheel site docs repro fix clean

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) -c constraints.txt -e '.[dev]'
	touch $@

demo: setup
	$(BIN)/spectrolite demo --out demo --overwrite

# mypy keeps one core busy for half a minute, so the tests begin beside it
test: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mkdocs build --quiet --clean
	$(MAKE) --jobs 2 types suite

types: setup
	$(BIN)/mypy

# two workers of one thread each: the tests' tensors are too small for two threads
suite: setup
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --cov --cov-fail-under=95

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q -m 'not slow'

wheel: setup
	rm -rf build/wheel
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/wheel .
	$(PYTHON) -m venv build/wheel/env
	build/wheel/env/bin/python -m pip install --quiet $(PIP_ARGS) -c constraints.txt build/wheel/*.whl
	build/wheel/env/bin/spectrolite --version
	build/wheel/env/bin/spectrolite data indian_pines

site: setup
	$(BIN)/mkdocs build --quiet --clean

docs: setup
	SPECTROLITE_WRITE_DOCS=1 $(BIN)/pytest -q tests/test_docs.py -k commands_page

repro: setup
	$(BIN)/python benchmarks/repro.py $(if $(SEED),--seed $(SEED)) $(REPRO_ARGS)

fix: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv build dist
