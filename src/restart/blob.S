/* The restorer, an ELF file of its own. */
	.section .rodata
	.globl	restorer_elf, restorer_elf_end
	.balign	16
restorer_elf:
	.incbin	"restorer.elf"
restorer_elf_end:
	.section .note.GNU-stack,"",@progbits
