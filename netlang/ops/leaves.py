"""Ops without tensor inputs: inputs, parameters, constants, sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netlang.ir.graph import Attrs
from netlang.ir.opdef import REQUIRED, Array, OpDef, ShapeError, Types, define
from netlang.ir.types import DType, TensorType


def _given(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    raise ShapeError("inputs and parameters carry their type; they are not inferred")


def _no_meaning(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    raise AssertionError("the executor supplies inputs and parameters")


define(OpDef("input", "A tensor given at each call.", _given, _no_meaning, arity=(0, 0), traits=frozenset({"leaf"})))

define(
    OpDef(
        "param",
        "A tensor kept between calls: a weight, a fixed filter, running statistics, an optimiser's state.",
        _given,
        _no_meaning,
        attrs={"role": REQUIRED, "init": REQUIRED},
        arity=(0, 0),
        traits=frozenset({"leaf"}),
    )
)

define(
    OpDef(
        "const",
        "A constant tensor.",
        infer=lambda types, attrs: (TensorType(DType.of(attrs["value"].dtype), attrs["value"].shape),),
        meaning=lambda arrays, attrs, types: (attrs["value"],),
        attrs={"value": REQUIRED},
        arity=(0, 0),
        traits=frozenset({"leaf"}),
    )
)

define(
    OpDef(
        "extent",
        "The size of a dimension as a scalar: the number a symbolic `N` stands for in this call.",
        infer=lambda types, attrs: (TensorType(attrs["dtype"], ()),),
        meaning=lambda arrays, attrs, types: (np.asarray(attrs["dim"], np.int64).astype(types[0].dtype.numpy),),
        attrs={"dim": REQUIRED, "dtype": DType.F32},
        arity=(0, 0),
        traits=frozenset({"leaf"}),
    )
)
