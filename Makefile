# Everything a user or a developer types. `make run` needs Python 3.11 or newer and nothing else.

PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3))
VENV   := .venv
BIN    := $(VENV)/bin
CODE   := media ingest storage retention playback server simulator storm tests benchmarks

.PHONY: run test lint format bench bench-quick bench-data bench-postgres storm storm-large storm-links storm-full-disk city seeded states fuzz lock clean

run: $(VENV)/.runtime  ## simulated cameras, recording, page on http://127.0.0.1:8080
	$(BIN)/hulta demo

test: $(VENV)/.dev lint  ## everything CI runs
	sh tests/prepare.sh
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --ignore tests/scenario
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder -m "not browser" tests/scenario
	$(BIN)/python -m pytest -m browser tests/scenario

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev  ## the figures and plots of benchmarks/README.md, about 15 minutes on an idle machine
	sh tests/prepare.sh linux-perf
	$(BIN)/python -m benchmarks

bench-data: $(VENV)/.dev  ## once: the catalogs of 300 000, 2 and 20 million segments that `bench` asks; 30 GB, half an hour
	$(BIN)/python -m benchmarks.city

bench-quick: $(VENV)/.dev  ## a first look in about a minute; the kept figures stay as they are
	sh tests/prepare.sh linux-perf
	$(BIN)/python -m benchmarks --quick

bench-postgres: $(VENV)/.dev  ## what a PostgreSQL with 20 million segments answers; 50 GB of disk, a quarter of an hour
	sh tests/prepare.sh
	$(BIN)/python -m benchmarks.catalog_postgres
	$(BIN)/python -m benchmarks.readme

storm: $(VENV)/.dev  ## 60 cameras, 10 minutes, every fault there is, kill -9 of every process; a verdict
	$(BIN)/hulta storm --fleet examples/storm.yaml --script examples/storm-script.yaml --minutes 10

storm-large: $(VENV)/.dev  ## 100 cameras, 15 minutes, the same and more of it at a time; 20 GB of disk for a while
	$(BIN)/hulta storm --fleet examples/storm-large.yaml --script examples/storm-large-script.yaml --minutes 15

storm-links: $(VENV)/.dev  ## half an hour with a Ceph and a PostgreSQL that come and go, beside kills; 10 GB of memory
	sh tests/prepare.sh
	$(BIN)/python -m tests.scenario.links_storm

storm-full-disk: $(VENV)/.dev  ## 5 minutes in which the spool's disk is full, with a Ceph and a PostgreSQL; needs root
	sh tests/prepare.sh
	$(BIN)/python -m tests.scenario.links_storm --fleet examples/storm-full-disk.yaml \
		--script examples/storm-full-disk-script.yaml --minutes 5 --cameras 12 --spool-disk 512

city: $(VENV)/.dev  ## ffmpeg and PyAV read 5 cameras of each kind of the simulated city, over TCP and UDP; about 5 minutes
	sh tests/prepare.sh
	$(BIN)/python -m tests.scenario.city_reading --each 5 --over tcp
	$(BIN)/python -m tests.scenario.city_reading --each 5 --over udp

seeded: $(VENV)/.dev  ## known ways to lose footage, each of which must make a short storm fail; about 10 minutes
	$(BIN)/python -m tests.scenario.seeded_bugs

STATES ?= 5000
states: $(VENV)/.dev  ## so many random lives of a host for each catalog, compared with a model; about 25 minutes (STATES)
	sh tests/prepare.sh
	HULTA_STATES=$(STATES) $(BIN)/python -m pytest --timeout 0 tests/property/test_catalogs_and_model.py

FUZZ_SECONDS ?= 600
fuzz: $(VENV)/.fuzz  ## hostile bytes for every parser, 10 minutes each (FUZZ_SECONDS); stops at nothing, fails at the end
	nice -n 19 $(BIN)/python -m tests.fuzz.seeds
	nice -n 19 $(BIN)/python -m tests.fuzz.run --seconds $(FUZZ_SECONDS)

lock:  ## renew the lock files from pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml --group dev -o requirements-dev.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --group fuzz -o requirements-fuzz.lock

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Hulta needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

# An existing development environment is good enough to run.
$(VENV)/.runtime: $(VENV)/bin/python requirements.lock pyproject.toml
	$(BIN)/pip install -q --require-hashes -r requirements.lock
	$(BIN)/pip install -q --no-deps -e .
	touch $@

$(VENV)/.dev: $(VENV)/bin/python requirements-dev.lock pyproject.toml
	$(BIN)/pip install -q --require-hashes -r requirements-dev.lock
	$(BIN)/pip install -q --no-deps -e .
	touch $@ $(VENV)/.runtime

$(VENV)/.fuzz: $(VENV)/.dev requirements-fuzz.lock
	$(BIN)/pip install -q --require-hashes -r requirements-fuzz.lock
	touch $@
