"""A file of weights as another: other names, other element types, as a net wants it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from netlang.diagnostics import NetError
from netlang.runtime.mapping.fitting import FLOATS, Demands, fit, made_of
from netlang.runtime.mapping.making import make
from netlang.runtime.mapping.renaming import EMPTY, Made, rename
from netlang.runtime.mapping.report import Loaded
from netlang.runtime.mapping.stored import Stored
from netlang.runtime.mapping.table import Table
from netlang.runtime.tensor_file import CHECKPOINT_ENTRY, Wanted, writable, write_tensors


def convert(
    stored: Stored,
    path: str | os.PathLike[str],
    table: Table = EMPTY,
    wanted: Mapping[str, Wanted] | None = None,
    demands: Demands | None = None,
    floats: str | None = None,
) -> Loaded:
    """Write a safetensors file of what a table makes of another file; it is complete or unchanged.

    wanted   the parameters of a net: the file will fit it
    floats   the type that floating-point numbers are rounded or widened to; none leaves them as they are, or as the
             net has them

    Raises NetError as `fit` does, and where types or numbers cannot be written so.
    """
    renamed = rename(stored.entries, table)
    if wanted is None:
        made = renamed.made
        types = {name: _type(stored, name, m) for name, m in made.items()}
        left = {name: f"line {line} of the table drops it" for name, line in renamed.dropped.items()}
        idle = tuple(f"line {rule.line}: {rule.text}" for rule in renamed.idle)
        report = Loaded(stored.path, {name: m.sources for name, m in made.items()}, left=left, idle=idle)
    else:
        made, report = fit(stored, renamed, wanted, demands or Demands(rounded=floats is not None))
        types = {name: wanted[name].dtype for name in made}
    if floats is not None:
        types = {name: floats if dtype in FLOATS else dtype for name, dtype in types.items()}
    for name, dtype in types.items():
        if not writable(dtype):
            hint = f"'drop {name}' in a table of names (--map) leaves it out"
            raise NetError(f"tensor '{name}' has elements of type {dtype}, which netlang does not have", hint=hint)
    tensors = {name: (types[name], make(stored, m, types[name])) for name, m in made.items()}
    metadata = {key: text for key, text in stored.metadata.items() if key != CHECKPOINT_ENTRY}
    write_tensors(path, tensors, metadata)
    return report


def _type(stored: Stored, name: str, made: Made) -> str:
    try:
        return made_of(stored, made).dtype
    except ValueError as fault:
        raise NetError(f"tensor '{name}' of {stored.path}: {fault}") from fault
