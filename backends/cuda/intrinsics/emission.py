"""Writing LLVM IR and PTX for one call of a word. A tuple is an LLVM array, as Numba holds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from netlang.backends.cuda.intrinsics.word import element_and_count, generation

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
F16, F32, F64, VOID = ir.HalfType(), ir.FloatType(), ir.DoubleType(), ir.VoidType()
TYPES: dict[str, Any] = {
    "none": VOID,
    "bool": I1,
    "i32": I32,
    "u32": I32,
    "i64": I64,
    "u64": I64,
    "f32": F32,
    "f64": F64,
}
"""LLVM types by the names of `word.py`."""
_LETTERS = {"i32": "r", "u32": "r", "i64": "l", "u64": "l", "f32": "f", "f64": "d"}
GLOBAL, SHARED = 1, 3
"""LLVM's numbers of the address spaces."""


@dataclass(frozen=True)
class Emission:
    """Where code goes: LLVM's builder, and the architecture it is for."""

    builder: Any
    architecture: str

    def since(self, architecture: str) -> bool:
        """Whether the target is at least of this generation."""
        return generation(self.architecture) >= generation(architecture)

    def tuple(self, values: Sequence[Any]) -> Any:
        """Several values of one type as one."""
        out = ir.Constant(ir.ArrayType(values[0].type, len(values)), ir.Undefined)
        for i, value in enumerate(values):
            out = self.builder.insert_value(out, value, i)
        return out

    def parts(self, value: Any) -> list[Any]:
        """The values of a tuple or of the struct that assembly returns."""
        count = len(value.type.elements) if isinstance(value.type, ir.LiteralStructType) else value.type.count
        return [self.builder.extract_value(value, i) for i in range(count)]

    def assembly(
        self, text: str, signature: str, values: Sequence[Any], *, effects: bool = False, together: bool = False
    ) -> Any:
        """PTX with operands $0, $1, ...: first the results, then the parameters, tuples spread out.

        effects    it does more than to compute its results: never removed, nor moved over memory accesses
        together   several threads take part: never moved under a condition that was not there
        """
        result, parameters = signature.rstrip(")").split("(")
        element, count = element_and_count(result)
        inputs = [i for v in values for i in (self.parts(v) if isinstance(v.type, ir.ArrayType) else [v])]
        letters = [_LETTERS[e] * n for e, n in map(element_and_count, filter(None, parameters.split(",")))]
        constraints = [] if result == "none" else ["=" + _LETTERS[element]] * count
        constraints += [*"".join(letters)] + ["~{memory}"] * effects
        kind = TYPES[element] if count == 1 else ir.LiteralStructType([TYPES[element]] * count)
        function = ir.FunctionType(kind, [i.type for i in inputs])
        attributes = ("convergent",) if together else ()
        out = self.builder.call(ir.InlineAsm(function, text, ",".join(constraints), effects), inputs, attrs=attributes)
        return self.tuple(self.parts(out)) if count > 1 else out

    def call(self, name: str, result: Any, values: Sequence[Any]) -> Any:
        """A function of libdevice or an LLVM intrinsic."""
        module = self.builder.module
        function = module.globals.get(name)
        if function is None:
            function = ir.Function(module, ir.FunctionType(result, [v.type for v in values]), name)
        return self.builder.call(function, values)

    def pointer(self, space: int, address: Any, offset: Any, kind: Any) -> Any:
        """A pointer to `kind`, `offset` bytes behind an address of this space."""
        pointer = ir.PointerType(kind, addrspace=space)
        return self.builder.inttoptr(self.builder.add(address, offset), pointer)


def assembly(text: str, signature: str, *, effects: bool = False, together: bool = False) -> Callable[..., Any]:
    """The `emit` of a word that is this PTX: see `Emission.assembly`."""
    return lambda e, *values: e.assembly(text, signature, values, effects=effects, together=together)
