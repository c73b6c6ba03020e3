"""A named thing with its arguments, as a `.net` file says it: an optimiser, a schedule, an augmentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netlang.diagnostics import Span


@dataclass(frozen=True)
class Call:
    """The arguments are all of them, defaults included: `sgd(lr = 0.05, momentum = 0.9, ...)`."""

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)
    span: Span | None = None

    def __getitem__(self, key: str) -> Any:
        return self.args[key]
