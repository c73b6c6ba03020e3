"""Why cases fail that no importer could pass: what their answers were computed with and their models do not say."""

from __future__ import annotations

_TWISTER = "the answer was drawn by NumPy's Mersenne Twister, which ONNX does not ask for"
_DRAWN = ("bernoulli", "bernoulli_double", "bernoulli_seed", "training_dropout", "training_dropout_default",
          "training_dropout_default_mask", "training_dropout_mask")  # fmt: skip
_POOL = "test_averagepool_3d_dilations_large"

REASONS = {
    "test_adam_multiple": "the model lacks the epsilon of the answer, 0.01; later versions of the suite have it",
    f"{_POOL}_count_include_pad_is_1_ceil_mode_is_True": "the answer counts what lies beyond the padding; in later "
    "versions of the suite, as in onnxruntime, that does not count",
    **{f"test_{name}{form}": _TWISTER for name in _DRAWN for form in ("", "_expanded")},
}
