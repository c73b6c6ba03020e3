"""An ONNX graph in the making."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import NodeProto, helper, numpy_helper

from netlang.interchange.exporting.names import Names
from netlang.ir.opdef import Array


class Sheet:
    """Operators in order, each after what it reads, which are named by what they make.

    The body of a loop is a sheet inside another one. Bodies read values around them by name, so constants and sizes
    stand on the outermost sheet, once.
    """

    def __init__(self, names: Names, around: Sheet | None = None) -> None:
        self.names = names
        self.outermost: Sheet = around.outermost if around else self
        self.nodes: list[NodeProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def op(
        self, kind: str, *inputs: str, path: str = "", outputs: int = 1, domain: str = "", **attrs: Any
    ) -> list[str]:
        """Add an operator; returns the names of what it makes. `""` stands for an input that is left out.

        Attributes that are None are left out.
        """
        made = [self.names.fresh(f"{path}/{kind}") for _ in range(outputs)]
        given = {key: value for key, value in attrs.items() if value is not None}
        self.nodes.append(helper.make_node(kind, list(inputs), made, name=made[0], domain=domain, **given))
        return made

    def constant(self, array: Array, name: str = "/constant") -> str:
        """The name of a constant; equal ones are one."""
        if self is not self.outermost:
            return self.outermost.constant(array, name)
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.named_constant(array, self.names.fresh(name))
        return self._constants[key]

    def named_constant(self, array: Array, name: str) -> str:
        """A constant of its own, called `name`, which must have been taken."""
        tensor = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape))
        self.nodes.append(helper.make_node("Constant", [], [name], name=name, value=tensor))
        return name

    def rename(self, old: str, new: str, since: int) -> None:
        """Call a value otherwise, in all operators from number `since` on, which are all that have it."""
        for node in self.nodes[since:]:
            for names in (node.input, node.output):
                for i, name in enumerate(names):
                    if name == old:
                        names[i] = new
            if node.name == old:
                node.name = new
