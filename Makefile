# Nothing but Go is needed to build; the rest of what tests and the demo need
# is installed by their scripts, or named.

PREFIX  ?= /usr/local
DESTDIR ?=
FUZZTIME ?= 10s

export CGO_ENABLED = 0
export GOTOOLCHAIN = local

# Without a home that can be written to, Go needs to be told where to work.
ifeq ($(shell d=$$(go env GOCACHE 2>/dev/null); [ -n "$$d" ] && mkdir -p "$$d" 2>/dev/null && [ -w "$$d" ] && echo yes),)
export GOCACHE := $(or $(TMPDIR),/tmp)/ckpt-gocache-$(shell id -u)
endif

# git refuses to look at somebody else's tree; the build does not need it.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
BUILD   := go build -trimpath -buildvcs=false -ldflags "-s -w -X ckpt/internal/cli.version=$(VERSION)"

.DEFAULT_GOAL := build
.PHONY: build help check vet test fuzz demo man bench install uninstall clean FORCE

build: bin/ckpt bin/myrestart bin/libckpt.so ## build bin/ckpt, bin/myrestart and bin/libckpt.so (the default)

# Go knows best what is out of date.
bin/ckpt: FORCE
	@$(BUILD) -o $@ ./cmd/ckpt

# By this name ckpt is ckpt restore.
bin/myrestart: bin/ckpt
	@ln -sf ckpt $@

bin/libckpt.so: bin/ckpt
	@bin/ckpt emit-agent $@ --engine "$(CURDIR)/bin/ckpt"

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: setup build vet test ## run all tests; installs the Debian packages they need

setup:
	@sh tests/setup.sh

vet: ## gofmt, go vet and staticcheck
	@out=$$(gofmt -l cmd internal tests); if [ -n "$$out" ]; then echo "not as gofmt has it:" >&2; echo "$$out" >&2; exit 1; fi
	@go vet ./...
	@go tool staticcheck ./...

test: build ## run the tests without setting anything up
	@go test -timeout 20m ./...

fuzz: ## run every fuzz target for FUZZTIME (10s)
	@sh tests/fuzz.sh $(FUZZTIME)

demo: build ## see it work: save, kill -9, restore, and gdb on the very same file
	@sh demo/demo.sh

man: ## write the man pages to man/
	@go run -buildvcs=false -ldflags "-X ckpt/internal/cli.version=$(VERSION)" ./internal/tools/man man

bench: build ## measure saving and restoring
	@go run -buildvcs=false ./internal/tools/bench

install: build man ## install to PREFIX (/usr/local), below DESTDIR
	@sh scripts/install.sh install "$(DESTDIR)" "$(PREFIX)"

uninstall: ## remove what install has put there
	@sh scripts/install.sh uninstall "$(DESTDIR)" "$(PREFIX)"

clean: ## remove what was built
	@rm -rf bin man completions
