"""Networks that others trained: they reach the figures that are recorded of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.trained.measure import own
from benchmarks.trained.models import TRAINED

pytest.importorskip("onnx")


@pytest.mark.parametrize("net", ["lenet", "squeezenet", "voice"])
def test_figures(net: str, models: Path, tmp_path: Path) -> None:
    call, _ = own(TRAINED[net], tmp_path, 1)
    reached = TRAINED[net].examine(call)
    assert reached.figure == reached.recorded
    assert reached.close, reached
