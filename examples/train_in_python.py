"""Training without the command line: one compiled step per batch, in a loop of one's own.

python examples/train_in_python.py [epochs]
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import netlang

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
digits = load_digits()
# 8x8 pixels, each as 3x3, in the middle of 28x28.
images = np.pad(digits.images.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2)))[:, None] / 16
images, labels = images.astype(np.float32), digits.target
held_out = np.arange(len(labels)) % 5 == 4
train = np.flatnonzero(~held_out)

model = netlang.compile(Path(__file__).parent / "lenet5.net", target="cpu")
step = model.trainer(seed=0)

shuffle = np.random.default_rng(0)
for epoch in range(epochs):
    losses = [
        step(image=images[rows], label=labels[rows])
        for rows in np.array_split(shuffle.permutation(train), len(train) // 32)
    ]
    step.next_epoch()
    right = model(images[held_out]).argmax(axis=1) == labels[held_out]
    print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, {right.mean():.1%} of the held-out digits are right")

model.save_weights("lenet5.safetensors")
