# Run `make` or `make help` for the list.
GOLANGCI_LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# Examples that are modules of their own, so that the bridge does not depend on what they need.
MODULES = examples/skill-go examples/skill-smarthome
in-modules = for module in $(MODULES); do (cd $$module && $(1)) || exit 1; done

# The race detector finds nothing in SQLite, which is C translated to Go: the memory that it uses is not Go's. It makes
# it several times slower, so SQLite itself is compiled without. Whatever calls it is checked.
RACE = -race -gcflags=modernc.org/sqlite/lib=-race=false

# A number of inputs, such as 1000x, or a time. Before Go 1.27 a target may fail by the end of its time alone, with
# "context deadline exceeded" (go.dev/issue/75804).
FUZZTIME ?= 30s
BENCHTIME ?= 1s

.PHONY: help demo test test-all attacks test-tools lint bench fuzz screenshots module-path

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

demo: ## play a link on this machine, without Amazon and without a provider
	go run ./examples/demo

test: ## run the tests that need only Go
	go test ./...
	@$(call in-modules,go test ./...)

test-all: test-tools ## run every test as CI does: needs Chromium, Node, Python, PostgreSQL, Caddy, nginx and a C compiler
	BRIDGE_TEST_STRICT=1 go test $(RACE) -tags strict -timeout 20m ./...
	@$(call in-modules,go test -race ./...)

attacks: ## attack a running bridge, alone and behind nginx and Caddy, and print the attempts by class
	@go test -tags strict -count=1 -v -run '^Test(Proxy)?Attacks$$' ./bridge/server ./examples/deployments 2>&1 | \
	  awk '/^ *(---|===)| WARN /{next} {print} /^(FAIL|panic)/{failed=1} END{exit failed}'

test-tools:
	npm ci --prefix bridge/server/testdata/panva --no-audit --no-fund
	npm ci --prefix bridge/server/testdata/client --no-audit --no-fund
	npm ci --prefix bridge/alexa/testdata/amazon --no-audit --no-fund
	npm ci --prefix templates/testdata/lighthouse --no-audit --no-fund
	npm ci --prefix examples/skill-node --no-audit --no-fund

lint: ## check form, vet, and what .golangci.yml says (the first time builds golangci-lint)
	@unformatted=$$(git ls-files '*.go' | xargs gofmt -l); [ -z "$$unformatted" ] || { echo "run gofmt -w on: $$unformatted"; exit 1; }
	go mod tidy -diff
	go vet ./...
	go vet -tags strict ./...
	@$(call in-modules,go mod tidy -diff && go vet ./...)
	go run $(GOLANGCI_LINT) run --build-tags strict

bench: ## run the benchmarks (BENCHTIME=1s); `go run ./internal/loadtest` and `./internal/floodtest` measure a whole server
	go test $$(git grep -lE '^func Benchmark' -- '*_test.go' | xargs dirname | sort -u | sed 's|^|./|') \
	  -run '^$$' -bench . -benchtime $(BENCHTIME)

fuzz: ## run every fuzz target for FUZZTIME (30s; 1000x: for so many inputs)
	@git grep -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | sed -E 's|/[^/]*:func | |' | while read -r package target; do \
	  go test "./$$package" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) || exit 1; \
	done

screenshots: ## take docs/images anew: needs Chromium
	DEMO_SCREENSHOTS=$(CURDIR)/docs/images BRIDGE_TEST_STRICT=1 \
	  go test -tags strict -count 1 -run TestScreenshots ./examples/demo

module-path: ## give a fork an importable path: make module-path NEW=github.com/you/alexa-oidc-bridge
	scripts/module-path $(NEW)
