# Everything a newcomer needs: `make run` and `make test`. Needs Python 3.11 or newer, nothing else.
# What make and pip have to say goes to stderr, so that `echo hello | make run` prints the answer only.

PYTHON ?= python3.11
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
CONFIG ?= $(or $(SHOAL_CONFIG_PATH),$(OPENCLAW_CONFIG_PATH),$(or $(SHOAL_STATE_DIR),$(OPENCLAW_STATE_DIR),$(HOME)/.shoal)/shoal.json)
# most tests wait for sockets, so more of them than cores may run; those that start a whole fleet run alone
QUICK = $(BIN)/python -m pytest -n 4
# compiled files are kept: four processes that compile every test anew take half a minute
test check: export PYTHONDONTWRITEBYTECODE :=
check: export SHOAL_TESTS_QUICK := 1
LOCK = $(UV) pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --quiet

.SILENT:
.DEFAULT_GOAL := help
.PHONY: help run test check lint chaos judge docs lock clean bench

help: ## this list
	sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

# The stamp files say what the lock looked like when it was installed.
$(VENV)/bin/python:
	command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) was not found. Install Python 3.11, or say which one: make run PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) >&2

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	echo "Setting up $(VENV) (once) ..." >&2
	$(PIP) install --require-hashes -r requirements.lock >&2
	$(PIP) install --no-build-isolation --no-deps -e . >&2
	touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	echo "Adding what the tests need ..." >&2
	$(PIP) install --require-hashes -r requirements-dev.lock >&2
	touch $@

run: $(VENV)/.installed ## your bot, if a token or a config exists, else a demo that needs neither
	if [ -n "$$DISCORD_BOT_TOKEN" ] || [ -f "$(CONFIG)" ]; then exec $(BIN)/shoal up; else exec $(BIN)/shoal demo; fi

test: $(VENV)/.installed-dev ## every check and every test
	$(MAKE) --no-print-directory lint
	$(QUICK) -m "not slow"
	$(BIN)/python -m pytest -n 2 --maxschedchunk 1 -m slow

check: $(VENV)/.installed-dev ## the quick part of `make test`, under two minutes
	$(MAKE) --no-print-directory lint
	$(QUICK) -m "not slow and not waits"

lint: $(VENV)/.installed-dev ## ruff, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-dev ## measure the fleet against other ways of doing the same: ROWS, OUT (docs/bench.md)
	$(BIN)/python -m bench $(ROWS) $(if $(OUT),--out $(OUT))

chaos: $(VENV)/.installed-dev ## hurt a busy fleet for up to 15 minutes and judge its logs: SEED, LOG, MINUTES, MESSAGES, … (docs/chaos.md)
	$(BIN)/python -m bench.chaos $(if $(SEED),--seed $(SEED)) $(if $(LOG),--log $(LOG)) $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(MESSAGES),--messages $(MESSAGES)) $(if $(CHANNELS),--channels $(CHANNELS)) $(if $(EVERY),--every $(EVERY)) $(if $(MODE),--mode $(MODE)) \
		$(if $(ANSWERS),--answers $(ANSWERS)) $(if $(BEYOND),--beyond $(BEYOND))

judge: $(VENV)/.installed-dev ## judge the logs of a chaos run again: LOG
	$(BIN)/python -m bench.chaos.checker $(LOG)

docs: $(VENV)/.installed ## write the parts of docs/ that are made from the code
	$(BIN)/python -m shoal.cli.reference docs

lock: ## resolve the dependencies anew (needs uv)
	command -v $(UV) >/dev/null || { echo "error: make lock needs uv; see https://docs.astral.sh/uv, or: make lock UV=/path/to/uv" >&2; exit 1; }
	$(LOCK) --extra anthropic --extra audio --group build -o requirements.lock
	$(LOCK) --extra anthropic --extra audio --group build --group dev -c requirements.lock -o requirements-dev.lock

clean: ## remove what the targets made, the virtual environment included
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
