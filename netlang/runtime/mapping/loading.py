"""Weights of a file into the parameters of a net, by names that a table translates."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from netlang.diagnostics import NetError
from netlang.ir.graph import Value
from netlang.runtime.arrays import Array
from netlang.runtime.mapping.fitting import Demands, fit
from netlang.runtime.mapping.making import fill
from netlang.runtime.mapping.renaming import EMPTY, rename
from netlang.runtime.mapping.report import Loaded
from netlang.runtime.mapping.stored import open_stored
from netlang.runtime.mapping.table import Table, read_table
from netlang.runtime.parameters import settle, touch
from netlang.runtime.tensor_file import Wanted

Map = str | os.PathLike[str] | Table | None
"""A table, or the file that it is read from."""


def load(
    path: str | os.PathLike[str],
    params: Sequence[Value],
    store: Mapping[str, Array],
    map: Map,
    demands: Demands,
    whole: bool,
) -> Loaded:
    """Read tensors into the arrays of `store`; `whole`: all of them, because they have no values yet.

    Raises NetError, and changes nothing, where they do not fit.
    """
    stored = open_stored(path)
    takes, report = fit(stored, rename(stored.entries, table_of(map)), wanted(params), demands)
    if whole and report.lacking:
        hint = "call init() first: what a file lacks keeps its value"
        raise NetError(f"{path} lacks '{report.lacking[0]}', and the net has no weights yet", hint=hint)
    settle()
    fill(stored, takes, {name: store[name] for name in takes})
    touch()
    return report


def wanted(params: Sequence[Value]) -> dict[str, Wanted]:
    """What a file is to have for these parameters, by name."""
    return {p.node.name: Wanted(str(p.dtype), p.type.concrete({}), p.node.spans) for p in params}


def table_of(map: Map) -> Table:
    """Raises NetError where there is no such table."""
    if map is None or isinstance(map, Table):
        return map or EMPTY
    return read_table(map)
