# The targets people use; `make` alone lists them. Recipes stay short: the work is done in Python, in hack/.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# Flags for pytest, such as `make test ARGS="-k names"`.
ARGS ?=

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST)) | { [ -t 1 ] && cat || sed 's/\x1b\[[0-9]*m//g'; }

# The environment is made anew when the pinned requirements change.
$(VENV)/.installed: requirements/dev.txt pyproject.toml
	$(PYTHON) -m hack.environment $(VENV)
	@touch $@

.PHONY: venv
venv: $(VENV)/.installed ## Install the development environment into .venv

.PHONY: demo
demo: cluster images ## Serve a model on a real Kubernetes and ask it for a prediction
	$(PYTHON) -m hack.demo

.PHONY: test
test: venv ## Run every test that needs no kubelet (unit, chart, integration)
	$(PYTHON) -m hack.tools etcd hey kube-apiserver kube-apiserver-oldest kubectl helm > /dev/null
	$(PYTEST) -n auto --dist loadgroup -m "not e2e" $(ARGS)

.PHONY: e2e
e2e: venv demo addons ## Run the tests on the real cluster of `make demo`
	$(PYTEST) -m e2e tests/e2e $(ARGS)

.PHONY: compat
compat: venv ## Serve models from the wheel beside the newest libraries and protobuf 4, 5 and 6
	$(BIN)/python -m hack.compat $(ARGS)

.PHONY: lint
lint: venv ## Check style, types, charts and drift of generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m hack.generate_crds --check
	$(BIN)/python -m hack.generate_schemas --check
	$(BIN)/python -m hack.generate_protos --check
	helm="$$($(PYTHON) -m hack.tools helm)"; "$$helm" lint --strict chart . 

.PHONY: generate
generate: venv ## Regenerate the files that are generated (the CRD, Kubernetes' schemas, the protobuf messages)
	$(BIN)/python -m hack.generate_schemas
	$(BIN)/python -m hack.generate_crds
	$(BIN)/python -m hack.generate_protos

.PHONY: bench
bench: venv ## Run the benchmarks
	$(PYTHON) -m hack.tools nginx wrk > /dev/null
	$(BIN)/python -m bench.engine
	$(BIN)/python -m bench.webhook
	$(BIN)/python -m bench.microservice
	$(PYTHON) -m hack.tools etcd kube-apiserver > /dev/null
	$(BIN)/python -m bench.controller

.PHONY: bench-smoke
bench-smoke: venv ## Run each benchmark for a second
	$(PYTHON) -m hack.tools nginx wrk > /dev/null
	$(BIN)/python -m bench.engine --seconds 1
	$(BIN)/python -m bench.webhook --seconds 1
	$(BIN)/python -m bench.microservice --seconds 1
	$(PYTHON) -m hack.tools etcd kube-apiserver > /dev/null
	$(BIN)/python -m bench.controller --counts 10 --seconds 1

.PHONY: fuzz
fuzz: SECONDS ?= 60
fuzz: venv ## Fuzz each target for a minute, or `make fuzz SECONDS=600`; `TARGETS=webhook_bytes` chooses
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(TARGETS)

.PHONY: cluster
cluster: ## Start a local Kubernetes (kind where Docker answers, else a single node of its own)
	$(PYTHON) -m hack.cluster up

.PHONY: images
images: cluster ## Build the container images and load them into the local cluster
	$(PYTHON) -m hack.images build
	$(PYTHON) -m hack.images load

.PHONY: addons
addons: cluster ## Add a gateway and the metrics that autoscalers read to the local cluster
	$(PYTHON) -m hack.addons

.PHONY: down
down: ## Remove the local cluster and everything that it put on the machine
	$(PYTHON) -m hack.cluster down

.PHONY: lock
lock: LOCK := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
lock: ## Pin the requirements of images and continuous integration anew
	$(BIN)/uv pip compile -q pyproject.toml --extra dev $(LOCK) -o requirements/dev.txt
	$(BIN)/uv pip compile -q pyproject.toml $(LOCK) -c requirements/dev.txt -o requirements/microservice.txt
	for image in build engine operator; do \
	  $(BIN)/uv pip compile -q requirements/$$image.in $(LOCK) -c requirements/dev.txt -o requirements/$$image.txt; \
	done
