# tailfirst: every target sets up what it needs in .venv and says what it does.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LS_VENV := .venv-label-studio
LS_STAMP := $(LS_VENV)/.installed
TORCH ?= torch==2.13.0
ROOT ?= .
LS_PORT ?= 8080
WORKERS ?= 2
BENCH_ROOT ?= build/bench
ROUNDS ?= 20
GRID ?= benchmarks/grids/demo.yaml

# One environment block for every entry point: no telemetry, and OpenMP threads that sleep when they wait.
export OMP_WAIT_POLICY := PASSIVE
export TOKENIZERS_PARALLELISM := false
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS := 120
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION := false
export DVC_NO_ANALYTICS := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup demo campaign demo-reset backtest test conformance check chaos bench label-studio ui clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## the virtual environment, from pyproject.toml and constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@echo "==> installing into $(VENV) (about 3 minutes the first time)"
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"tailfirst needs Python 3.11 or 3.12, found {v.major}.{v.minor}; set PYTHON=/path/to/python3.11" if not (3, 11) <= v < (3, 13) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q $(TORCH)
	@$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

# Label Studio pins Django, numpy and pyarrow: it cannot share an environment with us.
$(LS_STAMP): label-studio-constraints.txt
	@echo "==> installing Label Studio into $(LS_VENV) (1 to 3 minutes the first time)"
	@test -x $(LS_VENV)/bin/python || $(PYTHON) -m venv $(LS_VENV)
	@$(LS_VENV)/bin/pip install -q -c label-studio-constraints.txt label-studio
	@touch $@

label-studio: setup $(LS_STAMP) ## a Label Studio server on this machine, until Ctrl-C: make label-studio ROOT=/path/to/workspace
	@$(BIN)/python -m tailfirst.labelstudio --root $(ROOT) --port $(LS_PORT)

demo: setup ## three labeling rounds on the demo task, from nothing to the table and the report
	@echo "==> drawing the demo task into $(ROOT)/data (skipped when it is there)"
	@$(BIN)/python -m tailfirst.demo.make --root $(ROOT)
	@$(BIN)/python -m tailfirst.demo.track --root $(ROOT)
	@echo "==> running the campaign: a local Prefect server, three rounds, then the table"
	@$(BIN)/python -m flows.campaign --root $(ROOT)

campaign: setup ## ticks until a campaign is done or waits for a person: make campaign ROOT=/path/to/workspace
	@$(BIN)/python -m flows.campaign --root $(ROOT)

demo-reset: setup ## forget the demo's rounds (state, work, sealed rounds, MLflow runs); the drawn data stays
	@$(BIN)/python -m tailfirst.demo.reset --root $(ROOT)

backtest: setup ## strategies and adaptations compared on known answers: make backtest GRID=benchmarks/grids/demo.yaml
	@$(BIN)/python -m flows.backtest --grid $(GRID) --root $(ROOT) $(if $(JOBS),--jobs $(JOBS))

test: setup $(if $(TAILFIRST_LABEL_STUDIO),,$(LS_STAMP)) ## the whole test suite
	@echo "==> tests, $(WORKERS) files at a time"
	@OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

conformance: setup ## 36 failures x every vendor adapter, as a table; also written to docs/conformance.md
	@OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 PYTHONPATH=$(CURDIR) $(BIN)/python -m pytest -q --no-header -n $(WORKERS) -p tests.support.vendors.table --conformance docs/conformance.md -k test_row_ tests/contract/vendors $(ARGS)

check: setup ## lint, format, types, docstrings
	@echo "==> ruff";      $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "==> mypy";      $(BIN)/mypy

chaos: setup ## rounds with every fault at random and killed workers: make chaos ROUNDS=200
	@$(BIN)/python benchmarks/chaos.py --rounds $(ROUNDS)

bench: setup ## every benchmark, each printing its ratios to peers and floors
	@$(BIN)/python -m tailfirst.demo.make --root $(BENCH_ROOT)
	@cd $(BENCH_ROOT) && for stage in retrieve embed; do $(CURDIR)/$(BIN)/python -m tailfirst $$stage || exit 1; done
	@for file in benchmarks/[a-z]*.py; do echo "==> $$file"; $(BIN)/python $$file $$([ $$file = benchmarks/adaptation.py ] && echo --root $(BENCH_ROOT)) || exit 1; done

ui: setup ## Prefect and MLflow pages of this workspace, until Ctrl-C
	@$(BIN)/python -m flows.ui --root $(ROOT)

clean: ## everything that can be made again, the environment included
	rm -rf $(VENV) $(LS_VENV) work build dist src/*.egg-info .mypy_cache .ruff_cache
