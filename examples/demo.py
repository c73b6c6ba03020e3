"""Classifies three held-out digits and draws them. `make demo` trains the weights first.

python examples/demo.py run/demo/weights.safetensors
"""

import sys
from pathlib import Path

import numpy as np

import netlang
from netlang.runtime.data import digits

SHADES = " ░▒▓█"
LENET = Path(__file__).parent / "lenet5.net"
LEAST = 0.97
"""The held-out accuracy that the demonstration promises."""


def drawn(image: np.ndarray) -> list[str]:
    """An 8x8 image in 0 ... 1 as lines of block characters, two for each pixel."""
    return ["".join(SHADES[round(float(p) * (len(SHADES) - 1))] * 2 for p in row) for row in image]


def main(weights: str) -> int:
    model = netlang.compile(LENET, target="cpu")
    model.load_weights(weights)

    data = digits.load()
    chosen = [9, 18, 20]
    trainer = model.trainer()
    probs = model(trainer.fitted(data).test.take(np.array(chosen))["image"])

    for row in zip(*(drawn(data.test["image"][i]) for i in chosen), strict=True):
        print("   " + "     ".join(row))
    answers = [f"a {p.argmax()}, {p.max():.1%} sure" for p in probs]
    print("   " + "     ".join(f"{a:16}" for a in answers))

    accuracy = trainer.evaluate(data)["accuracy"]
    print(f"\n   {accuracy:.1%} of {len(data.test['label'])} held-out digits are right")
    return 0 if accuracy >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
