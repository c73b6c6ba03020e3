"""Loop nests to launches."""

from __future__ import annotations

from netlang.backends.common.context import Context
from netlang.backends.common.nest import Nest
from netlang.backends.common.steps import Buffer, Step
from netlang.backends.cuda.target import CudaTarget


def nest_steps(context: Context, target: CudaTarget, nest: Nest) -> list[Step]:
    """The launches that carry out a nest."""
    raise NotImplementedError("loop nests on a GPU")


def writes_in_place(nest: Nest, buffer: Buffer) -> bool:
    """Whether results may be written over `buffer`."""
    return False
