"""The operations: one record each, grouped by file. Importing this package fills the registry.

A new op is one new module here; nothing else needs to name it.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in sorted(m.name for m in iter_modules(__path__)):
    import_module(f"{__name__}.{_module}")
