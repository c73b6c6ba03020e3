"""`digits`: the 1,797 handwritten digits of 8x8 pixels that scikit-learn carries (Alpaydin & Kaynak 1998)."""

from __future__ import annotations

import numpy as np

from netlang.diagnostics import NetError
from netlang.runtime.data.dataset import IMAGE, LABEL, Dataset, every_fifth


def load() -> Dataset:
    """Images in 0 ... 1; every fifth sample is held out. Raises NetError where scikit-learn is not installed."""
    try:
        from sklearn.datasets import load_digits  # an optional extra
    except ImportError as missing:
        raise NetError("the digits come with scikit-learn", hint="pip install 'netlang[digits]'") from missing
    bunch = load_digits()
    images = (bunch.images / 16.0).astype(np.float32)
    train, test = every_fifth({IMAGE: images, LABEL: bunch.target.astype(np.int64)})
    return Dataset("digits", train, test, tuple(map(str, range(10))), "every fifth image")
