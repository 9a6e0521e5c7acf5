# Each target sets up what it needs, also as the first command in a fresh clone.
# bootstrap/ holds the set-up; JOBS is the number of tests at a time.
JOBS ?= 2
# A struck host mostly waits for its deadline, so more of them than cores.
FAULTS_JOBS ?= 4
FAULTS_SEED := $(or $(FAULTS_SEED),$(shell date +%s))
# The scripts for servers are checked by the tests once more, as they are assembled.
SHELL_FILES = bootstrap/*.sh .ci/run examples/qusto/rel/overlays/*.sh \
  pipeline/release/scripts/*.sh pipeline/sandbox/standins/*.sh pipeline/sandbox/*/plausible.sh

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-bare test-world faults lint bench bench-check bench-startup bench-deploy bench-scale lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

setup: ## .venv with everything for working on this project
	@bootstrap/venv.sh dev

demo: ## a throw-away host: deploys, an automatic and a manual rollback (KEEP=1: it stays)
	@bootstrap/venv.sh run
	@.venv/bin/inv demo $(if $(KEEP),--keep)

test: ## all tests; as root on Debian also on real systemd hosts
	@bootstrap/packages.sh
	@bootstrap/venv.sh dev
	@bootstrap/npm.sh
	@.venv/bin/pytest -n $(JOBS) --dist worksteal $(ARGS)

test-bare: ## `make demo` and `make test` on bare Debians 12 and 13, as root and as a user (an hour)
	@bootstrap/bare_runs.sh

test-world: ## situations that are slow and rarely break (marker world)
	@bootstrap/packages.sh
	@bootstrap/venv.sh dev
	@.venv/bin/pytest -n $(JOBS) --dist worksteal -m world $(ARGS)

faults: ## the kill matrix on real hosts, into benchmarks/out (FAULTS_SEED=N repeats a run)
	@bootstrap/packages.sh
	@bootstrap/venv.sh dev
	@rm -f benchmarks/out/faults.json*
	@echo "FAULTS_SEED=$(FAULTS_SEED)"
	@FAULTS_SEED=$(FAULTS_SEED) QUSTO_REQUIRE_SYSTEM=1 .venv/bin/pytest -n $(FAULTS_JOBS) \
	  --dist worksteal -m "faults or not faults" tests/system/test_matrix.py $(ARGS); ended=$$?; \
	  [ ! -f benchmarks/out/faults.jsonl ] || \
	  .venv/bin/python -m tests.system.faults_table benchmarks/out/faults.jsonl; exit $$ended

lint: ## ruff, mypy, shellcheck
	@bootstrap/venv.sh dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	bootstrap/shellcheck.sh $(SHELL_FILES)

bench: bench-check bench-startup bench-deploy bench-scale ## all of them, into benchmarks/results.json (ROUNDS=5)

bench-check: ## inv check and the commit hook beside their peers (eight minutes)
	@bootstrap/packages.sh
	@bootstrap/venv.sh dev
	@bootstrap/npm.sh
	.venv/bin/python -m benchmarks.checks --rounds $(or $(ROUNDS),5)

bench-startup: ## what the commands import before they do anything (half a minute)
	@bootstrap/packages.sh
	@bootstrap/venv.sh dev
	@bootstrap/npm.sh
	.venv/bin/python -m benchmarks.startup

bench-deploy: ## deploys beside Capistrano, Mina, Ansible and the document's bash (twenty-five minutes)
	@bootstrap/packages.sh
	@bootstrap/venv.sh dev
	.venv/bin/python -m benchmarks.deploy --rounds $(or $(ROUNDS),5)

bench-scale: ## what grows with hosts, releases, checks and history (twelve minutes)
	@bootstrap/packages.sh
	@bootstrap/venv.sh dev
	.venv/bin/python -m benchmarks.scale --rounds $(or $(ROUNDS),3)

lock: setup ## compile requirements/ anew (UPGRADE=--upgrade for newer versions)
	@bootstrap/lock.sh $(UPGRADE)

clean: ## remove what the targets made here; caches outside the checkout stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
	rm -rf examples/qusto/_build examples/qusto/*/node_modules tests/schemas/node_modules
