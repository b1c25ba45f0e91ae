/*
 * A task on a stack of its own, for x86-64.
 */
	.text

/* long clone_on_stack(flags: rdi, stack_top: rsi, fn: rdx, arg: rcx) */
	.globl	clone_on_stack
	.hidden	clone_on_stack
	.type	clone_on_stack, @function
clone_on_stack:
	and	$-16, %rsi
	sub	$16, %rsi
	mov	%rdx, 0(%rsi)
	mov	%rcx, 8(%rsi)
	xor	%edx, %edx
	xor	%r10d, %r10d
	xor	%r8d, %r8d
	mov	$56, %eax		/* __NR_clone */
	syscall
	test	%rax, %rax
	jnz	1f
	xor	%ebp, %ebp
	pop	%rax
	pop	%rdi
	call	*%rax
	mov	%eax, %edi
	mov	$60, %eax		/* __NR_exit */
	syscall
	hlt
1:	ret
	.size	clone_on_stack, .-clone_on_stack

/*
 * long clone3_on_stack(args: rdi, size: rsi, fn: rdx, arg: rcx): clone3(2) on the stack that args names;
 * the child calls fn(arg) and exits with what that returns.
 */
	.globl	clone3_on_stack
	.hidden	clone3_on_stack
	.type	clone3_on_stack, @function
clone3_on_stack:
	mov	%rcx, %r8
	mov	$435, %eax		/* __NR_clone3 */
	syscall
	test	%rax, %rax
	jnz	1f
	xor	%ebp, %ebp
	mov	%r8, %rdi
	call	*%rdx
	mov	%eax, %edi
	mov	$60, %eax		/* __NR_exit */
	syscall
	hlt
1:	ret
	.size	clone3_on_stack, .-clone3_on_stack

	.section .note.GNU-stack,"",@progbits
