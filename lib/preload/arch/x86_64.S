/*
 * Entry and exit of contexts on x86-64. Callee-saved: rbx rbp r12-r15 rsp (System V psABI, 3.2.1).
 */
	.text

/* int context_save(struct context *c: rdi) */
	.globl	context_save
	.hidden	context_save
	.type	context_save, @function
context_save:
	mov	%rbx, 0(%rdi)
	mov	%rbp, 8(%rdi)
	mov	%r12, 16(%rdi)
	mov	%r13, 24(%rdi)
	mov	%r14, 32(%rdi)
	mov	%r15, 40(%rdi)
	lea	8(%rsp), %rdx		/* the caller's stack once we have returned */
	mov	%rdx, 48(%rdi)
	mov	(%rsp), %rdx
	mov	%rdx, 56(%rdi)
	xor	%eax, %eax
	ret
	.size	context_save, .-context_save

/* void call_on_stack(fn: rdi, arg: rsi, stack_top: rdx) */
	.globl	call_on_stack
	.hidden	call_on_stack
	.type	call_on_stack, @function
call_on_stack:
	push	%rbp
	mov	%rsp, %rbp
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsp
	and	$-16, %rsp
	call	*%rax
	mov	%rbp, %rsp
	pop	%rbp
	ret
	.size	call_on_stack, .-call_on_stack

/*
 * long syscall(long n, ...): libc's, but with the number left in the red zone where eintr.c finds it:
 * libc's own keeps it only in rax, which the result overwrites. Calls 206 to 209, those of linux-aio,
 * go by way of wrappers/aio.c, which comes back at syscall_plain.
 */
	.hidden	aio_syscall
	.globl	syscall
	.type	syscall, @function
syscall:
	lea	-206(%rdi), %rax
	cmp	$3, %rax
	jbe	aio_syscall
	.globl	syscall_plain
	.hidden	syscall_plain
	.type	syscall_plain, @function
syscall_plain:
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8, %r10
	mov	%r9, %r8
	mov	8(%rsp), %r9
	mov	%rax, -8(%rsp)
	syscall
	.globl	syscall_returned
	.hidden	syscall_returned
syscall_returned:
	cmp	$-4095, %rax
	jae	1f
	ret
1:	neg	%eax
	push	%rax
	call	__errno_location@PLT
	pop	%rcx
	mov	%ecx, (%rax)
	mov	$-1, %rax
	ret
	.size	syscall_plain, .-syscall_plain
	.size	syscall, .-syscall

	.section .note.GNU-stack,"",@progbits
