"""Numbers of other types: rounded to the nearest, and refused where there is none."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlang.diagnostics import NetError
from netlang.ir.types import DType
from netlang.runtime.mapping.fitting import _WIDER
from netlang.runtime.mapping.making import converted
from netlang.runtime.ports import dtype_of

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


def test_wider_types_have_every_number() -> None:
    for narrow, wider in _WIDER.items():
        for wide in wider:
            assert np.can_cast(dtype_of(narrow), dtype_of(wide), "safe"), (narrow, wide)
    whole = {str(d): d.numpy for d in DType if d.is_int}
    safe = {(a, b) for a in whole for b in whole if a != b and np.can_cast(whole[a], whole[b], "safe")}
    assert safe == {(a, b) for a in whole for b in _WIDER.get(a, ())}
