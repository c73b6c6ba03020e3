"""What any fused node can fall back to: its body op by op."""

from __future__ import annotations

from netlang.backends.common.inline import one_by_one
from netlang.backends.common.lowerings import AnyLowerings


def register(table: AnyLowerings) -> None:
    """Fused nodes of any kind, whatever is better coming first."""
    table.lowering("fused", priority=-10)(one_by_one)
