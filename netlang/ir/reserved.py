"""Names that the compiler and the runtime have agreed on."""

RNG = "$rng"
"""The input i64[2], (seed, step), by which random nodes draw."""
LEARNING_RATE = "$lr"
"""The input f32[] of a training step: its learning rate."""
LOSS = "loss"
"""The output of a training step that is minimised."""
