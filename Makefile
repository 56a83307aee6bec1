# Nothing but Go is needed to build; the rest of what tests and the demo need
# is installed by their scripts, or named.

PREFIX  ?= /usr/local
DESTDIR ?=
FUZZTIME ?= 10s

# Where the binaries go.
OUT ?= bin

export CGO_ENABLED = 0
export GOTOOLCHAIN = local

# Users without a home that can be written to get caches in a temporary
# directory of their own, and nobody else's.
writable = $(shell d="$(1)"; [ -n "$$d" ] && mkdir -p "$$d" 2>/dev/null && [ -w "$$d" ] && echo yes)
ifeq ($(and $(call writable,$(shell go env GOCACHE 2>/dev/null)),$(call writable,$(shell go env GOMODCACHE 2>/dev/null))),)
CACHE := $(shell d="$${TMPDIR:-/tmp}/ckpt-go-$$(id -u)"; mkdir -m 700 "$$d" 2>/dev/null; \
           if [ -O "$$d" ] && [ ! -L "$$d" ]; then echo "$$d"; else mktemp -d; fi)
export GOCACHE    := $(CACHE)/build
export GOMODCACHE := $(CACHE)/mod
export GOFLAGS    := -modcacherw
export STATICCHECK_CACHE := $(CACHE)/staticcheck
endif

# git refuses to look at somebody else's tree; the build does not need it.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
GO_X    := -X ckpt/internal/cli.version=$(VERSION)

.DEFAULT_GOAL := build
.PHONY: build help check check-all check-install setup vet test fuzz demo man bench install uninstall clean

# Go knows best what is out of date. By the name myrestart, ckpt is ckpt restore.
# The linker writes by mmap, which leaves small pages in the page cache; a copy has large
# ones, and starts a millisecond sooner.
build: ## build bin/ckpt, bin/myrestart and bin/libckpt.so (the default)
	@go build -trimpath -buildvcs=false -ldflags "-s -w $(GO_X)" -o "$(OUT)/ckpt" ./cmd/ckpt
	@cp "$(OUT)/ckpt" "$(OUT)/ckpt.copy" && mv -f "$(OUT)/ckpt.copy" "$(OUT)/ckpt"
	@ln -sf ckpt "$(OUT)/myrestart"
	@"$(OUT)/ckpt" emit-agent "$(OUT)/libckpt.so" --engine "$$(cd "$(OUT)" && pwd)/ckpt"

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: setup build vet check-install test ## run all tests; installs the Debian packages they need

check-all: check ## check, and the real programs that are big; each says what it proved
	@sh tests/setup.sh all
	@CKPT_ALL=1 go test -count=1 -timeout 60m -v -run '^TestReal' ./tests

setup:
	@sh tests/setup.sh

vet: ## gofmt, go vet and staticcheck
	@out=$$(gofmt -l cmd internal tests); if [ -n "$$out" ]; then echo "not as gofmt has it:" >&2; echo "$$out" >&2; exit 1; fi
	@go vet ./...
	@go tool staticcheck ./...

test: build ## run the tests without setting anything up
	@go test -timeout 20m ./...

fuzz: ## run every fuzz target for FUZZTIME (10s)
	@bash scripts/fuzz.sh $(FUZZTIME)

demo: ## see it work: save, kill -9, restore, and gdb on the very same file
	@bash demo/demo.sh

man: ## write the man pages to man/
	@go run -buildvcs=false -ldflags "$(GO_X)" ./internal/tools/man man

bench: build ## measure saving and restoring
	@go run -buildvcs=false ./internal/tools/bench

install: build man ## install to PREFIX (/usr/local), below DESTDIR
	@sh scripts/install.sh install "$(DESTDIR)" "$(PREFIX)"

check-install:
	@sh scripts/check-install.sh

uninstall: ## remove what install has put there
	@sh scripts/install.sh uninstall "$(DESTDIR)" "$(PREFIX)"

clean: ## remove what was built
	@rm -rf bin man completions
