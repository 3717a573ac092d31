# SPDX-License-Identifier: GPL-3.0-or-later
# The test card (tests/guest): a freestanding guest, packaged as a bzImage. The same in every variant.

GUEST_SRCS := $(wildcard tests/guest/*.c) tests/guest/head.S
GUEST_OBJS := $(patsubst tests/guest/%,$(BUILD)/guest/%.o,$(GUEST_SRCS))
GUEST_CFLAGS := -std=gnu17 -I. $(WARN) -O2 -g -ffreestanding -fno-builtin -nostdinc \
	-isystem $(shell gcc -print-file-name=include 2>/dev/null) -mgeneral-regs-only -mno-red-zone \
	-fno-stack-protector -fcf-protection=none -fno-pic -fno-pie -mcmodel=small \
	-fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -MMD -MP

$(BUILD)/guest/%.o: tests/guest/% tests/guest/targets.mk
	@mkdir -p $(@D)
	$(QCC)gcc $(GUEST_CFLAGS) -c -o $@ $<

$(BUILD)/guest/card.elf: $(GUEST_OBJS) tests/guest/card.lds
	$(QLD)gcc -nostdlib -static -no-pie -Wl,-z,max-page-size=4096,--build-id=none,-z,noexecstack,--no-warn-rwx-segments \
		-Wl,-T,tests/guest/card.lds -o $@ $(GUEST_OBJS)

$(BUILD)/guest/card: $(BUILD)/guest/card.elf
	$(QOBJ)objcopy -O binary -R .bss $< $@

ifeq ($(VERBOSE),)
QOBJ = @echo "  OBJCOPY $@";
endif

-include $(GUEST_OBJS:.o=.d)

.PHONY: guest
guest: $(BUILD)/guest/card ## build the test card, the guest of tests that need no operating system
all tests: $(BUILD)/guest/card
