# `make` lists all targets. Settings (AISLE_PORT, AISLE_HOME, …) are environment variables:
# `AISLE_PORT=9000 make up`; `.venv/bin/aisle settings` shows them all.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
CHECKED := schemas seat_workers gateway tickets notifier runtime languages ops loadtest tests examples
ARGS ?=

# Paths are UTF-8, whatever the locale is.
export PYTHONUTF8 := 1

.DEFAULT_GOAL := help
.PHONY: help prerequisites install dev tracing up demo kafka test lint types unit quick integration e2e browser simulate chaos attack fuzz mutate bench bench-scale bench-site containers failures screenshots loadtest servers catalogues lock clean

help:  ## list of targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/installed  ## runtime dependencies, into .venv
dev: $(VENV)/developing  ## development and test dependencies as well

# One at a time (LOCK); a venv whose creation was interrupted (`begun` still exists) is created again.
LOCK := exec 9< Makefile; $(PYTHON) -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'

$(VENV)/installed: requirements/run.lock pyproject.toml
	@command -v $(PYTHON) > /dev/null || { \
	  echo "Aisle needs Python 3.11 or later, and there is no $(PYTHON). Install it, or set PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Aisle needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1). Set PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
	  echo "$(PYTHON) cannot make a venv: install python3-venv (Debian, Ubuntu), or set PYTHON=…" >&2; exit 1; }
	@[ -w . ] && { [ ! -e $(VENV) ] || [ -w $(VENV) ]; } || { \
	  echo "Aisle cannot be installed: $(VENV) here cannot be written to. Copy the checkout to a folder of yours." >&2; \
	  exit 1; }
	@set -e; $(LOCK); \
	if [ -e $(VENV)/begun ]; then rm -rf $(VENV); fi; \
	if [ $@ -nt requirements/run.lock ] && [ $@ -nt pyproject.toml ]; then exit 0; fi; \
	echo "Installing what Aisle needs into $(VENV) …"; \
	mkdir -p $(VENV); touch $(VENV)/begun; \
	$(PYTHON) -m venv $(VENV); \
	$(PIP) install --require-hashes --requirement requirements/run.lock; \
	$(PIP) install --no-deps --no-build-isolation --editable .; \
	touch $@; rm $(VENV)/begun

$(VENV)/developing: $(VENV)/installed requirements/dev.lock
	@set -e; $(LOCK); \
	echo "Installing what developing needs into $(VENV) …"; \
	$(PIP) install --require-hashes --requirement requirements/dev.lock; \
	touch $@

tracing: install  ## OpenTelemetry, which AISLE_TRACE_URL needs, into .venv
	@$(PIP) install --require-hashes --requirement requirements/tracing.lock

up: install  ## run all services; Ctrl-C stops them
	@$(BIN)/python -P -m ops up

demo: install  ## watch a theatre fill: Aisle on .aisle-demo with a crowd, until Ctrl-C; AISLE_PORT as usual
	@$(BIN)/python -P -m ops demo $(ARGS)

kafka: install  ## run a real Kafka for trials: then AISLE_KAFKA=… make up
	@$(BIN)/python -P -m ops kafka $(ARGS)

# Missing prerequisites are reported first, and again at the end.
test: prerequisites dev lint types  ## lint, types and every test, on real servers
	@$(BIN)/python -m pytest $(ARGS); status=$$?; $(PYTHON) tests/prerequisites.py; exit $$status

prerequisites:
	@$(PYTHON) tests/prerequisites.py

lint: dev  ## ruff: style and likely mistakes
	@$(BIN)/ruff check $(CHECKED)
	@$(BIN)/ruff format --check --quiet $(CHECKED) || { \
	  echo "Some files are not formatted: $(BIN)/ruff format $(CHECKED)" >&2; exit 1; }

types: dev  ## mypy, strict
	@$(BIN)/mypy

unit: dev  ## tests without servers
	@$(BIN)/python -m pytest --quiet tests/unit $(ARGS)

quick: lint types  ## before each commit: lint, types and the unit tests but the slow ones, on two cores
	@$(BIN)/python -m pytest --quiet tests/unit -m "not slow" --hypothesis-profile=quick --numprocesses=2 \
	  -p no:schemathesis -p no:faker -p no:locust --ignore-glob='*/test_loadtest_*' $(ARGS)

integration: dev  ## tests of single parts on real servers
	@$(BIN)/python -m pytest --quiet tests/integration $(ARGS)

e2e: dev  ## black-box tests of whole processes
	@$(BIN)/python -m pytest --quiet tests/e2e $(ARGS)

browser: prerequisites dev  ## the site in Chromium: journeys, accessibility, languages
	@$(BIN)/python -m pytest --quiet tests/browser $(ARGS)

simulate: dev  ## simulated schedules and crashes: RUNS=10000 SEED=1 ARGS='--mode changes'; continues where it stopped
	@$(BIN)/python -m tests.simulation --runs $(or $(RUNS),1000) --seed $(or $(SEED),1) $(ARGS)

chaos: dev  ## fault injection under load, for MINUTES=10 (LOG=kafka or postgres, SEED=1); ARGS='--crowd row': changes on one row
	@$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),10) --log $(or $(LOG),both) --seed $(or $(SEED),1) $(ARGS)

attack: dev  ## attacks on a gateway from outside, two minutes: ARGS='--only pings --latency'
	@$(BIN)/python -m tests.attack $(ARGS)

fuzz: dev  ## generated requests, valid and invalid, from the OpenAPI document: CASES=100 of each call, SEED=1
	@$(BIN)/python -m tests.e2e.fuzzing --cases $(or $(CASES),100) --seed $(or $(SEED),1) $(ARGS)

mutate: dev  ## mutation tests of the pure modules, below ten minutes on two cores: ARGS=seat_workers/show.py
	@$(BIN)/python -m tests.mutation $(ARGS)

servers: dev  ## run the tests' servers; then a single test: .venv/bin/pytest -k its_name
	@$(BIN)/python -m tests.servers

bench: dev  ## bookings per second, latency, storms, overload, on this machine; QUICK=1: two minutes
	@$(BIN)/python -m loadtest.bench $(ARGS)

bench-scale: dev  ## scaling and rolling restarts on Kafka under load, what clients notice: ARGS='--rounds 2 --kills 2'
	@$(BIN)/python -m loadtest.scaling $(ARGS)

bench-site: dev  ## the site in Chromium: loading, drawing, changes, against its goals: ARGS='--rounds 1 --only panning'
	@$(BIN)/python -m tests.browser.bench $(ARGS)

screenshots: dev  ## pictures of every page and e-mail, into .screenshots: small and wide, light and dark, English and Hindi
	@$(BIN)/python -m tests.browser.screenshots $(ARGS)

loadtest: dev  ## users who browse, buy, watch (Locust): USERS=200 SECONDS=60 SHAPE=spike; URL=… TOKENS=…
	@$(BIN)/python -m loadtest.locust $(ARGS)

catalogues: dev  ## bring the messages of each language up to date with templates and scripts
	@$(BIN)/python -m languages.update

containers: dev  ## build the image and run compose.yaml with podman, until a container is killed; as root; ARGS=--keep
	@$(BIN)/python -m tests.containers $(ARGS)

failures: dev  ## what the failure of a Kafka node, the standby and the primary costs, measured: five minutes
	@$(BIN)/python -m tests.failures $(ARGS)

lock: dev  ## resolve requirements/*.in again; needs uv
	@command -v uv > /dev/null || { echo "uv is missing: https://docs.astral.sh/uv" >&2; exit 1; }
	@for name in run tracing dev clients; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --no-annotate requirements/$$name.in --output-file requirements/$$name.lock $(ARGS) || exit 1; \
	done

clean:  ## remove the venv and caches; .aisle, which has the data, stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .aisle-test .aisle-containers build mutants *.egg-info
	find $(CHECKED) -name __pycache__ -prune -exec rm -rf {} +
