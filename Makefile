# `make run` serves the shipped model on this machine, `make test` checks everything.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SERVES := $(VENV)/.serves
RAVDESS_DIR ?= ../shared/data/ravdess
# Most tests wait for servers: a process more than there are cores keeps both busy. Each takes up to 3 GB.
TEST_PROCESSES ?= 3
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help install run test lint unit slow-test evaluate accuracy bench bench-page bench-lock pipeline eda chart cluster-test cluster-pictures images load-kind load-minikube push kind lock audit clean node screenshots docs fuzz coverage lowest version

help:  ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' Makefile

# One environment: `make run` installs what serves, and every other target adds the rest (dev.txt contains run.txt).
$(INSTALLED): requirements/dev.txt pyproject.toml
$(SERVES): requirements/run.txt pyproject.toml
$(INSTALLED) $(SERVES):
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed; set PYTHON=") if not (3, 11) <= sys.version_info[:2] < (3, 14) else None'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes --target $(UV) -r requirements/uv.txt || true
	$(call install,--no-deps --require-hashes -r $< -r requirements/build.txt)
	$(call install,--no-deps --no-build-isolation -e .)
	@rm -rf $(UV) && cd $(VENV)/lib/python3*/site-packages/tensorflow && $(LEANER)
	@touch $@

# TensorFlow's headers (290 MB) are needed only to compile, and its symbols (200 MB) only by debuggers.
LEANER := rm -rf include && if command -v strip >/dev/null && [ -f libtensorflow_cc.so.2 ]; then \
	strip --strip-unneeded -o stripped libtensorflow_cc.so.2 && mv stripped libtensorflow_cc.so.2; fi
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
# uv installs on all cores, in a third of pip's time. It does not read pip's settings, so pip is tried if uv fails.
UV := $(VENV)/uv
install = $(UV)/bin/uv pip install --quiet --python $(BIN)/python $(1) || PYTHONWARNINGS=ignore $(PIP) $(1)

install: $(INSTALLED)  ## install what every command and every test needs

run: $(if $(wildcard $(INSTALLED)),$(INSTALLED),$(SERVES))  ## serve the shipped model on 127.0.0.1 until Ctrl-C
	@$(BIN)/ser serve

test: lint unit  ## lint, types, import rules and the test suite

lint: $(INSTALLED) node  ## ruff, mypy, import-linter, deptry; types and lint of the page if npm is installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	@if command -v npm >/dev/null; then npm run --silent types && npm run --silent lint && echo "page: types and lint pass"; fi

node:  ## the tools that check the page (node_modules), if npm is installed
	@if ! command -v npm >/dev/null; then echo "no npm: the page's types, lint and accessibility are not checked"; \
	elif [ ! -e node_modules/.installed ] || [ package-lock.json -nt node_modules/.installed ]; then \
	npm ci --silent && touch node_modules/.installed; fi

screenshots: $(INSTALLED)  ## pictures of the page for docs/page.md (needs Chromium)
	$(BIN)/python -m tests.browser.screenshots docs/pictures

docs: $(INSTALLED) node  ## the documentation as a site in build/docs; a broken link or anchor is an error
	$(BIN)/sphinx-build -W --keep-going -q -c docs/site -d build/docs-work . build/docs
	@echo "open build/docs/index.html"

# Several processes share the cores: a matrix product of two threads would wait for the other processes.
unit coverage slow-test: export OPENBLAS_NUM_THREADS = 1

unit: $(INSTALLED) node  ## the test suite without the slow tests
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist worksteal

coverage: $(INSTALLED) node  ## the test suite, with the lines and branches that it runs: a summary, build/coverage, coverage.xml
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist worksteal --cov --cov-report=term:skip-covered --cov-report=html --cov-report=xml

slow-test: $(INSTALLED)  ## what the suite leaves out: whole trainings that are killed, servers that hang for a minute
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist worksteal -m slow

evaluate: $(INSTALLED)  ## retrain and evaluate the baselines on the recordings of RAVDESS_DIR
	$(BIN)/ser evaluate --retrain --model ann --model mlp --data $(RAVDESS_DIR) --output reports/evaluation

accuracy: $(INSTALLED)  ## update the tables and pictures of docs/accuracy.md and its measurements from models/evaluation
	$(BIN)/ser evaluate --pictures docs/pictures --page docs/accuracy.md --page docs/measurements/accuracy.md

bench: $(INSTALLED)  ## measure speed side by side with the peers, about 15 minutes (BENCH="features service" PEERS=flask MODELS=ann: a part)
	$(BIN)/python -m benchmarks $(BENCH) $(if $(PEERS),--peers "$(PEERS)") $(if $(MODELS),--models "$(MODELS)")

bench-page: $(INSTALLED)  ## update the tables and plots of docs/performance.md from the newest results
	$(BIN)/python -m benchmarks.page

pipeline: $(INSTALLED)  ## retrain on the recordings of RAVDESS_DIR into a store of its own, without servers
	$(BIN)/ser pipeline run --data $(RAVDESS_DIR) \
		--model mlp --store .cache/pipeline/store --offline
	$(BIN)/ser pipeline run --data $(RAVDESS_DIR) \
		--model ann --store .cache/pipeline/store --offline

k8s/pipeline.yaml: $(INSTALLED) training_pipeline/kubeflow/components.py training_pipeline/kubeflow/pipeline.py training_pipeline/retraining/options.py  ## compile the Kubeflow pipeline
	$(BIN)/ser pipeline compile --output $@

fuzz: $(INSTALLED)  ## 100,000 hostile files through the decoders, within an hour
	$(BIN)/python -m tests.fuzz.run --inputs 100000 --seconds 3600

eda: $(INSTALLED)  ## pictures of the recordings of RAVDESS_DIR
	$(BIN)/ser eda --data $(RAVDESS_DIR) --output reports/eda

chart: $(INSTALLED)  ## generate the chart's README.md, values.schema.json and files/defaults.yaml from its values.yaml
	$(BIN)/python helm/generate.py

cluster-test: $(INSTALLED)  ## install the chart on a real cluster and disturb it (root, ../shared/cluster)
	$(BIN)/python -m pytest -m cluster tests/cluster

cluster-pictures: $(INSTALLED)  ## draw what clients saw in the last cluster-test
	$(BIN)/python -m tests.cluster.pictures reports/cluster docs/pictures

IMAGES ?= gateway pipeline model_server
KIND_CLUSTER ?= kind
# TensorFlow Serving has no image for ARM.
ENGINE ?= $(if $(filter arm64 aarch64,$(shell uname -m)),builtin,tensorflow-serving)

images:  ## build the images with docker (IMAGES=gateway: that one alone)
	for name in $(IMAGES); do docker build -f Dockerfile.$$name -t speech-emotion/$$name:$(VERSION) . || exit 1; done

load-kind:  ## load the images onto the nodes of a cluster of kind (KIND_CLUSTER is its name)
	for name in $(IMAGES); do kind load docker-image --name $(KIND_CLUSTER) speech-emotion/$$name:$(VERSION) || exit 1; done

load-minikube:  ## load the images into minikube
	for name in $(IMAGES); do minikube image load speech-emotion/$$name:$(VERSION) || exit 1; done

push:  ## push the images to REGISTRY, an address, with an account if it has any (registry.example.org/team)
	@[ -n "$(REGISTRY)" ] || { echo "REGISTRY is not set: make push REGISTRY=registry.example.org/team" >&2; exit 2; }
	for name in $(IMAGES); do image=speech-emotion/$$name:$(VERSION); \
	docker tag $$image $(REGISTRY)/$$image && docker push $(REGISTRY)/$$image || exit 1; done

kind: images  ## a cluster of kind (needs docker, kind, helm) with ingress-nginx and the chart
	kind create cluster --name speech --config k8s/kind.yaml
	$(MAKE) load-kind KIND_CLUSTER=speech IMAGES="gateway $(if $(filter builtin,$(ENGINE)),model_server)"
	kubectl apply -f https://kind.sigs.k8s.io/examples/ingress/deploy-ingress-nginx.yaml
	kubectl -n ingress-nginx rollout status deployment/ingress-nginx-controller --timeout=300s
	helm install speech helm/speech-emotion --set modelServer.engine=$(ENGINE) --wait --timeout 10m

LOWEST_TESTS ?= tests/speech_emotion tests/preprocess_gateway/core tests/model_server tests/docs/test_readme.py
LOCK := uv pip compile -q --generate-hashes --python-version 3.11 --no-header
PART := $(LOCK) --python-platform linux --no-annotate -c requirements/dev.txt

lock:  ## resolve requirements/ again (needs uv); the images' parts follow dev.txt
	$(LOCK) pyproject.toml requirements/cpu.in --extra dev --universal --override requirements/overrides.txt -o requirements/dev.txt
	$(LOCK) pyproject.toml requirements/cpu.in --extra run --universal --no-annotate -c requirements/dev.txt --override requirements/overrides-serving.txt -o requirements/run.txt
	$(PART) pyproject.toml --extra gateway --extra containers --extra client --extra buckets --override requirements/overrides-gateway.txt -o requirements/gateway.txt
	$(LOCK) pyproject.toml requirements/cpu.in --extra pipeline --extra containers --extra client --extra pretrained --universal --no-annotate -c requirements/dev.txt --override requirements/overrides.txt -o requirements/pipeline.txt
	$(LOCK) requirements/model_server.in requirements/cpu.in --universal --no-annotate -c requirements/dev.txt --override requirements/overrides-serving.txt -o requirements/model_server.txt
	echo tensorflow | $(PART) - --no-deps -o requirements/protos.txt
	echo setuptools | $(PART) - --no-deps -o requirements/build.txt
	echo uv | $(LOCK) - --universal -o requirements/uv.txt

bench-lock:  ## resolve the environments of benchmarks/peers again (needs uv)
	for peer in benchmarks/peers/*/; do $(LOCK) --universal --no-annotate $${peer}requirements.in -o $${peer}requirements.txt || exit 1; done

lowest:  ## a part of the suite on the lowest versions that pyproject.toml allows (needs uv)
	uv pip compile -q --resolution lowest-direct --python-version 3.11 pyproject.toml --extra dev -o build/lowest.txt
	uv venv -q --clear --python 3.11 build/lowest
	uv pip install -q --python build/lowest -r build/lowest.txt
	PYTHONWARNINGS=ignore uv pip install -q --python build/lowest --no-deps -e .
	build/lowest/bin/python -m pytest -x -q $(LOWEST_TESTS)

version:  ## set the version of pyproject.toml in the chart, the client's own distribution, the Dockerfiles and the examples
	sed -i -E 's/^(version = ).*/\1"$(VERSION)"/' client/pyproject.toml
	sed -i -E 's/^(ARG VERSION=).*/\1$(VERSION)/' Dockerfile.gateway Dockerfile.pipeline Dockerfile.model_server
	sed -i -E 's/^((version|appVersion|valuesOf): ).*/\1$(VERSION)/' helm/speech-emotion/Chart.yaml helm/speech-emotion/values.yaml
	sed -i -E 's/^( +(version|targetRevision): ).*/\1$(VERSION)/' k8s/gitops/*.yaml
	$(BIN)/python helm/generate.py
	sed -i -E 's#(speech-emotion/(gateway|pipeline|compose-model-server):)[0-9][0-9.]*#\1$(VERSION)#' compose.yaml k8s/model-store.yaml k8s/volumes.yaml k8s/README.md k8s/recurring-run.yaml docs/plugins.md

audit: $(INSTALLED)  ## known vulnerabilities of the locked packages; fails if they cannot be looked up
	$(BIN)/pip-audit --strict --require-hashes --disable-pip -r requirements/dev.txt

clean:  ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache reports
