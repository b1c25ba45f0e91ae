/*
 * Ways into the restorer and out of it, on x86-64.
 */
	.text

/* restorer_entry(job: rdi, stack top: rsi, node: edx): never returns */
	.globl	restorer_entry
	.hidden	restorer_entry
restorer_entry:
	mov	%rsi, %rsp
	and	$-16, %rsp
	xor	%ebp, %ebp
	mov	%edx, %esi
	call	restorer_main
	hlt

/* void context_resume(const struct context *c: rdi): context_save() returns 1 there */
	.globl	context_resume
	.hidden	context_resume
context_resume:
	mov	0(%rdi), %rbx
	mov	8(%rdi), %rbp
	mov	16(%rdi), %r12
	mov	24(%rdi), %r13
	mov	32(%rdi), %r14
	mov	40(%rdi), %r15
	mov	48(%rdi), %rsp
	mov	$1, %eax
	jmp	*56(%rdi)

/*
 * long thread_start(struct clone_args *args: rdi, size: rsi, const struct context *c: rdx)
 * clone3(2); the new thread resumes c at once, on the stack that c names.
 */
	.globl	thread_start
	.hidden	thread_start
thread_start:
	mov	%rdx, %r8
	mov	$435, %eax		/* __NR_clone3 */
	syscall
	test	%rax, %rax
	jnz	1f
	mov	%r8, %rdi
	jmp	context_resume
1:	ret

	.section .note.GNU-stack,"",@progbits
