        global  _start
        section .text
_start: mov     rax, 1          ; write
        mov     rdi, 1
        mov     rsi, message
        mov     rdx, length
        syscall
        mov     rax, 60         ; exit
        xor     rdi, rdi
        syscall
        section .data
message: db     "high water", 10
length:  equ    $ - message
