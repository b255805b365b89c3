# `make` alone prints the targets. PYTHON may name another interpreter (>= 3.11).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
KEEP ?=
CONTACTS ?= 200
HISTORIES ?= 1000000
# Where a branch that no test takes can lose a contact, or somebody's no.
HEART := pipeline/sync/*,pipeline/store/*,pipeline/dispatch.py,pipeline/retry.py
# Benchmarks that print their figures and are in no section of RESULTS.md.
ALONE := learning activities consent receiver

# What the wheel is made of.
PACKAGED := $(shell find pipeline workers -type f -not -name '*.pyc')
PREFIX ?= /usr/local

.DEFAULT_GOAL := help
.PHONY: help demo test test-browser check lint types unit laws bench bench-quick \
	bench-full chaos package check-deploy install-systemd coverage clean

help: ## Print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/demo.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[sandbox]'
	@touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/demo.stamp

$(VENV)/deploy.stamp: $(VENV)/dev.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[deploy]'
	@touch $@

demo: $(VENV)/demo.stamp ## See it run here, on two local vendors (KEEP=1 stays up, CONTACTS=200)
	@$(BIN)/ghl-mailjet demo --contacts $(CONTACTS) $(if $(KEEP),--keep)

test: check ## Run every check and every test, as CI does
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 --dist loadfile
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=90
	$(BIN)/coverage report --fail-under=95 --include='$(HEART)'

test-browser: $(VENV)/dev.stamp ## What an operator does on the status page, in Chromium (SCREENSHOTS=folder keeps pictures)
	@tests/browser/run $(BIN)

check: lint types ## Format, lint and types

lint: $(VENV)/dev.stamp
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

unit: $(VENV)/dev.stamp ## The tests that open no socket
	$(BIN)/pytest -q tests/unit

laws: $(VENV)/dev.stamp ## 1,000,000 random histories of consent (nightly, 50 minutes; HISTORIES=10000)
	CONSENT_LAWS=$(HISTORIES) $(BIN)/pytest -q --timeout 900 tests/unit/test_consent_laws.py

chaos: $(VENV)/dev.stamp ## Kill processes, break Redis, lose 2,400 answers in mid-run, send 10,000 mails (SEED=1; an hour)
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED))

bench: $(VENV)/dev.stamp ## Measure quota, lanes, fairness, size, cost and limiter into tests/bench/RESULTS.md (an hour)
	$(BIN)/python -m tests.bench standard

bench-quick: $(VENV)/dev.stamp ## The same in ten minutes, with fewer calls and contacts
	$(BIN)/python -m tests.bench quick

bench-full: $(VENV)/dev.stamp ## The whole grid, 100,000 contacts, learning, activities, consent and the receiver (many hours)
	@failed=0; for bench in "tests.bench full" $(addprefix tests.bench.,$(ALONE)); do \
		$(BIN)/python -m $$bench || failed=1; \
	done; exit $$failed

dist/.stamp: $(VENV)/dev.stamp pyproject.toml README.md CHANGELOG.md LICENSE $(PACKAGED)
	rm -rf build dist
	$(BIN)/python -m build --outdir dist > /dev/null
	@touch $@

package: dist/.stamp ## Build dist/, and try the wheel in an empty environment
	$(BIN)/python deploy/smoke.py dist/*.whl

check-deploy: $(VENV)/deploy.stamp ## Lint and dry-check all of deploy/ (Debian: prometheus, systemd)
	$(BIN)/python deploy/check.py

install-systemd: dist/.stamp ## Install a service for each process (PREFIX=/usr/local, DESTDIR=)
	@WHEEL=$$(ls dist/*.whl) CONSTRAINTS=constraints.txt PREFIX=$(PREFIX) \
		DESTDIR=$(DESTDIR) PYTHON=$(PYTHON) deploy/systemd/install.sh

clean: ## Remove what the targets above made
	rm -rf $(VENV) build dist *.egg-info .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis
