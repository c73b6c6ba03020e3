"""One line for each epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import netlang


class Lines(netlang.Progress):
    """Prints what an epoch reached on held-out data."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        reached = "  ".join(f"{n.removeprefix('test_')} {v:.4f}" for n, v in record.items() if n.startswith("test_"))
        print(f"epoch {record['epoch']}: {reached}  {record['seconds']:.0f} s", flush=True)
