# make demo   install and annotate the example clips     make test   install and run the whole test suite
# make check  style, types, import floors                make bench  the benchmarks
# make results DATA=…  the tables of docs/results.md
# make fuzz   2,000 hostile files of every format          make test-blender5  the add-on under bpy 5 (Python 3.11)
# make install  the .venv that all of these use          make clean  remove what they made
# PYTHON=python3.12 chooses the interpreter; TORCH="torch==2.12.0" another torch (default: the tested version,
# as the configured package index gives it).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TESTED_TORCH := $(shell grep '^torch==' constraints.txt)
TORCH ?= $(TESTED_TORCH)

# The stamp is named after what was installed from, so a second run starts at once and needs no network.
STAMP := $(VENV)/.installed-$(shell cat pyproject.toml constraints.txt | cksum | cut -d' ' -f1)
ifneq ($(TORCH),$(TESTED_TORCH))
ifneq ($(shell cat $(VENV)/.torch 2>/dev/null),$(TORCH))
$(STAMP): FORCE
endif
endif

.PHONY: install demo test test-blender5 check bench results fuzz clean FORCE
.DEFAULT_GOAL := install

install: $(STAMP)

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo 'SkeletonLLM needs Python 3.11 or newer as "$(PYTHON)"; name another one with: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo 'could not make $(VENV); on Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	@rm -f $(VENV)/.installed-*
	$(BIN)/python -m pip install "$(TORCH)"
	@grep -v '^torch==' constraints.txt > $(VENV)/constraints.txt
	$(BIN)/python -m pip install -c $(VENV)/constraints.txt -e ".[all,test,dev]"
	@echo "$(TORCH)" > $(VENV)/.torch
	@touch $@

demo: $(STAMP)
	@$(BIN)/python examples/demo.py

test: $(STAMP)
	$(BIN)/python -m pytest --cov --cov-report=term

# bpy 5 wants an older numpy than the rest, so Blender gets an environment of its own; the tests run in the usual one.
BLENDER5 := $(CURDIR)/.venv-blender5

test-blender5: $(STAMP) $(BLENDER5)/.installed
	SKELETONLLM_BLENDER_PYTHON=$(BLENDER5)/bin/python $(BIN)/python -m pytest tests/plugins/test_blend.py tests/plugins/test_blender_*.py

$(BLENDER5)/.installed:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
	  { echo 'bpy 5.0.1 needs Python 3.11; name it with: make test-blender5 PYTHON=/path/to/python3.11' >&2; exit 1; }
	test -x $(BLENDER5)/bin/python || $(PYTHON) -m venv $(BLENDER5)
	$(BLENDER5)/bin/python -m pip install bpy==5.0.1
	@touch $@

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script" || [ $$? = 2 ]; done  # 2: not on this machine

# The tables of docs/results.md and of the card of the model `free` from the shipped weights; the text around them stays.
# RUNS names the folder with the runs of the suites rigs and ablation.
results: $(STAMP)
	@test -n "$(DATA)" || { echo 'name the folder of the data: make results DATA=/path/to/packs' >&2; exit 1; }
	@set -e; for suite in recognition transfer caption qa robustness calibration cost; do echo "== $$suite"; \
	  $(BIN)/skeletonllm evaluate $$suite --data "$(DATA)" --into docs/results.md > /dev/null; done
	$(BIN)/skeletonllm evaluate recognition --model free --data "$(DATA)" --into skeletonllm_core/model/free/README.md > /dev/null
	@test -z "$(RUNS)" || { $(BIN)/skeletonllm evaluate rigs --data "$(DATA)" --runs "$(RUNS)/rigs" --seeds 1 \
	  --recipe recipes/rigs.yaml --into docs/results.md > /dev/null && \
	  $(BIN)/skeletonllm evaluate ablation --data "$(DATA)" --split validation --runs "$(RUNS)/ablation" \
	  --recipe recipes/ablation.yaml --into docs/results.md > /dev/null; }

fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzzing

clean:
	rm -rf $(VENV) $(BLENDER5) runs build dist htmlcov .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
