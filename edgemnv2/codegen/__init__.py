"""Row kernels, program and plan -> an object, C source, header, tables; and the toolchains."""
