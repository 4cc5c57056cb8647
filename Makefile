# `make` alone prints what can be made. Needs Python >= 3.11, make and a C library; everything else
# is installed into .venv.

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$python" && break; done)
ARGS ?=
BIN := .venv/bin
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test check bench race docs clean

help: ## Print what can be made
	@echo "usage: make TARGET [ARGS=...]"
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Create .venv and install what everything here needs

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "no Python >= 3.11 was found; name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	@echo 'installing into .venv; this takes a few minutes the first time'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,dev]'
	@touch $(INSTALLED)

demo: $(INSTALLED) ## History, training, live decisions, results; then serve (ARGS=--no-serve exits)
	$(BIN)/nba demo $(ARGS)

test: $(INSTALLED) ## Run all tests, one process a core (ARGS are pytest's)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal $(ARGS)

check: $(INSTALLED) ## Lint, formatting, types, layers, and the reference project's files
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/nba check

bench: bench-decisions ## Measure decisions against a bare route and a hand-written service

bench-%: $(INSTALLED) ## Run one of benchmarks/: bench-bandits, bench-features, bench-policies, bench-scoring, bench-workers, bench-world
	$(BIN)/python -m benchmarks.bench_$(subst -,_,$*) $(ARGS)

race: $(INSTALLED) ## Decide 100,000 times at once, publish meanwhile, count again what was allowed
	$(BIN)/python -m benchmarks.bench_race $(ARGS)

docs: $(INSTALLED) ## Write the generated pages again: settings, commands, policies, openapi.json
	$(BIN)/python -m tools.reference

clean: ## Remove caches and builds; .venv and data stay
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
