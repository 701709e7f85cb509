# Two commands do everything: `make demo` (the main job end to end) and `make test` (every check and test).
# Both set themselves up in .venv from the hash-pinned files in requirements/.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --no-deps
PIP_LOG := $(VENV)/pip.log
# Without a network pip says the same thing in twenty lines: one sentence, and the lines for whoever wants them.
FAILED = { $${CI:+cat $(PIP_LOG)}; echo "The locked packages could not be installed: check the network (HTTPS_PROXY and \
	PIP_INDEX_URL are honoured) and that $$($(BIN)/python --version) is one of 3.11 to 3.14, then run this again; \
	$(PIP_LOG) has what pip said." >&2; exit 1; }
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate
# Tests that need no engine.
QUICK := tests/unit tests/wire tests/feel tests/openai_stand_in
# The others wait for clocks and processes most of the time: four at once, each with an engine of its own.
# Without the variable, the theme prints a notice about a later MkDocs each time.
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

.PHONY: help demo test check unit coverage engine commands faults modeler docs lock templates system-deps clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "ARGS='...' is passed on to the demo (make demo ARGS=--help) or to pytest (make unit ARGS='-k chat')."
	@echo "PYTHON=python3.12 names the Python that .venv is made with ('make clean' first, if there is one)."

demo: $(VENV)/demo.stamp ## Run the main job end to end: engine, real small model, no key needed
	@$(BIN)/openai-connector demo $(ARGS)

test: check ## Run every check and every test
	@$(if $(ARGS),,$(MAKE) --no-print-directory coverage)
	@$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),-n 4 --dist worksteal $(QUICK:%=--ignore=%))

check: $(VENV)/dev.stamp ## Lint, formatting, types, import rules and the docs
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo > .import-linter.log 2>&1 || { cat .import-linter.log; exit 1; }
	@rm -f .import-linter.log
	@$(MKDOCS)

unit: $(VENV)/dev.stamp ## Run the tests that need no engine (seconds)
	@$(BIN)/python -m pytest -n 3 --dist worksteal $(QUICK) $(ARGS)

coverage: $(VENV)/dev.stamp ## Run the same tests, and check how much of the code they reach
	@$(BIN)/python -m pytest -n 3 --dist worksteal $(QUICK) --cov --cov-report=
	@$(BIN)/coverage report --include='*/openai_connector/*' --fail-under=97 --format=total
	@$(BIN)/coverage report --include='*/camunda_feel/*' --fail-under=93 --format=total

engine: $(VENV)/dev.stamp ## Run the tests on the engine; with ZEEBE_ADDRESS on a cluster of yours
	@$(BIN)/python -m pytest tests/engine tests/faults $(ARGS)

commands: $(VENV)/dev.stamp ## Run the tests of try and sandbox
	@$(BIN)/python -m pytest tests/commands $(ARGS)

faults: $(VENV)/dev.stamp ## Kill workers and engine under load, and print the ledger (minutes; ARGS=--help)
	@$(BIN)/python -m tests.faults $(ARGS)

modeler: $(VENV)/dev.stamp ## Run the tests in the real Modeler front end (needs Chromium: make system-deps)
	@$(BIN)/python -m pytest tests/modeler $(ARGS)

templates: $(VENV)/dev.stamp ## Write the element templates anew from the operations' models
	@$(BIN)/openai-connector templates --output element-templates

docs: $(VENV)/dev.stamp ## Write the docs' generated tables, then the site (site/index.html)
	@$(BIN)/python -m docs.tables
	@$(MKDOCS)

lock: $(VENV)/dev.stamp ## Renew the hash-pinned requirement files
	$(UV_COMPILE) --upgrade pyproject.toml requirements/model.in --extra demo --extra postgres --extra encryption \
		--extra otel --group dev -o requirements/dev.txt
	$(UV_COMPILE) pyproject.toml requirements/model.in --extra demo --group build -c requirements/dev.txt -o requirements/demo.txt
	$(UV_COMPILE) pyproject.toml --extra postgres --extra encryption --extra otel --group build -c requirements/dev.txt \
		-o requirements/worker.txt
	$(UV_COMPILE) --upgrade benchmarks/peers/python/requirements.in -o benchmarks/peers/python/requirements.txt

system-deps: ## Install what only the system's package manager has (Debian/Ubuntu: Chromium for the modeler tests, curl, PostgreSQL, promtool)
	@if command -v chromium >/dev/null 2>&1 && command -v curl >/dev/null 2>&1 && \
		command -v promtool >/dev/null 2>&1 && \
		{ command -v initdb || ls /usr/lib/postgresql/*/bin/initdb; } >/dev/null 2>&1; then exit 0; fi; \
	if ! command -v apt-get >/dev/null 2>&1; then \
		echo "Install Chromium, curl, PostgreSQL and Prometheus with this system's package manager: the tests need them."; exit 0; fi; \
	if [ "$$(id -u)" = 0 ]; then SUDO=; else SUDO=sudo; fi; \
	$$SUDO apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive $$SUDO apt-get install -y -qq --no-install-recommends \
		chromium curl fonts-dejavu-core postgresql prometheus >/dev/null

clean: ## Remove the virtual environment and caches of this checkout
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis artifacts site

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; name it with make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; } # half a one would be taken for a whole one the next time

$(VENV)/demo.stamp: requirements/demo.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing the locked packages for the demo into $(VENV) ..."
	@{ $(PIP) --require-hashes -r requirements/demo.txt && $(PIP) --no-build-isolation --editable .; } 2> $(PIP_LOG) || $(FAILED)
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing the locked packages for development into $(VENV) ..."
	@{ $(PIP) --require-hashes -r requirements/dev.txt && $(PIP) --no-build-isolation --editable .; } 2> $(PIP_LOG) || $(FAILED)
	@touch $@ $(VENV)/demo.stamp
