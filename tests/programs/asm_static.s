# A program without any libc: two registers count between naps, its stack holds
# a value, nothing but its own few instructions to inject system calls with.
# It prints "ready", waits for the file "go", checks, prints "ok".
# run: static-only
    .globl _start
    .text
_start:
    mov $0x1122334455667788, %r12
    push %r12
    movdqu pattern(%rip), %xmm7
    mov $1, %edi
    lea ready(%rip), %rsi
    mov $6, %edx
    mov $1, %eax
    syscall
again:
    inc %r13
    mov $35, %eax                 # nanosleep
    lea nap(%rip), %rdi
    xor %esi, %esi
    syscall
    test %rax, %rax
    jnz bad
    mov $21, %eax                 # access
    lea go(%rip), %rdi
    xor %esi, %esi
    syscall
    test %rax, %rax
    jz check
    cmp $30000, %r13
    jb again
bad:
    lea failed(%rip), %rsi
    mov $7, %edx
    mov $1, %ebx
    jmp out
check:
    pop %rax
    cmp %rax, %r12
    jne bad
    movq %xmm7, %rax
    cmp pattern(%rip), %rax
    jne bad
    lea ok(%rip), %rsi
    mov $3, %edx
    xor %ebx, %ebx
out:
    mov $1, %edi
    mov $1, %eax
    syscall
    mov %ebx, %edi
    mov $60, %eax
    syscall
    .data
ready:   .ascii "ready\n"
ok:      .ascii "ok\n"
failed:  .ascii "failed\n"
go:      .asciz "go"
nap:     .quad 0, 2000000
pattern: .quad 0xfeedfacecafebeef, 42
