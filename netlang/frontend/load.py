"""From a path or text to a `Module`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netlang.diagnostics import NetError
from netlang.frontend.faults import Reporter
from netlang.frontend.limits import deep_evaluation
from netlang.frontend.nets import elaborate
from netlang.frontend.reading import is_text, read
from netlang.frontend.units import read_unit
from netlang.ir.module import Module


def load(
    path_or_text: str | os.PathLike[str], name: str | None = None, arguments: Mapping[str, Any] | None = None
) -> Module:
    """The checked module of a `.net` file.

    A string with a line end or a `{` in it is the text itself, anything else a path. `name` is what diagnostics call
    the file; a file may import others, a text none. `arguments` take the place of the defaults of its nets' parameters
    and of its constants. Raises NetError with every fault that was found.
    """
    source = read(path_or_text, name)
    reporter = Reporter()
    module: Module | None = None
    with deep_evaluation():
        unit = read_unit(source, None if is_text(path_or_text) else Path(path_or_text), reporter)
        if unit is not None:
            module = elaborate(unit, reporter, arguments or {})
    if module is None:
        raise NetError(reporter.errors)
    return module
