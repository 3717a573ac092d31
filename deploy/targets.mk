# SPDX-License-Identifier: GPL-3.0-or-later
# Targets that are not about compiling: the machine's packages, the demo, the lab, tests, lint, benches.
# Whatever needs packages calls deploy/deps first and make again after it: what pkg-config said when this
# file was read may have been said before the packages were there.

RUN   ?= run
IMAGE ?= debian
JOBS  ?= $(shell nproc)
again := $(MAKE) --no-print-directory

.PHONY: deps deb demo demo-stop demo-status demo-clean lab lab-stop image terminal test test-unit test-stories test-lab fuzz-replay \
	bench bench-vmm bench-clones bench-broker bench-gateway bench-density test-history lint format man install sbom

deps: ## install the Debian packages that are missing (names them, sudo when not root)
	@deploy/deps

demo: ## the whole of Pane on this machine: installs, builds, starts, says how to connect
	@began=$$(date +%s); deploy/deps build run && packages=$$(date +%s) && \
	$(again) -j$(JOBS) V=release BUILD=build/release all && built=$$(date +%s) && unset BUILD && \
	RUN='$(RUN)' STEPS="packages=$$((packages - began)) build=$$((built - packages))" deploy/demo start

demo-stop: ## stop what make demo started
	@RUN='$(RUN)' deploy/demo stop

demo-status: ## what of the demo runs, and how to connect
	@RUN='$(RUN)' deploy/demo status

demo-clean: ## stop the demo and forget its users, desktops and keys (the image stays)
	@RUN='$(RUN)' deploy/demo clean

image: ## build the golden image (cached; IMAGE=name of a recipe in deploy/image)
	@deploy/image/build deploy/image/$(IMAGE) $(RUN)/images/$(IMAGE)

terminal: ## build the thin client terminal's image: USB stick and network boot (run/terminal)
	@deploy/deps build run terminal
	@$(again) -j$(JOBS) V=release BUILD=build/release pane-thin catalogues
	@deploy/thin-client/build build/release/bin $(RUN)/terminal

lab: ## run CMD='...' on an emulated machine with a real KVM (in the running lab, or a throw-away one)
	@test -n "$(CMD)" || { echo "usage: make lab CMD='command'"; exit 2; }
	@deploy/deps run
	@if deploy/lab/lab status 2>/dev/null; then deploy/lab/lab exec "$$CMD"; else deploy/lab/lab run "$$CMD"; fi
lab: export CMD := $(CMD)

lab-stop: ## stop the lab host that deploy/lab/lab start left running
	@deploy/lab/lab stop

# ---- languages --------------------------------------------------------------------------------
# A catalogue serves both programs (docs/languages.md): each finds its own name beside its bin directory.
CATALOGUES :=
define catalogue_rule
CATALOGUES += $(BUILD)/share/locale/$(1)/LC_MESSAGES/$(2).mo
$(BUILD)/share/locale/$(1)/LC_MESSAGES/$(2).mo: common/messages/$(1).po
	@mkdir -p $$(@D)
	@msgfmt --check-format -o $$@ $$<
endef
$(foreach l,$(patsubst common/messages/%.po,%,$(wildcard common/messages/*.po)),\
	$(foreach p,pane-thin pane-lobby,$(eval $(call catalogue_rule,$(l),$(p)))))
.PHONY: catalogues
catalogues: $(CATALOGUES)
ifneq ($(shell command -v msgfmt),)
all: catalogues
else
all: no-catalogues
endif
.PHONY: no-catalogues messages-programs
no-catalogues:
	@echo "  pane-thin and pane-lobby will speak English only: gettext is not installed (make deps)"

messages: messages-programs
messages-programs: # what is behind make messages for the programs; LANGUAGE=fr begins one
	@deploy/messages $(if $(filter command line,$(origin LANGUAGE)),$(LANGUAGE))

# ---- tests ------------------------------------------------------------------------------------
# Three builds, because each finds what the others cannot: what ships, sanitizers, fuzz corpora.
test: ## everything: units (release, asan), SQL, stories across processes, fuzz corpora, the lab
	@deploy/deps
	@$(again) -j$(JOBS) V=release BUILD=build/release all tests
	@$(again) -j$(JOBS) V=asan BUILD=build/asan tests
	@$(again) -j$(JOBS) V=fuzz BUILD=build/fuzz fuzzers
	@unset BUILD; tests/run --all

test-unit: tests ## the unit tests of variant V
	@tests/run --unit $(BUILD) $(ALL_TBIN)

test-stories: all ## SQL and the stories across processes
	@tests/run --stories

test-lab: all image ## the stories that need a hardware-like KVM
	@tests/run --lab

fuzz-replay: ## replay the fuzz corpora through every fuzz target
	@$(again) -j$(JOBS) V=fuzz BUILD=build/fuzz fuzzers
	@tests/run --fuzz

test-history: all ## logins under faults for ten minutes: HISTORY_SECONDS=n, HISTORY_SEED=n
	@HISTORY_SECONDS=$${HISTORY_SECONDS:-600} tests/run tests/broker/history_test.py

bench-broker: all ## 100 hosts, 10,000 desktops: a login storm, logins beside pgbench, syncs, lists
	@BUILD=$(BUILD) PYTHONPATH=tests/lib:tests python3 tests/bench/broker_bench.py --full

bench: all ## figures beside rivals: VMM, clones, containers, display, gateway, broker, whole sessions
	@deploy/deps build run test bench
	@tests/run --bench

bench-vmm: all ## VMM memory and start, clones against cold boots, QEMU beside them
	@tests/run --bench --only vmm

bench-density: all ## desktops per GiB and core, and one's answers among idle and bad neighbours on an over-committed host
	@tests/run --bench --only density

bench-clones: all ## clones and restores of the golden Debian image beside its boot, in a lab host where need be
	@python3 tests/bench/debian_clones.py $(ARGS)

bench-gateway: all ## the gateway beside haproxy, nginx, hitch and stunnel only
	@deploy/deps build run test bench
	@PYTHONPATH=tests python3 tests/bench/gateway_bench.py

# ---- lint -------------------------------------------------------------------------------------
C_FILES = $(shell git ls-files '*.c' '*.h')

lint: ## clang-format, clang-tidy, cppcheck, Python and shell syntax: no finding is accepted
	@deploy/lint

format: ## reformat the C sources
	@clang-format -i $(C_FILES)

# ---- manual pages, installing -----------------------------------------------------------------
MAN_SRC := $(wildcard docs/man/*.scd)
MAN_OUT := $(patsubst docs/man/%.scd,build/man/%,$(MAN_SRC))
man: $(MAN_OUT) ## build the manual pages (build/man)
build/man/%: docs/man/%.scd
	@mkdir -p $(@D)
	@scdoc <$< >$@

PREFIX  ?= /usr/local
install: all man ## install programs and manual pages under DESTDIR/PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/pane/sql/code
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	if [ -e build/console/site/index.html ]; then rm -rf $(DESTDIR)$(PREFIX)/share/pane/console; cp -R build/console/site $(DESTDIR)$(PREFIX)/share/pane/console; fi
	install -m 644 sql/*.sql $(DESTDIR)$(PREFIX)/share/pane/sql
	install -m 644 sql/code/*.sql $(DESTDIR)$(PREFIX)/share/pane/sql/code
	cp -r --no-preserve=ownership deploy/image $(DESTDIR)$(PREFIX)/share/pane/
	install -D -m 755 deploy/setup $(DESTDIR)$(PREFIX)/sbin/pane-setup
	install -m 755 deploy/backup $(DESTDIR)$(PREFIX)/sbin/pane-backup
	install -m 755 deploy/canary $(DESTDIR)$(PREFIX)/sbin/pane-canary
	install -m 755 deploy/pki $(DESTDIR)$(PREFIX)/share/pane/pki
	for mo in $(wildcard $(CATALOGUES)); do install -D -m 644 $$mo $(DESTDIR)$(PREFIX)/share/locale/$${mo#$(BUILD)/share/locale/}; done
	for page in $(MAN_OUT); do install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done

sbom: all ## what Pane is made of and runs on, as CycloneDX JSON (build/sbom.json)
	@deploy/sbom

deb: all man ## Debian packages of the release build (build/deb)
	@deploy/deb
