# bearerd is built and checked with Go alone; `make test` installs the few
# programs that its end-to-end tests drive.

GO      ?= go
TOOL    := $(GO) tool -modfile=tools/go.mod
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
FUZZTIME ?= 30s
SOAK    ?= 5m
EDGES   ?= 20
SIMULATE ?= 5m

# The binary needs no C; only the race detector does.
export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help
.PHONY: help build demo test check vet lint unit race cover fuzz soak soak-nodes soak-edges simulate bench bench-write golden vuln packages screenshots model python dist release

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the binary, as bin/bearerd
	$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/bearerd ./cmd/bearerd

demo: ## a server with sample data and commands to paste
	$(GO) run ./cmd/bearerd demo

test: packages check ## install what the tests drive, then everything that check does

check: vet lint unit ## vet, lint, the import rules and all tests

vet: ## go vet
	$(GO) vet ./...
	cd interop && $(GO) vet ./...
	cd bench && $(GO) vet ./...
	cd packaging && $(GO) vet ./...

lint: ## golangci-lint, the pinned one (compiled on first use)
	$(TOOL) golangci-lint run ./...

unit: ## all tests, the import rules and the clients of others among them
	$(GO) test ./...
	cd interop && $(GO) test ./...
	cd packaging && $(GO) test ./...

race: ## all tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race ./...

cover: ## how much of each package its tests reach
	$(GO) test -coverprofile=cover.out ./...
	$(GO) tool cover -func=cover.out | tail -1

fuzz: ## every fuzz target, 30 s each (FUZZTIME=5m for longer)
	@grep -rho --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . -H | sed 's/:func / /' | sort | \
	while read -r file target; do \
		echo "== $$target in $$(dirname "$$file")"; \
		$(GO) test "$$(dirname "$$file")" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x || exit 1; \
	done

model: ## the promise, in every order that the steps of docs/model can take (about a minute on two cores)
	CI=true $(GO) test ./docs/model -count=1 -v

soak: soak-nodes soak-edges ## random work and faults, 5 min for the nodes and 5 with 20 edges (SOAK=1h for longer)

soak-nodes: ## the same for the nodes alone, on one server and on a pair
	SOAK=$(SOAK) $(GO) test ./clustertest -count=1 -run '^TestThePromiseUnderRandomFaults$$' -v -timeout 0

soak-edges: ## the same for two nodes on a pair, 20 edges and three services (EDGES=5 for fewer)
	SOAK=$(SOAK) EDGES=$(EDGES) $(GO) test ./clustertest -count=1 -run '^TestThePromiseOutsideUnderRandomFaults$$' -v -timeout 0

simulate: ## clusters on fake time, each from a new seed, for 5 min on every core (SIMULATE=1h for longer)
	@for core in $$(seq $$(nproc)); do \
		$(GO) test ./simulation -count=1 -run '^TestSeeds$$' -for $(SIMULATE) -v -timeout 0 & pids="$$pids $$!"; \
	done; failed=0; for pid in $$pids; do wait $$pid || failed=1; done; exit $$failed

bench: ## the benchmarks that matter, as one table beside their budgets (about eleven minutes)
	cd bench && $(GO) run .

bench-write: ## the same, and into docs/performance.md with its chart
	cd bench && $(GO) run . -write ../docs/performance.md

golden: ## write the golden files again; read the diff before you commit it
	@grep -rl --include='*_test.go' 'flag.Bool("update"' . | xargs -r -n1 dirname | sort -u | \
	while read -r dir; do $(GO) test "$$dir" -update || exit 1; done

screenshots: ## a picture of every page, into docs/screenshots; look at them
	@rm -f docs/screenshots/*.png
	$(GO) test -count=1 ./internal/webui/browsertest -run 'EveryPage|LongLists' -screenshots $(CURDIR)/docs/screenshots

vuln: ## known vulnerabilities in what the binary uses
	$(TOOL) govulncheck ./...

packages: ## the programs that the tests drive, by apt where possible
	.ci/packages

dist: ## everything that a release has, into dist: archives, .deb, .rpm, image, chart, SBOM, checksums
	rm -rf dist
	cd packaging && $(GO) run . -version $(VERSION) -out ../dist

release: ## check, tag and build a release: make release VERSION=v1.2.3 (pushes nothing)
	GO=$(GO) packaging/release $(VERSION)

python: ## the Python package, as a wheel in clients/python/dist
	cd clients/python && rm -rf dist && mkdir dist && /usr/bin/python3 -c 'import setuptools.build_meta as b; print(b.build_wheel("dist"))'
