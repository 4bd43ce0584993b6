# Every command a user or contributor needs. Each installs what it lacks, then does its work.
#   make run     the playground on http://127.0.0.1:7860
#   make test    format, lint, types and every test
#   make check   format, lint and types alone
#   make floors  how fast GPUs could run the models at best: arithmetic, no measurement
#   make gpu-check   every kernel on this machine's GPU: right or wrong, and how far from its floor
#   make binaries    renew the table of what every kernel becomes for each GPU, without one
#   make bench   measure speed; prints the tables of the README
#   make evaluate ARGS="MODEL ..."   measure accuracy beside speed; prints the tables of the models' cards
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: run test check floors gpu-check binaries bench evaluate services clean

run: $(VENV)/.installed
	$(BIN)/nemotron-playground serve $(ARGS)

test: check services
	$(BIN)/pytest $(ARGS)

check: $(VENV)/.installed-test
	$(BIN)/ruff format --check app backend kernels tests
	$(BIN)/ruff check app backend kernels tests
	$(BIN)/mypy app backend kernels tests

floors: $(VENV)/.installed
	@$(BIN)/python -m nemotron_backend.floors $(ARGS)

gpu-check: $(VENV)/.installed
	@$(BIN)/python -m nemotron_backend.gpu_check $(ARGS)

binaries: $(VENV)/.installed-test
	$(BIN)/python -m nemotron_kernels.binaries --write $(ARGS)

bench: $(VENV)/.installed-bench
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-$$(nproc)} $(BIN)/pytest -m benchmark -s -q tests/benchmarks $(ARGS)

evaluate: $(VENV)/.installed-evaluate
	$(BIN)/nemotron-playground evaluate $(ARGS)

services: $(VENV)/.installed-test
	sh tests/install-services.sh

clean:
	rm -rf $(VENV) build dist test-artifacts

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer is needed; name one: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --constraint constraints.txt --editable '.[test]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed-test
	$(BIN)/pip install --constraint constraints.txt --editable '.[test,bench]'
	@touch $@

$(VENV)/.installed-evaluate: $(VENV)/.installed
	$(BIN)/pip install --constraint constraints.txt --editable '.[evaluate]'
	@touch $@
