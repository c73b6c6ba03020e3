"""Compiled networks as shared libraries with a C interface, for CPUs.

Writing: `tables` puts a program down as C, `source` whole nets, `compiler` has a C compiler link that with the machine
code of the kernels and the runtime, which is C too (`*.c`, `*.h` here); `api.h` is what programs see of it. A library
has the programs, the walker and the kernels of `.netc` files, and does in C what these do in Python when they are
loaded.
"""
