"""autodiff: add the gradient of the loss by every weight to a graph.

Before                                  After
    outputs: loss                           outputs: loss, grad.fc.weight, grad.fc.bias

The chain rule itself is `netlang.ir.gradient`.
"""

from __future__ import annotations

from netlang.ir.build import Builder
from netlang.ir.gradient import ORIGIN, gradients
from netlang.ir.graph import Graph, Value
from netlang.ir.module import LOSS

WEIGHT = "weight"


def differentiate(graph: Graph, loss: str = LOSS) -> Graph:
    """`graph` with an output `grad.<param>` of the param's type for every param of role `weight`.

    `loss` names a float output of one element. Raises KeyError where there is no such output and ShapeError where it
    cannot be differentiated.
    """
    value = dict(graph.outputs)[loss]
    params = weights(graph)
    make = Builder(value.node.spans, value.node.name, ORIGIN)
    found = gradients(value, params, make)
    added = tuple((f"grad.{p.node.name}", g) for p, g in zip(params, found, strict=True))
    return graph.replace(outputs=graph.outputs + added)


def weights(graph: Graph) -> tuple[Value, ...]:
    """The params that training changes."""
    return tuple(p for p in graph.params if p.node.attrs["role"] == WEIGHT)
