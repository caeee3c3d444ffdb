# Everything runs inside .venv, which the first target that needs it creates.
# Progress goes to stderr: stdout belongs to the command that was asked for.

.DEFAULT_GOAL := help
.PHONY: help up down demo test fuzz soak bench lint format migration verify clean

PYTHON := .venv/bin/python
INSTALLED := .venv/.installed
MEASURED := .venv/.bench

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z_]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(INSTALLED) ## Start the private database (or use DATABASE_URL) and apply the migrations
	@$(PYTHON) -m pyworker.local up

down: $(INSTALLED) ## Stop the private database; its data stays in .local
	@$(PYTHON) -m pyworker.local down

demo: $(INSTALLED) ## Start everything with a live page (DEMO_SECONDS=20 runs without a person)
	@$(PYTHON) -m pyworker.demo

test: $(INSTALLED) node_modules ## Run all tests (ARGS="-k name" chooses some)
	@[ -n "$$DATABASE_URL" ] || $(PYTHON) -m pyworker.local packages
	@$(PYTHON) -m pytest $(ARGS)

soak: $(INSTALLED) ## Break everything under load for SOAK_SECONDS (600); CHAOS_SEED repeats one
	@[ -n "$$DATABASE_URL" ] || $(PYTHON) -m pyworker.local packages
	@SOAK_SECONDS=$${SOAK_SECONDS:-600} $(PYTHON) -m pytest tests/chaos tests/model $(ARGS)

fuzz: $(INSTALLED) ## Send made-up requests to a real endpoint (FUZZ_CASES of each kind, else 10,000)
	@FUZZ_CASES=$${FUZZ_CASES:-10000} $(PYTHON) -m pytest -q \
		tests/web/test_openapi.py tests/web/test_hostile_bytes.py tests/web/test_slow_clients.py

bench: $(MEASURED) ## Measure against baselines, one JSON object a line (ONLY=pickup for one part)
	@$(PYTHON) -m bench $(ONLY)

lint: $(INSTALLED) ## Check style, types, SQL and the direction of imports
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@$(PYTHON) -m sqlfluff lint sql
	@$(PYTHON) .venv/bin/lint-imports --no-logo

format: $(INSTALLED) ## Format the Python code and repair what can be repaired
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

migration: $(INSTALLED) ## Write supabase/migrations from sql/
	@$(PYTHON) -m pyworker.local.bundle

verify: lint ## Check that the migrations match sql/, and lint
	@$(PYTHON) -m pyworker.local.bundle --check

clean: ## Delete the private database, .venv, node_modules and all caches
	@[ ! -e $(INSTALLED) ] || $(PYTHON) -m pyworker.local down --delete
	@rm -rf .venv node_modules .local build dist .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A Python that is recent enough and can make environments; on Debian and Ubuntu the second
# needs a package of its own. An environment that lost its Python is made anew.
$(INSTALLED): pyproject.toml
	@set -e; \
	say() { echo "$$1" >&2; }; \
	if ! .venv/bin/python -c 'import pip' 2>/dev/null; then \
		python=; \
		for candidate in python3 python3.14 python3.13 python3.12 python3.11; do \
			if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
				python=$$candidate; break; \
			fi; \
		done; \
		if [ -z "$$python" ]; then \
			say "Python 3.11 or later is needed; found: $$(python3 --version 2>&1 || echo none)."; exit 1; \
		fi; \
		if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
			package=$$($$python -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
			if ! command -v apt-get >/dev/null; then \
				say "$$python cannot create environments: install its venv and ensurepip modules."; exit 1; \
			elif [ "$$(id -u)" = 0 ]; then privilege=; \
			elif sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null; }; then \
				privilege=sudo; \
			else \
				say "Install a package first: apt-get install $$package"; exit 1; \
			fi; \
			say "Installing $$package"; \
			apt() { $$privilege env DEBIAN_FRONTEND=noninteractive apt-get -qq \
				-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$$@" 2>&1; }; \
			add() { output=$$(apt install -y --no-install-recommends "$$package"); }; \
			add || { output=$$(apt update) && add; } || { \
				say "$$output"; say "Install a package first: apt-get install $$package"; exit 1; }; \
		fi; \
		say "Creating .venv with $$($$python --version)"; \
		rm -rf .venv; \
		$$python -m venv .venv >&2; \
	fi; \
	say "Installing the Python packages into .venv"; \
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' >&2 || { \
		say "pip could not install them, see above: make sure that it reaches its index, and call make again."; exit 1; }
	@touch $@

# The queues that we are measured beside; only `make bench` needs them.
$(MEASURED): $(INSTALLED)
	@echo "Installing the queues of the measurements into .venv" >&2
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -e '.[bench]' >&2
	@touch $@

# Only the tests of the Supabase CLI and of the Edge Function need Node; without it they skip and say so.
node_modules: $(wildcard package-lock.json)
	@if [ ! -f package-lock.json ]; then :; \
	elif ! command -v npm >/dev/null; then \
		echo "npm is not installed: the tests of the Supabase CLI and of the Edge Function will be skipped" >&2; \
	else \
		echo "Installing the Supabase CLI and Deno into node_modules" >&2; \
		if npm ci --silent >&2; then touch $@; \
		else echo "npm ci failed: the tests of the Supabase CLI and of the Edge Function will be skipped" >&2; fi; \
	fi
