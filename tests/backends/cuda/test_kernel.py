"""The record of a GPU kernel."""

from __future__ import annotations

import pytest

from netlang.backends.cuda.kernel import Kernel


def test_equal_keys_mean_equal_kernels_whatever_makes_their_source() -> None:
    one = Kernel("copy", lambda: "one", "pp", 32)
    other = Kernel("copy", lambda: "other", "pp", 32)
    assert one == other and hash(one) == hash(other)
    assert one != Kernel("copy", lambda: "one", "ppi", 32)
    assert one != Kernel("copy", lambda: "one", "pp", 64)


@pytest.mark.parametrize(
    "fields",
    [
        {"arguments": "pf", "threads": 32},
        {"arguments": "p", "threads": 0},
        {"arguments": "p", "threads": 1025},
        {"arguments": "p", "threads": 32, "shared": -1},
    ],
)
def test_a_kernel_that_no_gpu_could_run_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(AssertionError):
        Kernel("bad", lambda: "", **fields)  # type: ignore[arg-type]
