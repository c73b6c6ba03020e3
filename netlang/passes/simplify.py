"""simplify: algebra on single nodes and their inputs, by rows (op, guard, replacement).

Before                                              After
    %0 = transpose(%w) {perm = (1, 0)}
    %1 = matmul(%x, %0)                                 %0 = matmul(%x, %w) {transpose_b = true}
    %2 = const() {value = f32 1.0}
    %3 = mul(%1, %2)
    %4 = neg(%3)
    %5 = neg(%4)
    output y = %5                                       output y = %0

Values stay the same bit for bit (any NaN being NaN) but for three kinds of row, each marked in its table:
- *sign of zero*: `x + 0` becomes `x`; -0.0 may stay where +0.0 was computed.
- *rounding*: constant factors are multiplied together beforehand, x**2 becomes x*x; the last bit may differ. It is done
  only where the product of the constants neither overflows nor loses digits.
- *more accurate*: log(softmax(x)) becomes log_softmax(x).
What NaN and infinity forbid is not done: `x * 0`, `x - x`, `x / x` and `0 / x` stay for floats. Nor is anything done
that has another derivative, such as max(x, 0) to relu(x): the pass may run before differentiation.
"""

from __future__ import annotations

from netlang.ir.graph import Graph
from netlang.ir.rewrite import rows, transform
from netlang.passes.bodies import inside
from netlang.passes.manager import Pass
from netlang.passes.simplify_arithmetic import ARITHMETIC
from netlang.passes.simplify_movement import MOVEMENT

ORIGIN = "simplify"
_LIMIT = 8
"""Rounds: a row can make room for another one further up."""

_RULE = rows((*ARITHMETIC, *MOVEMENT))


def run(graph: Graph) -> Graph:
    """Apply all rows until none applies."""
    return transform(graph, _RULE, ORIGIN, limit=_LIMIT)


PASS = Pass("simplify", inside(run))
