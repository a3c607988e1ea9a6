# Two commands matter to a newcomer: `make run` and `make test`. Each does its
# own set-up on a machine with Go, a C compiler, Node 20.19 (with npm), make and git.

GO     ?= go
NPM    ?= npm
BUILD  := .build

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# One set of flags for everything that is tested, so that the race detector's
# build of every package is made once: vet, the binaries that e2e runs, and the
# tests themselves all come out of the same cache.
# -race also checks every use of unsafe; there is none here, and in SQLite's
# translated code the checks are a quarter of the time.
TEST_FLAGS := -race -gcflags=all=-d=checkptr=0 -tags e2e

# The signer's backends that are a build tag each.
BACKENDS := pkcs11,awskms,gcpkms,azurekms

# The race detector's runtime sleeps for a second before a process exits, to
# catch races at exit; the path starts hundreds of processes.
export GORACE ?= atexit_sleep_ms=0

WEB_SOURCES := $(shell find web -name node_modules -prune -o -name dist -prune -o -name e2e -prune -o -name .test -prune -o -name schema.d.ts -prune -o -type f -print 2>/dev/null)

# A stamp without what it stands for counts for nothing.
ifeq ($(wildcard web/node_modules),)
  $(shell rm -f $(BUILD)/npm.stamp)
endif
ifeq ($(wildcard recorder/testdata/clients/node_modules),)
  $(shell rm -f $(BUILD)/clients.stamp)
endif
ifeq ($(wildcard web/dist/index.html),)
  $(shell rm -f $(BUILD)/web.stamp)
endif

.PHONY: run test lint build bench fuzz soak screenshots web setup clean

## run: build everything and start Stint on this machine (ctrl-c stops it). RUN="--no-demo" passes flags on.
run: build
	@.ci/packages run
	@exec $(BUILD)/bin/stint-dev $(RUN)

# No vet in the tests: all of it ran above.
## test: everything that must hold, end to end tests included.
test: setup web
	.ci/gofmt
	$(GO) vet $(TEST_FLAGS) ./...
	$(GO) vet $(TEST_FLAGS),$(BACKENDS) ./server/signer ./server/signer/internal/keys
	$(NPM) --prefix web run test
	$(GO) build $(TEST_FLAGS) -o $(BUILD)/race/ ./cmd/...
	cd server/broker/internal/recordings/testdata/s3 && $(GO) build $(TEST_FLAGS) -o $(CURDIR)/$(BUILD)/race/ .
	STINT_BIN=$(CURDIR)/$(BUILD)/race $(GO) test -vet=off $(TEST_FLAGS) -parallel 4 -timeout 20m ./...
	$(GO) test -vet=off $(TEST_FLAGS),$(BACKENDS) -run 'TestKeysIn(AToken|AWS|GCP|Azure)' ./server/signer ./server/signer/internal/keys

## lint: formatting, vet, the web's types, staticcheck.
lint: web
	.ci/gofmt
	$(GO) vet ./...
	$(GO) vet -tags e2e ./...
	for backend in pkcs11 awskms gcpkms azurekms; do $(GO) vet -tags e2e,$$backend ./server/signer/... ./cmd/stint-signer || exit 1; done
	cd policies/bench && $(GO) vet ./...
	$(GO) run $(STATICCHECK) -tags e2e ./...
	$(NPM) --prefix web run check

## build: static binaries with the web embedded, in .build/bin.
build: web
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o $(BUILD)/bin/ ./cmd/...
	@.ci/static $(BUILD)/bin

## bench: throughput and handshakes through the proxy as a ratio to a direct sshd, verified issuances as a ratio to bare signatures, and decisions, also as a ratio to cedar-go's, each in one run.
bench: setup build
	STINT_BIN=$(CURDIR)/$(BUILD)/bin CGO_ENABLED=0 $(GO) test -tags e2e -run '^$$' -bench . -benchtime 1x -timeout 20m ./recorder
	CGO_ENABLED=0 $(GO) test -run '^$$' -bench Issuance -benchtime 20000x ./server/signer
	CGO_ENABLED=0 $(GO) test -run '^$$' -bench Decide -benchtime 20000x ./policies
	cd policies/bench && CGO_ENABLED=0 $(GO) test -run '^$$' -bench . -benchtime 5000x .

## fuzz: every fuzz target that there is, one after another, for FUZZ_TIME each (default 10s). An input that fails stays in the target's corpus.
FUZZ_TIME ?= 10s
fuzz: web
	@listed=$$($(GO) test -tags e2e -list '^Fuzz' ./...) || exit 1; \
	echo "$$listed" | awk '/^Fuzz/ {names = names " " $$1} /^ok/ {n = split(names, name); for (i = 1; i <= n; i++) print $$2, name[i]; names = ""}' | \
	while read -r package target; do \
		echo "$$package $$target"; \
		$(GO) test -tags e2e -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZ_TIME) -fuzzminimizetime 300x $$package </dev/null || exit 1; \
	done

## soak: the properties of decisions, and collusion numbers against trying everything, in WORLDS random worlds (default 5000); kill -9 of the signer under load, SIGNER_KILLS times (default 1000), and of the proxy, PROXY_KILLS times (default 500); SESSIONS live sessions (default 1000) revoked at once, and YES bytes of output, a line of LINE bytes and RESIZES window changes through one proxy, without the race detector; then kill -9 of every process in the middle of the path, SOAK times over (default 50), under the race detector; those of OpenSSH's own tests that take long.
WORLDS ?= 5000
SOAK ?= 50
SIGNER_KILLS ?= 1000
PROXY_KILLS ?= 500
SESSIONS ?= 1000
YES ?= 10737418240
LINE ?= 200000000
RESIZES ?= 300000
soak: setup web
	$(GO) build $(TEST_FLAGS) -o $(BUILD)/race/ ./cmd/...
	STINT_SOAK_WORLDS=$(WORLDS) CGO_ENABLED=0 $(GO) test -run '^TestProperty' -count 1 -timeout 0 ./policies
	STINT_SOAK_WORLDS=$(WORLDS) CGO_ENABLED=0 $(GO) test -run 'TestCollusionIsExact$$' -count 1 -timeout 0 ./policies/analysis
	STINT_SOAK_KILLS=$(SIGNER_KILLS) $(GO) test $(TEST_FLAGS) -run 'TestKill$$' -count 1 -v -timeout 0 ./server/signer
	STINT_SOAK_REGRESS=1 $(GO) test $(TEST_FLAGS) -run 'TestOpenSSHRegress$$' -count 1 -timeout 0 ./recorder
	STINT_SOAK_KILLS=$(PROXY_KILLS) $(GO) test $(TEST_FLAGS) -run 'TestKilledAtAnyMoment$$' -count 1 -v -timeout 0 ./recorder
	STINT_SOAK_YES=$(YES) STINT_SOAK_LINE=$(LINE) STINT_SOAK_RESIZES=$(RESIZES) CGO_ENABLED=0 $(GO) test -tags e2e -run '^TestEndless' -count 1 -v -timeout 0 ./recorder
	$(GO) build -o $(BUILD)/soak/ ./cmd/...
	STINT_SOAK_SESSIONS=$(SESSIONS) STINT_BIN=$(CURDIR)/$(BUILD)/soak $(GO) test -tags e2e -run 'TestManySessionsAreRevokedAtOnce$$' -count 1 -v ./cmd/e2e
	STINT_BIN=$(CURDIR)/$(BUILD)/race $(GO) test $(TEST_FLAGS) -run 'TestPathGoesOnAfterKills|TestNothingAcknowledgedIsLost' -count $(SOAK) -failfast -timeout 0 ./cmd/e2e

## screenshots: the pictures of the README, taken at the end of the path.
screenshots: setup web
	$(GO) build $(TEST_FLAGS) -o $(BUILD)/race/ ./cmd/...
	STINT_SCREENSHOTS=1 STINT_BIN=$(CURDIR)/$(BUILD)/race $(GO) test $(TEST_FLAGS) -count 1 -run 'TestPath$$/SQLite' -timeout 10m ./cmd/e2e

## web: the portal, built into web/dist (which the binaries embed).
web: $(BUILD)/web.stamp

$(BUILD)/npm.stamp: web/package.json web/package-lock.json
	@.ci/packages node
	$(NPM) --prefix web ci --no-audit --no-fund
	@mkdir -p $(BUILD) && touch $@

$(BUILD)/web.stamp: $(BUILD)/npm.stamp $(WEB_SOURCES)
	$(NPM) --prefix web run generate
	$(NPM) --prefix web run build
	@mkdir -p $(BUILD) && touch $@

## setup: the system packages that the end to end tests need, and Node's client for SSH.
setup: $(BUILD)/clients.stamp
	@.ci/packages test

$(BUILD)/clients.stamp: recorder/testdata/clients/package.json recorder/testdata/clients/package-lock.json
	@.ci/packages node
	$(NPM) --prefix recorder/testdata/clients ci --omit=optional --ignore-scripts --no-audit --no-fund
	@mkdir -p $(BUILD) && touch $@

clean:
	rm -rf $(BUILD)
