"""Row kernels -> row program: which operation makes which row, in which order."""
