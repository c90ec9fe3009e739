# Linux, Python >= 3.11 and make are all that is assumed; everything else is put into .venv/ (and .uv/).
SHELL := /bin/sh
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
PRIVATE_UV := $(filter .uv/bin/uv,$(UV))
BIN := .venv/bin
STAMP := .venv/.set-up
ARGS ?=
# Trust what this machine trusts, where it says so in one of the usual places: a proxy may bring its own certificate.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt),)
export UV_SYSTEM_CERTS := true
endif

.PHONY: help setup up test check fix bench bench-lifecycle bench-real soak lock

help:
	@echo "make setup   install into .venv/ what requirements.lock names, and fetch Apache Kafka"
	@echo "make up      run the whole system here; Ctrl-C stops it (ARGS='churn --rate 500')"
	@echo "make test    unit, contract, integration and end-to-end tests (ARGS='-k churn')"
	@echo "make check   lint, format, types, arrows between packages; edits nothing"
	@echo "make fix     format, and mend what can be mended"
	@echo "make bench   measure (ARGS=...)"
	@echo "make bench-lifecycle   how soon a better candidate becomes champion, and how often an equal one"
	@echo "make bench-real   the use cases on real data (ARGS='airline'; ARGS=--write keeps the table in docs/real-data.md)"
	@echo "make soak    kill everything at random for twenty minutes, and compare (ARGS='--seed 7'); long state machines"
	@echo "make lock    resolve pyproject.toml into requirements.lock again"

setup: $(STAMP)
	@:

up: $(STAMP)
	@$(BIN)/headrace up $(ARGS)

test: $(STAMP)
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	@$(BIN)/python -m benchmarks $(ARGS)

bench-lifecycle: $(STAMP)
	@$(BIN)/python -m benchmarks lifecycle

bench-real: $(STAMP)
	@$(BIN)/python -m benchmarks real $(ARGS)

soak: $(STAMP)
	@$(BIN)/python -m tests.soak $(ARGS)
	@$(BIN)/python -m pytest -q --timeout 7200 --hypothesis-profile=soak tests/unit/trainer/test_protocol.py \
		tests/unit/trainer/test_join_machine.py tests/unit/streaming/test_archive_machine.py

lock: $(PRIVATE_UV)
	$(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --quiet --upgrade pyproject.toml --all-extras -o requirements.lock

$(STAMP): requirements.lock pyproject.toml | $(PRIVATE_UV)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is older than 3.11: name a newer one with make PYTHON=..." >&2; exit 1; }
	@test -x $(BIN)/python || $(UV) venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv
	@$(UV) pip sync --quiet --require-hashes --python $(BIN)/python requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@$(BIN)/python -c "from headrace.local.jars import kafka_jars; kafka_jars()" 2>/dev/null \
		|| echo "Apache Kafka is not fetched yet: make up will try again" >&2
	@touch $@

# Without ensurepip (Debian keeps it in a package of its own) a pip that is there already can still put uv into a folder.
.uv/bin/uv:
	@rm -rf .uv
	@echo "Installing uv into .uv/"
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
		$(PYTHON) -m venv .uv && .uv/bin/python -m pip install --quiet --disable-pip-version-check uv; \
	elif $(PYTHON) -m pip --version >/dev/null 2>&1; then \
		$(PYTHON) -m pip install --quiet --disable-pip-version-check --target .uv uv; \
	else \
		echo "$(PYTHON) has neither ensurepip nor pip: install uv, or your system's package python3-venv" >&2; exit 1; \
	fi
	@test -x $@
