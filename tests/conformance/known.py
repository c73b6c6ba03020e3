"""Why cases fail that no importer could pass: what their answers were computed with and their models do not say."""

from __future__ import annotations

_TWISTER = "the mask of the answer was drawn by NumPy's Mersenne Twister, which ONNX does not ask for"

REASONS = {
    "test_adam_multiple": "the answer was computed with epsilon = 0.01, not the default, 1e-6",
    "test_training_dropout": _TWISTER,
    "test_training_dropout_default": _TWISTER,
    "test_training_dropout_default_mask": _TWISTER,
    "test_training_dropout_mask": _TWISTER,
}
