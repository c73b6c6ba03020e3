"""Which convolutions Winograd's transforms may carry out: of the right kind, and as far as they round little enough."""

from __future__ import annotations

from math import sqrt

from netlang.backends.common.conv_problem import ConvProblem
from netlang.backends.common.gradient_problem import GradientProblem

MOST_ERROR = 5e-5
"""Relative to the largest result, what a transform's rounding may be expected to cost."""
ERROR = {(2, 3): 6e-8, (4, 3): 1.1e-6, (2, 5): 8e-7}
"""Measured for F(m, taps) on 16 to 2048 channels with inputs normal, after a ReLU and all positive: the largest error
of a layer is at most this times sqrt(input channels). (Of the plain sum: about 1e-7; F(2, 3) is more exact.)"""
GRADIENT_ERROR = {4: 5e-6, 2: 8e-6}
"""Measured by m for gradients by the weights on x and dy normal, after a ReLU and all positive, on 1000 to 50000
pixels: the largest error of a layer. (Of the plain sum: about 4e-7.) Channels and pixels do not change it."""


def exact_enough(problem: ConvProblem, m: int) -> bool:
    """Whether F(m x m, taps x taps) is expected to round little enough."""
    return ERROR[m, problem.kernel[0]] * sqrt(problem.channels) <= MOST_ERROR


def suitable(problem: ConvProblem) -> bool:
    """Whether it is a convolution of the kind that Winograd's transforms are for."""
    plain = problem.stride == problem.dilation == (1, 1) and problem.groups == 1 and not problem.phased
    return plain and problem.kernel in ((3, 3), (5, 5))


def gradient_transform(problem: GradientProblem) -> int:
    """m of the transform that a gradient by the weights may be carried out by, 0 where there is none."""
    plain = problem.stride == problem.dilation == (1, 1) and problem.groups == 1
    m = {(3, 3): 4, (5, 5): 2}.get(problem.kernel, 0) if plain else 0
    return m if m and GRADIENT_ERROR[m] <= MOST_ERROR else 0
