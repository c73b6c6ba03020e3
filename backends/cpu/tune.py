"""How kernels are measured on a processor."""

from __future__ import annotations

from netlang.backends.common.tune import Method

# Whatever else the machine does makes a kernel slower, never faster: of all times of one the least counts.
METHOD = Method(kinds=(("rows",), ("algorithm",), ("tile",), ("columns",)), calls=2, typical=min)
