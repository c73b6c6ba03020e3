"""Why cases fail that no importer could pass: what their answers were computed with and their models do not say."""

from __future__ import annotations

_TWISTER = "the answer was drawn by NumPy's Mersenne Twister, which ONNX does not ask for"
_DRAWN = ("bernoulli", "bernoulli_double", "bernoulli_seed", "training_dropout", "training_dropout_default",
          "training_dropout_default_mask", "training_dropout_mask")  # fmt: skip

REASONS = {
    "test_adam_multiple": "the answer was computed with epsilon = 0.01, not the default, 1e-6",
    **{f"test_{name}{form}": _TWISTER for name in _DRAWN for form in ("", "_expanded")},
}
