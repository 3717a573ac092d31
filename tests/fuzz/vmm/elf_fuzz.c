/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any file as an ELF kernel: loaded or refused, and nothing outside guest RAM is touched.
 */
#include <assert.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/boot/elf.h"
#include "vmm/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct vm_mem *mem = vm_mem_new(8 << 20, NULL);
	int fd = memfd_create("kernel", MFD_CLOEXEC);
	struct linux_boot b = {
		.kernel = fd, .initrd = -1, .kernel_name = "fuzz", .cmdline = "quiet"};
	struct elf_entry entry = {0};

	assert(mem && fd >= 0 && write(fd, p, n) == (ssize_t)n);
	if (elf_is(fd))
		(void)!elf_load(mem, &b, &entry, NULL);
	close(fd);
	vm_mem_free(mem);
	return 0;
}
