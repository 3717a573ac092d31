/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The head of the test card: a bzImage setup header (Documentation/arch/x86/boot.rst), the 64-bit
 * entry 512 bytes into the code, and the interrupt stubs. Sizes come from card.lds.
 */
	.section .setup, "a"
	.org 0x1f1
	.byte 1			/* setup_sects: this is sector 0, one more follows */
	.word 0
	.long card_paragraphs	/* syssize */
	.org 0x1fe
	.word 0xaa55
	.byte 0xeb, 0x66	/* jump; the header ends at 0x202 + 0x66 = 0x268 */
	.ascii "HdrS"
	.word 0x020c		/* protocol 2.12 */
	.org 0x211
	.byte 1			/* loadflags: loaded high */
	.org 0x214
	.long 0x100000		/* code32_start */
	.org 0x22c
	.long 0x7fffffff	/* initrd_addr_max */
	.long 0x1000		/* kernel_alignment */
	.org 0x236
	.word 1			/* xloadflags: 64-bit entry at 0x200 */
	.long 2047		/* cmdline_size */
	.org 0x258
	.quad 0x100000		/* pref_address */
	.long card_memory	/* init_size */
	.org 0x400

	.section .head, "ax"
	hlt			/* 32-bit entry: not supported */
	.org 0x200
	.globl card_entry
card_entry:
	leaq	card_stack_end(%rip), %rsp
	movq	%rsi, %rdi	/* boot_params */
	cld
	call	card_main
1:	cli
	hlt
	jmp	1b

	.section .text.stubs, "ax"

/* Sleeps until an interrupt, which is let in only here. A processor takes none between sti and hlt;
 * an emulated one running nested guests does, and the card would sleep on what has been served already:
 * an interrupt that finds hlt still to come steps over it. */
	.globl	interrupt_sleep
interrupt_sleep:
	sti
asleep:
	hlt
	cli
	ret

/* irq_entry: a vector number each, the registers C may use, the interrupted instruction. */
	.macro irq_entry vector
	.globl irq_entry_\vector
irq_entry_\vector:
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	leaq	asleep(%rip), %rax
	cmpq	%rax, 72(%rsp)
	jne	1f
	incq	72(%rsp)
1:	movl	$\vector, %edi
	call	on_interrupt
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rax
	iretq
	.endm

	irq_entry 64
	irq_entry 65
	irq_entry 255

/* Exceptions: report and stop. Those with an error code have one more word on the stack; the
 * report shows the top three words, so either kind can be read. */
	.globl trap_entries
trap_entries:
	.set	i, 0
	.rept	32
	pushq	$i
	jmp	trap_common
	.balign	16
	.set	i, i + 1
	.endr
trap_common:
	popq	%rdi
	movq	0(%rsp), %rsi
	movq	8(%rsp), %rdx
	andq	$-16, %rsp
	call	on_trap

	.section .bss
	.balign	16
	.skip	16384
card_stack_end:

	.section .note.GNU-stack, "", @progbits
