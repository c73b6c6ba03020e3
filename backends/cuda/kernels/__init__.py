"""Lowerings and their kernels, grouped by file. Importing this package fills the table of `lower`.

A new kernel is one new module here; nothing else needs to name it. These modules import neither Numba nor a driver:
kernels are source text, made and compiled when a program needs them.
"""

from importlib import import_module
from pkgutil import iter_modules

from netlang.backends.common.lowered import register_all
from netlang.backends.cuda.lower import LOWERINGS

register_all(LOWERINGS)
for _module in sorted(m.name for m in iter_modules(__path__)):
    import_module(f"{__name__}.{_module}")
