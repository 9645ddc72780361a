# Picket. `make help` lists the targets. Everything is built by SwiftPM; what is here is what a
# person, the release and .ci/run call alike.
SHELL := /bin/bash
SWIFT ?= swift
PREFIX ?= /usr/local
DESTDIR ?=
SYSTEMD_UNITS ?= /etc/systemd/system
SYSTEMD_GENERATORS ?= /etc/systemd/system-generators
SYSUSERS ?= /usr/lib/sysusers.d
TMPFILES ?= /usr/lib/tmpfiles.d
UDEV_RULES ?= /etc/udev/rules.d
EMBEDDED_SCRATCH := .build-embedded
EMBEDDED_PICKETD := $(EMBEDDED_SCRATCH)/release/picketd
BUILD := .build/debug
BUILD_FLAGS := --explicit-target-dependency-import-check error
SWIFT_FILES := Package.swift Sources Tests Fuzz
# `swift -print-target-info` is JSON with one setting a line.
target_info = $(shell $(SWIFT) -print-target-info | sed -n 's/.*"$(1)": "\(.*\)".*/\1/p')

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: demo
demo: deps ## Watch a simulated pair fail over (live on a terminal, else told as a story)
	@echo "Building (a few minutes the first time) ..."
	$(SWIFT) build $(BUILD_FLAGS)
	$(BUILD)/picket rack

.PHONY: test
test: deps ## Build and run all tests
	$(SWIFT) build --build-tests $(BUILD_FLAGS)
	@scripts/tests $(BUILD)/picketPackageTests.xctest

SIMULATION_SCRATCH := .build-simulation
SIMULATOR := $(SIMULATION_SCRATCH)/release/picket-sim

.PHONY: sim
sim: deps ## Build picket-sim, the proof's tools, with the planted bugs in it
	PICKET_SIMULATION=1 $(SWIFT) build -c release --product picket-sim --static-swift-stdlib \
	    --experimental-lto-mode full -Xswiftc -use-ld=lld --scratch-path $(SIMULATION_SCRATCH)

.PHONY: explore
explore: sim ## Explore every state within bounds that take a few minutes
	$(SIMULATOR) check --faults 0 --fences 0
	$(SIMULATOR) check --faults 1 --fences 0 --only duplicate,disk,relay
	$(SIMULATOR) check --faults 1 --fences 0 --only health
	$(SIMULATOR) check --faults 1 --fences 0 --only turn

.PHONY: proof-short
proof-short: sim ## The proof in a few minutes: stories, planted bugs, seeds, a bounded check
	$(SIMULATOR) golden
	$(SIMULATOR) bugs
	$(SIMULATOR) run --seeds 1000 --quiet --keep-going
	@echo "$(SIMULATOR) check, within four bounds"
	@printf '%s\n' "--faults 0 --fences 0" "--faults 1 --fences 0 --only health" \
	    "--faults 0 --fences 0 --differ resources" "--faults 0 --fences 0 --differ lists" | \
	    xargs -L 1 -P $$(nproc) $(SIMULATOR) check

MUTANTS := .build-mutants

.PHONY: mutants
mutants: deps ## What finds a mistake that nobody has chosen: all mutants, or SAMPLE=50; hours
	scripts/mutants
	cd $(MUTANTS)/tree && SWIFT_BACKTRACE=enable=no ../simulation/release/picket-sim mutate ../list.tsv \
	    --tests ../tests/debug/picketPackageTests.xctest $(if $(SAMPLE),--sample $(SAMPLE))

.PHONY: proof
proof: sim ## The whole proof, about MINUTES=60; writes docs/PROOF-RESULTS.md
	SIMULATOR=$(SIMULATOR) MINUTES=$(or $(MINUTES),60) scripts/proof

.PHONY: soak
soak: deps ## Real processes on the rack under random faults, for MINUTES=10
	$(SWIFT) build $(BUILD_FLAGS)
	scripts/soak $(or $(MINUTES),10)

SECONDS_EACH := $(if $(filter command line environment,$(origin SECONDS)),$(SECONDS),60)
FUZZ_SCRATCH := .build-fuzz
FUZZ_TARGETS := datagram message hello configuration control memory note rack scenario
FUZZER = $(call target_info,runtimeResourcePath)/clang/lib/linux/libclang_rt.fuzzer_no_main-$(shell uname -m).a

# The fuzzer keeps what it found only where Swift does not catch the crash; played again, it tells its place.
.PHONY: fuzz
fuzz: deps ## Fuzz every reader, each for SECONDS=60; what is found lies in .build-fuzz/found
	PICKET_FUZZER="$(FUZZER)" $(SWIFT) build -c release --product picket-fuzz \
	    --scratch-path $(FUZZ_SCRATCH)
	@mkdir -p $(FUZZ_SCRATCH)/found; for target in $(FUZZ_TARGETS); do \
	    mkdir -p $(FUZZ_SCRATCH)/corpora/$$target; echo "$$target:"; \
	    SWIFT_BACKTRACE=enable=no $(FUZZ_SCRATCH)/release/picket-fuzz $$target -max_total_time=$(SECONDS_EACH) -max_len=4096 \
	        -timeout=5 -rss_limit_mb=1024 -verbosity=0 -print_final_stats=1 \
	        -artifact_prefix=$(FUZZ_SCRATCH)/found/$$target- \
	        $(FUZZ_SCRATCH)/corpora/$$target Fuzz/corpora/$$target > $(FUZZ_SCRATCH)/$$target.log 2>&1 \
	        || { cat $(FUZZ_SCRATCH)/$$target.log; for found in $(FUZZ_SCRATCH)/found/$$target-*; do \
	            $(FUZZ_SCRATCH)/release/picket-fuzz $$target $$found; done; exit 1; }; \
	    grep -E 'number_of_executed|average_exec' $(FUZZ_SCRATCH)/$$target.log; done
	@echo "fuzz: $(words $(FUZZ_TARGETS)) targets, each for $(SECONDS_EACH) s: nothing found"

.PHONY: bench
bench: embedded ## Measure takeovers, weight and speed on the simulated rack (about five minutes)
	$(SWIFT) build -c release
	$$($(SWIFT) build -c release --show-bin-path)/picket bench \
	    --embedded $(EMBEDDED_SCRATCH)/release/picketd $(BENCH_OPTIONS)

LAB := .build-lab
# What is played on virtual machines; each takes some ten to thirty seconds without KVM.
LAB_SCENARIOS := primary-killed agent-hangs-watchdog standby-panics panic-and-watchdog causes relay-welded \
    line-stuck sensor-critical hung-bus bus-faults devices-taken link-cut partition agent-upgraded \
    agent-restarted

.PHONY: lab
lab: lab-machines ## Play scenarios on virtual machines with real drivers; FENCES=n counts fences
	PICKET=$(BUILD)/picket REPEAT=$(if $(FENCES),$(shell echo $$((($(FENCES) + 1) / 2)))) \
	    Tests/Lab/play $(LAB) machines $(if $(FENCES),fences,$(LAB_SCENARIOS))

.PHONY: lab-gpiod2
lab-gpiod2: lab-machines ## Play what moves lines on virtual machines whose agent has libgpiod 2.x
	packaging/build-gpiod2
	@rm -rf $(LAB)/gpiod2; mkdir -p $(LAB)/gpiod2; ln -s ../tools $(LAB)/gpiod2
	@ln $(LAB)/vmlinux $(LAB)/accel $(LAB)/state.img $(LAB)/base.cpio $(LAB)/gpiod2
	LIBRARIES=$$(dirname $$(find $(CURDIR)/.build-gpiod2/root -name libgpiod.so.3)) \
	    Tests/Lab/programs $(LAB)/gpiod2 .build-gpiod2/build/release/picketd \
	    .build-gpiod2/build/release/picket-workload
	PICKET=$(BUILD)/picket Tests/Lab/play $(LAB)/gpiod2 machines primary-killed line-stuck devices-taken \
	    agent-restarted

LAB_INSTALLED_SCENARIOS := primary-killed unit-rights unit-guard package-upgraded node-reboots doctor readme

.PHONY: lab-installed
lab-installed: lab-machines deb ## Play scenarios on virtual machines with systemd and the installed package
	Tests/Lab/system $(LAB) "$$(ls -t .build-deb/picket_*.deb | head -1)" \
	    $(EMBEDDED_SCRATCH)/release/picket-workload > $(LAB)/system.log 2>&1 \
	    || { tail -n 20 $(LAB)/system.log >&2; exit 1; }
	Tests/Lab/follow-readme $(LAB)/readme
	PICKET=$(BUILD)/picket Tests/Lab/play $(LAB) installed $(LAB_INSTALLED_SCENARIOS)

.PHONY: lab-machines
lab-machines: lab-deps embedded ## Build the lab's virtual machines from Debian's packages, into .build-lab
	$(SWIFT) build $(BUILD_FLAGS) --product picket
	Tests/Lab/build $(LAB)
	Tests/Lab/programs $(LAB) $(EMBEDDED_PICKETD) $(EMBEDDED_SCRATCH)/release/picket-workload

.PHONY: nightly
nightly: deps lab-deps ## What is too long for .ci/run, by MINUTES=60 (STEPS=... some of it); writes docs/NIGHTLY.md
	MINUTES=$(or $(MINUTES),60) STEPS="$(STEPS)" scripts/nightly

.PHONY: lint
lint: ## Check the format, and what no file may mention
	$(SWIFT) format lint --strict --parallel --recursive $(SWIFT_FILES)
	@if git grep -nI -e '/wor[k]/' -e '/tm[p]/brief'; then \
	    echo "lint: these lines name paths of one computer" >&2; exit 1; fi
	@if git grep -nI -e ' $$' -- '*.swift' '*.c' '*.h' Makefile .ci; then \
	    echo "lint: these lines end in blanks" >&2; exit 1; fi

.PHONY: format
format: ## Format all Swift files in place
	$(SWIFT) format format --in-place --parallel --recursive $(SWIFT_FILES)

.PHONY: embedded
embedded: deps ## Build picketd as Embedded Swift, as it is released
	PICKET_EMBEDDED=1 $(SWIFT) build -c release --experimental-lto-mode full \
	    -debug-info-format none --scratch-path $(EMBEDDED_SCRATCH)

.PHONY: embedded-check
embedded-check: embedded ## Show that the embedded picketd needs no Swift runtime
	@needed=$$(readelf -d $(EMBEDDED_PICKETD) | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p'); \
	if grep -E 'swift|Foundation|dispatch|icu|stdc\+\+' <<<"$$needed"; then \
	    echo "embedded-check: picketd links a runtime that a board does not have" >&2; exit 1; fi; \
	if nm $(EMBEDDED_PICKETD) | grep -i planted; then \
	    echo "embedded-check: picketd has planted bugs in it" >&2; exit 1; fi; \
	strip -o $(EMBEDDED_PICKETD).stripped $(EMBEDDED_PICKETD); \
	echo "picketd: $$(stat -c %s $(EMBEDDED_PICKETD).stripped) bytes stripped, needs" $$needed

# 0.1.0, with which every later version forms a pair.
FORMER_COMMIT := 27280b14c7f5ab962bc123b970e953def2d58bf7
FORMER := .build-former/picket

$(FORMER):
	@git cat-file -e $(FORMER_COMMIT) || { \
	    echo "this clone does not have the commit of 0.1.0: git fetch --unshallow" >&2; exit 1; }
	@rm -rf $(FORMER).new; mkdir -p $(FORMER).new
	git archive $(FORMER_COMMIT) | tar -x -C $(FORMER).new
	@mv $(FORMER).new $(FORMER)

.PHONY: former-deb
former-deb: deps $(FORMER) ## Build the Debian package of 0.1.0, which check-deb then upgrades
	$(MAKE) -C $(FORMER) deb

.PHONY: check-upgrade
check-upgrade: embedded $(FORMER) ## Upgrade pairs of 0.1.0 node by node on the simulated rack, and go back
	$(MAKE) -C $(FORMER) embedded
	$(SWIFT) build --product picket
	$(SWIFT) build --product picket-workload
	PICKET=$(BUILD)/picket Tests/Upgrade/play $(FORMER)/$(EMBEDDED_PICKETD) $(EMBEDDED_PICKETD)
	@echo "And back:"
	PICKET=$(BUILD)/picket Tests/Upgrade/play $(EMBEDDED_PICKETD) $(FORMER)/$(EMBEDDED_PICKETD) \
	    node-by-node unfit-holder contact-lost in-maintenance with-data

.PHONY: install
install: embedded ## Install to PREFIX (and DESTDIR): programs, boards, scenarios, systemd unit
	$(SWIFT) build -c release --product picket --static-swift-stdlib
	install -Dm755 -s $(EMBEDDED_PICKETD) $(DESTDIR)$(PREFIX)/sbin/picketd
	install -Dm755 -s $(EMBEDDED_SCRATCH)/release/picket-units $(DESTDIR)$(PREFIX)/sbin/picket-units
	install -Dm755 .build/release/picket $(DESTDIR)$(PREFIX)/bin/picket
	# `picket rack` runs the agent and the stand-in for resources that lie beside it.
	ln -sf ../sbin/picketd $(DESTDIR)$(PREFIX)/bin/picketd
	install -Dm755 -s $(EMBEDDED_SCRATCH)/release/picket-workload \
	    $(DESTDIR)$(PREFIX)/bin/picket-workload
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/picket/scenarios scenarios/*.yaml
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/picket/boards boards/*.yaml
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/picket packaging/picket.yaml
	install -Dm644 -t $(DESTDIR)$(SYSUSERS) sysusers.d/picket.conf
	install -Dm644 -t $(DESTDIR)$(TMPFILES) tmpfiles.d/picket.conf
	install -Dm644 -t $(DESTDIR)$(UDEV_RULES) udev/60-picket.rules
	install -d $(DESTDIR)$(SYSTEMD_UNITS)
	for unit in picketd.service picket-units.service; do \
	    sed 's|/usr/local/|$(PREFIX)/|g' systemd/$$unit > $(DESTDIR)$(SYSTEMD_UNITS)/$$unit; done
	install -d $(DESTDIR)$(SYSTEMD_GENERATORS)
	sed 's|/usr/local/|$(PREFIX)/|g' systemd/picket-guard > $(DESTDIR)$(SYSTEMD_GENERATORS)/picket-guard
	chmod 755 $(DESTDIR)$(SYSTEMD_GENERATORS)/picket-guard
	@echo "Installed. Next, as root: systemd-sysusers; systemd-tmpfiles --create; udevadm control --reload;"
	@echo "udevadm trigger; systemctl daemon-reload. Then picket init, picket keygen, picket check, picket doctor."

.PHONY: deb
deb: ## Build the Debian package, .build-deb/picket_VERSION_ARCHITECTURE.deb
	packaging/build-deb

.PHONY: check-deb
check-deb: deb ## Install, run, upgrade, remove, purge the package in an overlay (root), and lint it
	packaging/check-deb
	lintian --fail-on error,warning .build-deb/picket_*.deb

# Asked of pkg-config and of the programs, so that nothing is installed where all is there already.
.PHONY: deps lab-deps
deps: ## Install the Debian packages that are missing; does nothing if none is
	@missing=""; \
	command -v pkg-config >/dev/null || missing="pkg-config"; \
	pkg-config --exists libsodium 2>/dev/null || missing="$$missing libsodium-dev"; \
	pkg-config --exists yaml-0.1 2>/dev/null || missing="$$missing libyaml-dev"; \
	pkg-config --exists libgpiod 2>/dev/null || missing="$$missing libgpiod-dev"; \
	[ -e /usr/include/i2c/smbus.h ] || missing="$$missing libi2c-dev"; \
	$(install-missing)

lab-deps: ## The same for the lab, the package and their checks; fetches apt's lists if they are old
	@missing=""; \
	for each in gcc patch xz:xz-utils strip:binutils mke2fs:e2fsprogs unshare:util-linux \
	    dpkg-shlibdeps:dpkg-dev lintian; do \
	    PATH=$$PATH:/sbin:/usr/sbin command -v $${each%:*} >/dev/null || missing="$$missing $${each#*:}"; done; \
	if ! compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null || \
	    [ -z "$$(find /var/lib/apt/lists -maxdepth 0 -newermt '-2 days')" ]; then \
	    echo "Fetching apt's lists"; $(as-root) apt-get update -qq || true; fi; \
	$(install-missing)

as-root = $(if $(filter 0,$(shell id -u)),,sudo)
define install-missing
[ -n "$$missing" ] || exit 0; \
	if ! command -v apt-get >/dev/null; then \
	    echo "make deps: install these first (Debian's names):" $$missing >&2; exit 1; fi; \
	root=""; \
	if [ "$$(id -u)" != 0 ]; then root="sudo"; \
	    command -v sudo >/dev/null || { \
	        echo "make deps: as root: apt-get install" $$missing >&2; exit 1; }; fi; \
	echo "Installing Debian packages that the build needs:" $$missing; \
	[ -z "$$root" ] || echo "(needs root; sudo may ask for your password)"; \
	$$root apt-get update -qq && \
	$$root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $$missing
endef
