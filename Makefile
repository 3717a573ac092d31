# SPDX-License-Identifier: GPL-3.0-or-later
# One non-recursive Makefile. A component is a directory with a module.mk that says which
# directories hold its sources, which file holds main() and which packages it links; everything
# else (objects, archives, unit tests, fuzz targets) follows from where files lie.
#
#   V=release|debug|asan|tsan|fuzz|cov   the variant     BUILD=dir   where its products go

V     ?= release
BUILD ?= build/$(V)
ifeq ($(filter $(V),release debug asan tsan fuzz cov),)
$(error V=$(V) is not a variant; use release, debug, asan, tsan, fuzz or cov)
endif

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash

CC := gcc
AR := ar
WARN := -Wall -Wextra -Wshadow -Wcast-qual -Wmissing-prototypes -Wstrict-prototypes \
	-Wpointer-arith -Wvla -Wformat=2 -Wundef -Wwrite-strings $(if $(WERROR),-Werror)
HARDEN := -fstack-protector-strong -fcf-protection -fPIE
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=3 -fstack-clash-protection
CFLAGS_debug   := -Og -g3
CFLAGS_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
CFLAGS_tsan    := -O1 -g -fsanitize=thread
CFLAGS_fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
CFLAGS_cov     := -O0 -g --coverage
LDFLAGS_release := -Wl,-z,relro,-z,now
LDFLAGS_asan   := -fsanitize=address,undefined
LDFLAGS_tsan   := -fsanitize=thread
LDFLAGS_fuzz   := -fsanitize=fuzzer,address,undefined
LDFLAGS_cov    := --coverage
ifeq ($(V),fuzz)
CC := clang
# OpenSSL's macros cast const away; gcc sees that in a system header, clang in ours.
WARN += -Wno-cast-qual
endif

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1)
CFLAGS_ALL = -std=gnu17 -D_GNU_SOURCE -I. $(WARN) $(HARDEN) $(CFLAGS_$(V)) -MMD -MP $(CFLAGS)
LDFLAGS_ALL = -pie -Wl,--as-needed $(LDFLAGS_$(V)) $(LDFLAGS)

# ---- components -------------------------------------------------------------------------------
# NAME_DIRS sources, NAME_MAIN the file with main(), NAME_PROG the program, NAME_PKGS pkg-config
# names, NAME_LIBS further -l flags, NAME_TESTS the directory of its unit tests.
COMPONENTS :=
include common/module.mk
-include $(filter-out common/module.mk,$(wildcard */module.mk */*/module.mk))

pkg_cflags = $(if $(1),$(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(1) 2>/dev/null)))
pkg_libs   = $(if $(1),$(shell pkg-config --libs $(1) 2>/dev/null))

objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

define component_rules
$(1)_SRCS := $$(filter-out $$($(1)_MAIN),$$(wildcard $$(addsuffix /*.c,$$($(1)_DIRS))))
$(1)_CFL  := $$(call pkg_cflags,$$($(1)_PKGS) $$(if $$(filter common,$(1)),,$$(common_PKGS)))
$(1)_LDL  := $$(call pkg_libs,$$($(1)_PKGS)) $$($(1)_LIBS)
$(1)_TSRC := $$(wildcard $$(addsuffix /*_test.c,$$($(1)_TESTS)))
$(1)_FSRC := $$(wildcard tests/fuzz/$(1)/*_fuzz.c)
$(1)_TBIN := $$(patsubst tests/%.c,$$(BUILD)/tests/%,$$($(1)_TSRC))
$(1)_FBIN := $$(patsubst tests/fuzz/%.c,$$(BUILD)/fuzz/%,$$($(1)_FSRC))
ALL_SRCS  += $$($(1)_SRCS) $$($(1)_MAIN) $$($(1)_TSRC) $$($(1)_FSRC)
ALL_TBIN  += $$($(1)_TBIN)
ALL_FBIN  += $$($(1)_FBIN)
$$(call objs,$$($(1)_SRCS) $$($(1)_MAIN) $$($(1)_TSRC) $$($(1)_FSRC)): PKGFLAGS := $$($(1)_CFL)

$$(BUILD)/lib$(1).a: $$(call objs,$$($(1)_SRCS))
	@rm -f $$@
	$$(Q)$$(AR) rcs $$@ $$^

$$($(1)_TBIN): $$(BUILD)/tests/%: $$(BUILD)/obj/tests/%.o $$(sort $$(BUILD)/lib$(1).a $$(BUILD)/libcommon.a)
	@mkdir -p $$(@D)
	$$(QLD)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$($(1)_LDL) $$(common_LDL) -lcmocka

$$($(1)_FBIN): $$(BUILD)/fuzz/%: $$(BUILD)/obj/tests/fuzz/%.o $$(sort $$(BUILD)/lib$(1).a $$(BUILD)/libcommon.a)
	@mkdir -p $$(@D)
	$$(QLD)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$($(1)_LDL) $$(common_LDL)

ifneq ($$($(1)_PROG),)
PROGRAMS += $$(BUILD)/bin/$$($(1)_PROG)
.PHONY: $$($(1)_PROG)
$$($(1)_PROG): $$(BUILD)/bin/$$($(1)_PROG)
$$(BUILD)/bin/$$($(1)_PROG): $$(call objs,$$($(1)_MAIN)) $$(BUILD)/lib$(1).a $$(BUILD)/libcommon.a
	@mkdir -p $$(@D)
	$$(QLD)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$($(1)_LDL) $$(common_LDL)
endif
.PHONY: test-$(1)
test-$(1): $$($(1)_TBIN)
	@tests/run --unit $$(BUILD) $$($(1)_TBIN)
endef

PROGRAMS :=
ALL_SRCS :=
ALL_TBIN :=
ALL_FBIN :=
$(foreach c,$(COMPONENTS),$(eval $(call component_rules,$(c))))

ifeq ($(VERBOSE),)
Q   = @echo "  AR      $@";
QCC = @echo "  CC      $<";
QLD = @echo "  LD      $@";
endif

# Changed flags rebuild: the flags file is rewritten only when its content changes.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D); echo '$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL)' | cmp -s - $@ || echo '$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL)' >$@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(QCC)$(CC) $(CFLAGS_ALL) $(PKGFLAGS) -DPANE_VERSION='"$(VERSION)"' -c -o $@ $<

-include $(patsubst %.c,$(BUILD)/obj/%.d,$(ALL_SRCS))

.PHONY: FORCE all help tests fuzzers clean
all: $(PROGRAMS) ## build every program of the variant V
tests: $(ALL_TBIN) ## build the unit tests
fuzzers: $(ALL_FBIN) ## build the fuzz targets (V=fuzz)
clean: ## remove build products
	rm -rf build

-include tests/guest/targets.mk
-include deploy/targets.mk
-include broker/console/targets.mk

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | sort | expand -t 18
