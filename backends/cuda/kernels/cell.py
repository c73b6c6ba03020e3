"""Lowering of cells, the steps of recurrent layers: a product with weights and all that follows it, in one launch."""

from __future__ import annotations

from collections.abc import Callable

from netlang.backends.common.cell import KIND, viewed
from netlang.backends.common.placed_cell import PlacedCell, is_cell, part_address, placed_cell
from netlang.backends.common.steps import Arg, Number, Sizes, evaluated
from netlang.backends.cuda.lower import LoweringContext, lowering
from netlang.backends.cuda.product_costs import thin_seconds, tiled_seconds
from netlang.backends.cuda.product_tiles import tiles
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles.cell import CellKernel, TiledSums
from netlang.backends.cuda.tiles.matrix_copies import Kind, padded
from netlang.backends.cuda.tiles.thin import Thin
from netlang.backends.cuda.ways import Way, best_way
from netlang.ir.graph import Node, Value

_LEAST_UNITS = 4
"""Of a tile."""
_THIN_ROWS = 16
"""More rows than that are no case for thin sums."""
_ROWS_AT_ONCE = (1, 4)
_THIN_COLUMNS = 16
"""More columns than that take too many registers, with four rows."""


@lowering(f"fused.{KIND}", match=is_cell)
def cell(context: LoweringContext, node: Node) -> list[Launch]:
    """One launch, whose sums are those of tiles or thin ones."""
    placed = _Launching(placed_cell(context, node))
    found = placed.cell
    numbers = len(found.numbers)
    if found.main is None:
        threads = 32 if context.target.small else 128
        return [placed.launch(CellKernel(found.code, numbers, None, threads))]
    return best_way(context, "cell", _ways(context, placed, numbers), (found.rows,))


class _Launching:
    """Launches of a cell."""

    def __init__(self, placed: PlacedCell) -> None:
        self.placed, self.cell = placed, placed.cell

    def launch(self, kernel: CellKernel) -> Launch:
        found, product, args = self.cell, self.factors, list[Arg]()
        if product is not None:
            a, b, _, _ = product
            args += [self.placed.inputs[viewed(a)], self.placed.inputs[viewed(b)]]
        parts = self.placed.parts
        for operand, (buffer, part) in zip(kernel.operands, parts, strict=True):
            args.append(part_address(buffer, part, operand.dtype))
        groups = -(-found.units // kernel.units)
        args += [found.rows, found.units, groups]
        work: Number = found.rows * found.units * len(found.code.instructions)
        if product is not None:
            _, _, inner, columns = product
            args += [inner, inner, columns]
            work = found.rows * found.units * (inner * found.code.sums + len(found.code.instructions))
        args += found.numbers
        args += [part.pitch for operand, (_, part) in zip(kernel.operands, parts, strict=True) if operand.rows]

        def blocks(sizes: Sizes) -> int:
            return groups * -(-evaluated(found.rows, sizes) // kernel.rows)

        return Launch(kernel.kernel, tuple(args), tuple(self.placed.results.values()), work, grid=(blocks, 1, 1))

    @property
    def factors(self) -> tuple[Value, Value, int, int] | None:
        """A, B, K, and the numbers in a line of B."""
        main = self.cell.main
        if main is None:
            return None
        a, b = main.inputs
        lines, columns = b.shape
        assert isinstance(lines, int) and isinstance(columns, int)
        return a, b, columns if main.attrs["transpose_b"] else lines, columns

    @property
    def along(self) -> bool:
        """Whether B has its numbers of k side by side."""
        assert self.cell.main is not None
        return bool(self.cell.main.attrs["transpose_b"])


def _ways(context: LoweringContext, placed: _Launching, numbers: int) -> list[Way]:
    """Tiles, and thin sums for few rows."""
    found, product = placed.cell, placed.factors
    assert product is not None
    _, _, inner, _ = product
    gates, rows = found.code.sums, found.rows
    wide: Kind = "wide" if inner % 4 == 0 else "rows"

    def sizes_of(columns: int) -> Callable[[Sizes], tuple[int, int, int, int]]:
        return lambda sizes: (1, max(1, evaluated(rows, sizes)), columns, inner)

    def way(name: str, kernel: CellKernel, cost: Callable[[Sizes], float]) -> Way:
        return Way(name, cost, lambda needed: [placed.launch(kernel)])

    made: list[Way] = []
    for tile in tiles(context.target, context.precision):
        if tile.columns // padded(gates) < _LEAST_UNITS:
            continue
        sums = TiledSums(tile, wide, wide if placed.along else "columns")
        shape = sizes_of(found.units * padded(gates))
        kernel = CellKernel(found.code, numbers, sums)
        made.append(way(tile.key, kernel, lambda s, t=tile, c=shape: tiled_seconds(context.target, c(s), t)))  # type: ignore[misc]
    for count in _ROWS_AT_ONCE:
        if isinstance(rows, int) and (rows > _THIN_ROWS or (count == 1) != (rows == 1)):
            continue
        thin = _thin(context, placed, count, inner)
        if count * thin.columns * (1 if thin.along else thin.vector) > 4 * _THIN_COLUMNS:
            continue
        shape = sizes_of(found.units * gates)
        kernel = CellKernel(found.code, numbers, thin)
        made.append(way(thin.key, kernel, lambda s, t=thin, c=shape: thin_seconds(context.target, c(s), t)))  # type: ignore[misc]
    return made


def _thin(context: LoweringContext, placed: _Launching, count: int, inner: int) -> Thin:
    """Warps of a block, and how they share the work."""
    gates, warps = placed.cell.code.sums, 2 if context.target.small else 8
    if not placed.along:
        return Thin(count, False, 4 if placed.cell.units % 4 == 0 else 1, warps, warps, gates)
    vector, parts = 4 if inner % 4 == 0 else 1, 1
    while parts < warps and inner >= 2 * parts * 32 * vector:
        parts *= 2
    return Thin(count, True, vector, warps, parts, gates)
