//! From the boot loader (Multiboot, 32 bits) to 64 bits with the registers of AVX-512. The first GiB of memory is mapped
//! where it is.

use core::arch::global_asm;

global_asm!(
    r#"
    .section .multiboot, "a"
    .align 4
    .long 0x1BADB002, 0, -0x1BADB002

    .section .bss
    .align 4096
tables:
    .skip 3 * 4096
    .skip 1 << 20
stack:

    .section .rodata
    .align 8
segments:
    .quad 0, 0x00AF9A000000FFFF, 0x00CF92000000FFFF
segments_at:
    .short 23
    .long segments

    .section .text
    .code32
    .global start
start:
    mov esp, offset stack
    mov edi, offset tables
    lea eax, [edi + 0x1003]
    mov [edi], eax
    lea eax, [edi + 0x2003]
    mov [edi + 0x1000], eax
    xor ecx, ecx
2:  mov eax, ecx
    shl eax, 21
    or eax, 0x83
    mov [edi + ecx * 8 + 0x2000], eax
    inc ecx
    cmp ecx, 512
    jne 2b
    mov cr3, edi
    // Large pages, the registers of SSE, and those that XCR0 names.
    mov eax, cr4
    or eax, 0x40620
    mov cr4, eax
    mov ecx, 0xC0000080
    rdmsr
    or eax, 0x100
    wrmsr
    mov eax, cr0
    and eax, 0xFFFFFFFB
    or eax, 0x80000003
    mov cr0, eax
    xor ecx, ecx
    xgetbv
    or eax, 0xE7
    xsetbv
    lgdt [segments_at]
    push 8
    mov eax, offset wide
    push eax
    retf
    .code64
wide:
    mov ax, 16
    mov ds, ax
    mov es, ax
    mov ss, ax
    call {main}
    "#,
    main = sym super::main,
);
