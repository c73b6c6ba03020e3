"""Short names for paths."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from netlang.interchange.importing.names import shortened

PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)


def test_ends_that_nobody_else_has() -> None:
    found = shortened(["net/a/conv", "net/b/conv", "net/b/relu", "conv1.weight", "F0::stft::Slice_3"])
    assert found == {
        "net/a/conv": "a/conv",
        "net/b/conv": "b/conv",
        "net/b/relu": "relu",
        "conv1.weight": "conv1.weight",
        "F0::stft::Slice_3": "Slice_3",
    }


@settings(deadline=None, max_examples=50)
@given(st.sets(PATHS, max_size=12))
def test_short_names_differ(paths: set[str]) -> None:
    found = shortened(paths)
    assert found.keys() == paths and len({*found.values()}) == len(paths)
    assert all(path.endswith(short) for path, short in found.items())
