"""Nests with few and long units: what is reduced is cut into chunks, each the work of a block, so that all of a GPU
takes part.

Reductions that depend on no others come first: one launch leaves every chunk's results, the next one adds those up, in
their order. Then those that depend on these, and so on. What is left is a loop without reductions, which reads what
has been computed of them. The number of chunks follows from usual sizes and from the GPU that code is made for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from netlang.backends.common.element import BYTES, register_name
from netlang.backends.common.nest import SOURCES, Axis, Nest, Operand, code_of
from netlang.backends.common.nest_build import row_major
from netlang.backends.common.nest_pieces import Instead, loaded, partial_total, piece, usual
from netlang.backends.common.steps import Number, Scratch
from netlang.backends.common.sweeps import cone, plan_sweeps
from netlang.backends.cuda.nest_shape import Tiling, length_of, units_of
from netlang.backends.cuda.target import CudaTarget
from netlang.ir.dims import Dim, size

_STEPS = 16
"""Elements, or vectors, that every thread of a chunk adds up at least."""
_LARGE = 1 << 20
"""Elements from which several launches are worth it where reductions depend on others."""
_MOST = 256


@dataclass(frozen=True)
class Piece:
    """A nest, and into how many chunks its units are cut; their results are stored chunk by chunk."""

    nest: Nest
    chunks: int = 1


def chunks_of(target: CudaTarget, nest: Nest, tiling: Tiling) -> int:
    """Into how many chunks a collapsed nest's units are cut; 1 where all of the GPU takes part anyway."""
    if target.small or not any(a.reduced for a in nest.axes):
        return 1
    plan = plan_sweeps(code_of(nest), expensive=())
    length, units = usual(length_of(nest, tiling)), usual(units_of(nest, tiling))
    if (plan.sweeps > 1 or any(plan.stores)) and length * units * tiling.lanes < _LARGE:
        return 1
    blocks = -(-units // tiling.units)
    if blocks >= target.multiprocessors:
        return 1
    wanted = min(4 * target.multiprocessors // max(1, blocks), length // (tiling.reducers * _STEPS), _MOST)
    return 1 << (wanted.bit_length() - 1) if wanted > 1 else 1


def split(nest: Nest, chunks: int, scratch: Callable[[Number], Scratch]) -> list[Piece]:
    """A collapsed nest in pieces, to be carried out in order."""
    return _Split(nest, chunks, scratch).pieces()


class _Split:
    def __init__(self, nest: Nest, chunks: int, scratch: Callable[[Number], Scratch]) -> None:
        self.nest, self.chunks, self.scratch = nest, chunks, scratch
        self.code = code_of(nest)
        self.plan = plan_sweeps(self.code, expensive=())
        self.kept = [i for i, a in enumerate(nest.axes) if not a.reduced]
        self.units = size(nest.axes[i].size for i in self.kept)
        self.known: dict[int, Operand] = {}
        """What has been computed for units so far, with strides along all axes."""

    def pieces(self) -> list[Piece]:
        found: list[Piece] = []
        levels = [r for r in self.plan.reductions if r]
        elements = [self.nest.stores[s] for stores in self.plan.stores for s in stores]
        for reductions in levels:
            partial = {r: self._operand(r, self.chunks) for r in reductions}
            found.append(self._chunks(partial))
            last = reductions is levels[-1]
            kept = {i: self._operand(i, 1) for i in (self._asked(elements) if last else reductions)}
            targets = [(o, i) for i, o in kept.items()]
            targets += [self.nest.stores[s] for s in self.plan.final] if last else []
            found.append(self._combined(partial, targets))
            self.known.update(kept)
        if elements:
            axes = [(Axis(a.size, False), i) for i, a in enumerate(self.nest.axes)]
            found.append(Piece(piece(self.nest, axes, elements, self._read(self.known))))
        return found

    def _asked(self, elements: Sequence[tuple[Operand, int]]) -> list[int]:
        """What is computed once for a unit and results along its elements are made of directly."""
        fixed = {i for i, is_fixed in enumerate(self.plan.fixed) if is_fixed}
        found = cone(self.code, [i for _, i in elements], stop=fixed) & fixed
        return sorted(i for i in found if self.nest.instructions[i].op not in SOURCES)

    def _operand(self, position: int, chunks: int) -> Operand:
        """Memory for so many of an instruction's values of every unit, chunk after chunk."""
        dtype = register_name(self.nest.instructions[position].dtype)
        inner = iter(row_major([self.nest.axes[i].size for i in self.kept]))
        strides = tuple(0 if axis.reduced else next(inner) for axis in self.nest.axes)
        return Operand(self.scratch(self.units * chunks * BYTES[dtype]), dtype, strides)

    def _chunks(self, partial: Mapping[int, Operand]) -> Piece:
        """Every chunk's results of some reductions."""
        axes = [(axis, i) for i, axis in enumerate(self.nest.axes)]
        targets = [(o, r) for r, o in partial.items()]
        return Piece(piece(self.nest, axes, targets, self._read(self.known)), self.chunks)

    def _combined(self, partial: Mapping[int, Operand], targets: Sequence[tuple[Operand, int]]) -> Piece:
        """What is computed of the chunks' results."""
        axes = [(Axis(self.chunks, True), None), *((self.nest.axes[i], i) for i in self.kept)]
        instead = self._read({r: self._of_units(o) for r, o in self.known.items()})
        for r, o in partial.items():
            instead[r] = partial_total(self.nest.instructions[r], self._of_units(o, self.units))
        return Piece(piece(self.nest, axes, [(self._of_units(o), i) for o, i in targets], instead))

    def _of_units(self, operand: Operand, chunk: Dim = 0) -> Operand:
        """An operand along the chunks, so many elements apart, and the kept axes."""
        return replace(operand, strides=(chunk, *(operand.strides[i] for i in self.kept)))

    def _read(self, operands: Mapping[int, Operand]) -> dict[int, Instead]:
        return {r: loaded(o) for r, o in operands.items()}
