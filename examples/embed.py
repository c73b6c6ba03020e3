"""A compiled net in a program of one's own: three lines.

python examples/embed.py [weights.safetensors]
"""

import sys
from pathlib import Path

import numpy as np

import netlang

model = netlang.compile(Path(__file__).parent / "lenet5.net", target="cpu")
model.load_weights(sys.argv[1]) if len(sys.argv) > 1 else model.init(seed=0)
probs = model(np.zeros((5, 1, 28, 28), np.float32))

print(model)
print("probabilities of five black images:", probs.shape, "each row sums to", probs.sum(axis=1).round(3))
