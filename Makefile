# Everything a person or CI types. Each target installs what it needs into .venv and nothing outside it.
PYTHON ?= python3
PORT ?= 8080
S3_PORT ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
FRAMEWORKS := .cache/frameworks/bin
FRAMEWORKS_PIP := $(FRAMEWORKS)/python -m pip --disable-pip-version-check install --quiet --no-compile --no-deps
TORCH := $(shell sed -n 's/^torch = \["\(torch==[0-9.]*\)".*/\1/p' pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help install install-infra install-kserve install-frameworks run test test-frameworks test-infra test-containers test-clients test-gpu test-batch soak check fix bench synth images lock docs clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

install: .venv/.installed  ## Make .venv with everything that run, test and check need

.venv/.installed: requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 11) <= v < (3, 14) else f"modelet needs Python 3.11 to 3.13, and {sys.executable} is {v.major}.{v.minor}: make PYTHON=python3.13 ...")'
	@echo "Setting up .venv (once; about a minute)"
	@$(PYTHON) -m venv .venv
	@$(PIP) install --require-hashes -r requirements/dev.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

install-infra: .venv/.installed-infra

.venv/.installed-infra: .venv/.installed requirements/infra.lock
	@echo "Adding the CDK to .venv"
	@$(PIP) install --require-hashes -r requirements/infra.lock
	@touch $@

install-gpu-local: .cache/triton/.installed  ## The Triton server with which models for a GPU run here, on the CPU

# NVIDIA's wheel asks for another numpy than the toolchain, and of its own dependencies the server needs none.
.cache/triton/.installed: requirements/gpu-local.lock
	@echo "Installing Triton into .cache/triton"
	@$(PYTHON) -m venv .cache/triton
	@.cache/triton/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

install-kserve: .cache/kserve/.installed

# KServe's client needs another protobuf than the toolchain.
.cache/kserve/.installed: requirements/kserve.lock
	@echo "Installing KServe's client into .cache/kserve"
	@$(PYTHON) -m venv .cache/kserve
	@.cache/kserve/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

install-frameworks: .cache/frameworks/.installed  ## Make .cache/frameworks: the toolchain with PyTorch, Keras and TensorFlow

# PyTorch comes by itself, without what it requires: that is in the lock, except for CUDA.
.cache/frameworks/.installed: requirements/frameworks.lock pyproject.toml
	@echo "Installing PyTorch, Keras and TensorFlow into .cache/frameworks (once; about two minutes, 4 GB)"
	@$(PYTHON) -m venv .cache/frameworks
	@$(FRAMEWORKS_PIP) "$(TORCH)"
	@$(FRAMEWORKS_PIP) --require-hashes -r $<
	@$(FRAMEWORKS_PIP) --no-build-isolation --editable .
	@$(FRAMEWORKS)/python -c 'import torch' || { echo "pip found a build of PyTorch that needs CUDA: give it the index of CPU builds (PIP_EXTRA_INDEX_URL) and run make install-frameworks again"; exit 1; }
	@touch $@

run: install  ## Build what is missing and serve everything on http://127.0.0.1:$(PORT)
	@$(BIN)/modelet build
	@exec $(BIN)/modelet serve --port $(PORT) $(if $(S3_PORT),--s3-port $(S3_PORT))

test: install  ## Unit and functional tests: no AWS, Docker or GPU
	@$(BIN)/modelet build
	@$(BIN)/python -m pytest tests/unit tests/functional

test-frameworks: install-frameworks install-gpu-local  ## Converters of the heavy frameworks, and the examples that need them
	@$(FRAMEWORKS)/modelet build
	@$(FRAMEWORKS)/python -m pytest tests/frameworks tests/functional/test_golden_inputs.py

test-infra: install-infra  ## Tests of the CDK app
	@$(BIN)/python -m pytest tests/infra

test-containers: install  ## Images under the emulator in containers as tight as Lambda's (root on Debian)
	@sh tests/container/setup.sh
	@$(BIN)/modelet build
	@$(BIN)/python -m pytest tests/container

test-clients: install install-kserve  ## KServe's own client against the service
	@KSERVE_PYTHON=.cache/kserve/bin/python $(BIN)/python -m pytest tests/e2e/test_kserve.py

test-gpu: install install-gpu-local  ## Models for a GPU, on a real Triton server on the CPU
	@$(BIN)/python -m pytest tests/gpu

test-batch: install  ## Batch functions killed at random moments: one right result for each input
	@$(BIN)/python -m pytest tests/chaos

soak: install  ## 16 clients for 60 seconds, and a batch of 5 GB: no failure, no growth in memory
	@$(BIN)/modelet build
	@$(BIN)/python -m pytest tests/e2e/soak.py tests/e2e/batch_memory.py

check: install-infra  ## Lint, types and import directions; changes nothing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy -p infra -p smoke -p authorizer
	@$(BIN)/lint-imports --no-cache

fix: install  ## Format and mend what ruff can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: install install-gpu-local  ## Ratios against peers, measured in one run
	@$(BIN)/modelet build
	@$(BIN)/modelet bench

synth: install-infra  ## Synthesise the CDK app for what is built, without an account, Docker or Node
	@PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/modelet build
	@$(BIN)/modelet image --context --all
	@$(BIN)/python -m infra.app --only-built

images: install  ## Build every model's image with the docker, podman, buildah or finch that is there
	@$(BIN)/modelet build
	@$(BIN)/modelet image --all

docs: install  ## Generate docs/cli.md, and the tables of docs/models.md and docs/images.md, anew
	@$(BIN)/python -m modelet.cli.reference > docs/cli.md
	@$(BIN)/python -m modelet.manual.page docs/models.md
	@$(BIN)/modelet build
	@$(BIN)/python -m modelet.packaging.sizes docs/images.md

EXTRAS := --extra sklearn --extra examples --extra dev
COMPILE = $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
  --no-emit-index-url --no-annotate --custom-compile-command "make lock"
# What ships; a layer's own options stand in its requirements.in behind `# lock:`.
COMPILE_LAYER = $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
  --no-emit-index-url --no-header

lock: install  ## Pin and hash the dependencies anew
	@$(PIP) install --quiet uv
	@$(COMPILE) $(EXTRAS) --output-file requirements/dev.lock pyproject.toml
	@$(COMPILE) $(EXTRAS) --extra infra --output-file requirements/infra.lock pyproject.toml
	@$(COMPILE) $(EXTRAS) --extra torch --extra keras --extra tensorflow --extra examples-frameworks \
	  --constraint requirements/dev.lock --override requirements/frameworks.overrides \
	  --output-file requirements/frameworks.lock pyproject.toml requirements/frameworks.in
	@for peer in kserve mlserver; do \
	  $(COMPILE) --output-file requirements/$$peer.lock requirements/$$peer.in; \
	done
	@$(COMPILE) --no-deps --output-file requirements/gpu-local.lock requirements/gpu-local.in
	@for layer in layers/runtime layers/options/*; do \
	  $(COMPILE_LAYER) $$(sed -n 's/^# lock: //p' $$layer/requirements.in) \
	    --output-file $$layer/requirements.txt $$layer/requirements.in; \
	done

clean:  ## Remove .venv, caches and built binaries
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .cache cdk.out build *.egg-info layers/.build
	@find model_artifacts -name '*.onnx' -delete -o -name '*.ort' -delete
