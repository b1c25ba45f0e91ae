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

/*
 * Where a thread goes on after a freeze that cut a call short, see rest.c: with the call's registers
 * set for the rest of the bytes, struct rest at rsp, the program's stack 176 bytes above. To unwinders
 * (a cancelled thread) this is a function that the program has called where it goes on.
 */
	.globl	rest_run
	.hidden	rest_run
	.type	rest_run, @function
rest_run:
	.cfi_startproc simple
	.cfi_def_cfa %rsp, 176
	.cfi_offset %rip, -176
	syscall
	.globl	rest_returned
	.hidden	rest_returned
rest_returned:
	test	%rax, %rax
	js	1f			/* an error shows when the program calls again */
	add	%rax, 8(%rsp)
1:	mov	8(%rsp), %rax
	mov	16(%rsp), %rsi
	mov	24(%rsp), %rdx
	mov	(%rsp), %rcx		/* lost in a system call, as is r11: the flags before it */
	push	%r11
	.cfi_adjust_cfa_offset 8
	popf
	.cfi_adjust_cfa_offset -8
	lea	176(%rsp), %rsp
	.cfi_def_cfa %rsp, 0
	.cfi_register %rip, %rcx
	jmp	*%rcx
	.cfi_endproc
	.size	rest_run, .-rest_run

/*
 * Where handlers of the program, without and with SA_RESTART, return to after a freeze, in place of libc's __restore_rt: eintr.c. The kernel's
 * ucontext is at rsp. Unwinders find the interrupted registers there by the same rules as libc gives
 * (sysdeps/unix/sysv/linux/x86_64/libc_sigaction.c): DW_CFA_expression 0x10, DW_CFA_def_cfa_expression 0x0f,
 * DW_OP_breg7 0x77, DW_OP_deref 0x06, offsets as signed LEB128. They look at the byte before the return address:
 * hence the nop.
 */
	.macro	signal_return name, restarts
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_escape 0x0f, 4, 0x77, 0xa0, 0x01, 0x06	/* the CFA is what rsp was */
	.cfi_escape 0x10, 8, 2, 0x77, 40		/* r8 */
	.cfi_escape 0x10, 9, 2, 0x77, 48
	.cfi_escape 0x10, 10, 2, 0x77, 56
	.cfi_escape 0x10, 11, 3, 0x77, 0xc0, 0x00	/* 64 */
	.cfi_escape 0x10, 12, 3, 0x77, 0xc8, 0x00
	.cfi_escape 0x10, 13, 3, 0x77, 0xd0, 0x00
	.cfi_escape 0x10, 14, 3, 0x77, 0xd8, 0x00
	.cfi_escape 0x10, 15, 3, 0x77, 0xe0, 0x00
	.cfi_escape 0x10, 5, 3, 0x77, 0xe8, 0x00	/* rdi at 104 */
	.cfi_escape 0x10, 4, 3, 0x77, 0xf0, 0x00	/* rsi */
	.cfi_escape 0x10, 6, 3, 0x77, 0xf8, 0x00	/* rbp */
	.cfi_escape 0x10, 3, 3, 0x77, 0x80, 0x01	/* rbx at 128 */
	.cfi_escape 0x10, 1, 3, 0x77, 0x88, 0x01	/* rdx */
	.cfi_escape 0x10, 0, 3, 0x77, 0x90, 0x01	/* rax */
	.cfi_escape 0x10, 2, 3, 0x77, 0x98, 0x01	/* rcx */
	.cfi_escape 0x10, 7, 3, 0x77, 0xa0, 0x01	/* rsp */
	.cfi_escape 0x10, 16, 3, 0x77, 0xa8, 0x01	/* rip */
	nop
	.globl	\name
	.hidden	\name
	.type	\name, @function
\name:
	mov	%rsp, %rdi
	mov	$\restarts, %esi
	call	signal_return_check
	mov	$15, %eax		/* __NR_rt_sigreturn */
	syscall
	.cfi_endproc
	.size	\name, .-\name
	.endm

	signal_return signal_return_plain, 0
	signal_return signal_return_restarting, 1

/*
 * long semop_undo(int id, const struct sembuf *ops, size_t n, const struct timespec *t, int64_t *result):
 * see ipc.h. A freeze that finds a thread at semop_undo_returned takes the result from rax and sends
 * the thread on to semop_undo_stored.
 */
	.globl	semop_undo
	.hidden	semop_undo
	.type	semop_undo, @function
semop_undo:
	mov	%rcx, %r10
	mov	$220, %eax		/* __NR_semtimedop */
	syscall
	.globl	semop_undo_returned
	.hidden	semop_undo_returned
semop_undo_returned:
	mov	%rax, (%r8)
	.globl	semop_undo_stored
	.hidden	semop_undo_stored
semop_undo_stored:
	ret
	.size	semop_undo, .-semop_undo

/*
 * Where the threads of a process that stops again go on after a restart, see stop.c: all registers are the
 * program's but rip, which is in stop_rip. Below its red zone the stack is free only now.
 */
	.globl	stop_run
	.hidden	stop_run
	.type	stop_run, @function
stop_run:
	.cfi_startproc simple
	.cfi_def_cfa %rsp, 0
	.cfi_undefined %rip
	lea	-136(%rsp), %rsp
	.cfi_adjust_cfa_offset 136
	pushf
	push	%rax
	.cfi_adjust_cfa_offset 16
	mov	stop_rip@gottpoff(%rip), %rax
	mov	%fs:(%rax), %rax
	mov	%rax, 16(%rsp)
	.cfi_offset %rip, -136
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%r10
	push	%r11
	.cfi_adjust_cfa_offset 48
	.globl	stop_again
	.hidden	stop_again
stop_again:
	mov	$186, %eax		/* gettid */
	syscall
	mov	%eax, %esi
	cmp	%eax, stop_tid(%rip)
	jne	1f
	mov	$39, %eax		/* getpid */
	syscall
	mov	%eax, %edi
	mov	$19, %edx		/* SIGSTOP */
	mov	$234, %eax		/* tgkill */
	syscall
	movl	$0, stop_word(%rip)
	lea	stop_word(%rip), %rdi
	mov	$129, %esi		/* FUTEX_WAKE_PRIVATE */
	mov	$0x7fffffff, %edx
	mov	$202, %eax
	syscall
	jmp	stop_over
1:	lea	stop_word(%rip), %rdi
	mov	$128, %esi		/* FUTEX_WAIT_PRIVATE */
	mov	$1, %edx
	xor	%r10d, %r10d
	mov	$202, %eax
	syscall
	cmpl	$0, stop_word(%rip)
	jne	1b
	.globl	stop_over
	.hidden	stop_over
stop_over:
	pop	%r11
	pop	%r10
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rax
	popf
	.cfi_adjust_cfa_offset -64
	ret	$128
	.cfi_endproc
	.size	stop_run, .-stop_run

	.section .note.GNU-stack,"",@progbits
