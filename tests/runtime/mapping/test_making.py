"""Numbers of other types: rounded to the nearest, and refused where there is none."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlang.diagnostics import NetError
from netlang.runtime.mapping.making import converted

TYPES = {"f16": np.float16, "bf16": ml_dtypes.bfloat16, "f32": np.float32}


@given(st.lists(st.floats(), min_size=1, max_size=5), st.sampled_from(sorted(TYPES)))
def test_rounded_to_the_nearest_or_refused(numbers: list[float], dtype: str) -> None:
    array = np.array(numbers)
    with np.errstate(over="ignore"):
        wanted = array.astype(TYPES[dtype])
    if np.array_equal(np.isfinite(wanted), np.isfinite(array)):
        assert converted(array, dtype, "x").tobytes() == wanted.tobytes()
    else:
        with pytest.raises(NetError, match=f"x has the number .*, which is too large for {dtype}"):
            converted(array, dtype, "x")
