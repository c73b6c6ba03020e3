"""Three ways to change pictures so that a classifier errs. All take the attacked model, the net `attack` with weights.

Pictures are [n, 1, h, w] in 0 ... 1 and stay there.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

import netlang

Array = NDArray[Any]


def one_step(attack: netlang.Model, image: Array, label: Array, size: float) -> Array:
    """Every pixel by `size` in the direction in which the loss grows (Goodfellow, Shlens & Szegedy 2015)."""
    return moved(image, np.sign(attack(image, label)["gradient"]), size)


def iterative(attack: netlang.Model, image: Array, label: Array, size: float, steps: int = 20) -> Array:
    """Many small steps of that kind, never further than `size` from the picture (Kurakin, Goodfellow & Bengio 2017)."""
    changed = image
    for _ in range(steps):
        further = moved(changed, np.sign(attack(changed, label)["gradient"]), 2.5 * size / steps)
        changed = np.clip(further, image - size, image + size)
    return changed


def moved(image: Array, direction: Array, size: float) -> Array:
    """The pictures a step on, within 0 ... 1."""
    return np.clip(image + np.float32(size) * direction, 0, 1).astype(np.float32)


def searched(attack: netlang.Model, image: Array, wanted: int, tries: int = 8) -> Array | None:
    """The smallest change found that makes one picture [1, h, w] the class `wanted`; None where none was found.

    Szegedy et al. (2014): minimise c |r|^2 + loss(x + r, wanted) over the box 0 <= x + r <= 1 by L-BFGS-B, and look for
    the largest c that still succeeds; here by bisection of its logarithm.
    """
    start, best = image.ravel().astype(np.float64), None
    low, high = -3.0, 2.0
    for _ in range(tries):
        power = (low + high) / 2
        found = _minimised(attack, start, image.shape, wanted, 10.0**power)
        if attack(found[None], np.array([wanted]))["probs"].argmax() == wanted:
            best, low = found, power
        else:
            high = power
    return best


def _minimised(attack: netlang.Model, start: Array, shape: tuple[int, ...], wanted: int, weight: float) -> Array:
    """x + r where weight |r|^2 + loss(x + r, wanted) is least."""
    label = np.array([wanted])

    def objective(flat: Array) -> tuple[float, Array]:
        answer = attack(flat.reshape(1, *shape).astype(np.float32), label)
        change = flat - start
        gradient = 2 * weight * change + answer["gradient"].ravel().astype(np.float64)
        return weight * float(change @ change) + float(answer["losses"][0]), gradient

    found = minimize(
        objective, start, jac=True, method="L-BFGS-B", bounds=[(0, 1)] * len(start), options={"maxiter": 60}
    )
    return found.x.reshape(shape).astype(np.float32)


def change(image: Array, changed: Array) -> Array:
    """The root of the mean squared change of each picture's pixels."""
    return np.sqrt(((changed - image) ** 2).mean(axis=(1, 2, 3)))
