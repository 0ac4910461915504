// The bytes of the font file, as they are: an assembler takes them in no time, a C array of them takes seconds.
    .section .rodata
    .global ql_picture_font
    .hidden ql_picture_font
    .balign 16
ql_picture_font:
    .incbin QL_PICTURE_FONT
    .section .note.GNU-stack,"",%progbits
