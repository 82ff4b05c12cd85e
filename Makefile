# Two commands do everything: `make study` and `make test`. Both set up first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
CONFIG ?= quick
# With one worker the same command finds the same trials again; two need half the time.
WORKERS ?= 2
TRIALS ?= 60

.PHONY: study test test-processes test-wheel test-ui docs bench bench-search gpu soak fuzz check lint types layers format lock help

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

study: $(INSTALLED) ## Set up, then search the loss weights (6 to 14 minutes on 2 cores)
	$(BIN)/python -m studies.loss_weights --config $(CONFIG) \
	  --study.workers $(WORKERS) --study.trials $(TRIALS) --study.confirm 5

test: $(INSTALLED) ## Set up, then run the tests, but for those of `make test-processes`
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder -m "not processes"

# These wait more than they compute.
test-processes: $(INSTALLED) ## Start, kill and freeze commands and servers (about 10 minutes)
	$(BIN)/python -m pytest -n 3 --dist loadscope -m "processes and not soak"

test-wheel: $(INSTALLED) ## Install the wheel elsewhere, then run studies, ablations and the examples there
	$(BIN)/python -m pytest -n 2 tests/wheel

test-ui: $(INSTALLED) ## Set up, then open reports and MLflow's pages in Chromium
	@test -x /usr/bin/chromium || \
	  { apt-get update -q && apt-get install -qy --no-install-recommends chromium; } || \
	  { echo "error: the tests need /usr/bin/chromium; install Debian's package chromium" >&2; exit 2; }
	$(BIN)/python -m pytest tests/browser

docs: $(INSTALLED) ## Build the site, build/site, which asks nothing of other hosts
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	$(BIN)/python -m pytest tests/site

bench: $(INSTALLED) ## Measure what a training step costs, part by part (about 5 minutes)
	$(BIN)/python -m benchmarks.step --json build/bench.json

bench-search: $(INSTALLED) ## Our search beside others on outside problems (about 15 minutes); goes on after a stop
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e ".[bench]"
	$(BIN)/python -m benchmarks.others

gpu: $(INSTALLED) ## Run a GPU's tests, then the documented run shortened to 8 minutes 
	$(BIN)/python -m benchmarks.full --config full --training.compile false \
	  --json build/gpu.json $(FLAGS)

soak: $(INSTALLED) ## Kill the workers of whole studies, audit their records, read at the limits (half an hour)
	$(BIN)/python tests/soak.py
	$(BIN)/python -m pytest -m soak

fuzz: $(INSTALLED) ## Spoil configs and corpora at random: one clear line or finite numbers (5 to 10 minutes)
	$(BIN)/python tests/fuzz.py --cases 500

check: lint types layers test test-processes ## Everything that must hold before a commit

lint: $(INSTALLED) ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED) ## Types
	$(BIN)/mypy vlatent studies ablations analysis benchmarks

layers: $(INSTALLED) ## Who may import whom
	$(BIN)/lint-imports --no-cache

format: $(INSTALLED) ## Put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Nothing is installed again unless the lock or the project's own settings change.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: vlatent needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lock: ## Write requirements.lock anew from the ranges in pyproject.toml
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet "torch==2.13.0" "setuptools>=77" ".[test]"
	{ echo "# Every version that vlatent is tested with. Written by: make lock"; \
	  build/lock/bin/python -m pip freeze --all --exclude vlatent --exclude pip | sed 's/+cpu//'; \
	} > requirements.lock
	rm -rf build/lock
