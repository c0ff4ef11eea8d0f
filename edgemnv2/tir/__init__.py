"""Small languages in which kernels are written: a builder of TIR, tilings, row functions in C."""
