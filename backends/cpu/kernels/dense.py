"""Lowering of matrix products, bare and fused with bias and activation, to the tiled kernel."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from netlang.backends.common.chain import Chain, OuterValues, read_chain
from netlang.backends.common.choices import Candidate
from netlang.backends.common.product import Product, product_of
from netlang.backends.common.steps import Arg, Buffer, Sizes, Step, evaluated
from netlang.backends.cpu.kernel import emitted
from netlang.backends.cpu.lower import LoweringContext, lowering
from netlang.backends.cpu.tiles.broadcast_tile import BroadcastTile
from netlang.backends.cpu.tiles.gemm_kernel import emit_gemm, emit_panels
from netlang.backends.cpu.tiles.gemm_table import GemmStructure, PanelTable
from netlang.backends.cpu.tiles.gemm_table import GemmTable as T
from netlang.backends.cpu.tiles.pack_kernel import PackStructure, emit_pack
from netlang.backends.cpu.tiles.pack_table import PackTable as P
from netlang.backends.cpu.tiles.shapes import channel_vectors, most_pixels
from netlang.ir.dims import Dim
from netlang.ir.graph import Node
from netlang.ir.types import DType

_FLOAT = 4
_PANEL_BYTES = 1 << 19
"""Packed rows of A that a task works on: they should stay in the second-level cache."""
_SHORT_SUM = 64
"""Inner indices up to which the result is more to move than the factors are."""
_ENOUGH_TASKS = 16
_MORE = 1.1
"""About how much longer a product takes with tiles of another width than the usual one, without padding."""
_TILE_START = 3
"""What beginning a tile costs, in halves of a row."""


def _parts(node: Node) -> tuple[Chain, Product] | None:
    chain = read_chain(node, frozenset({"matmul"}), -1)
    product = product_of(chain.main) if chain else None
    if chain is None or product is None or chain.pool or len(chain.channels) > 1:
        return None
    if len(chain.tensors) > 2 or any(v.dtype != DType.F32 for v in chain.tensors):
        return None
    return chain, product


def _fits(context: LoweringContext, node: Node) -> bool:
    return _parts(node) is not None


@lowering("matmul", "fused.dense", priority=10, match=_fits)
def tiled_product(context: LoweringContext, node: Node) -> list[Step]:
    """Pack B if it is stored the other way round or never changes, pack A, multiply."""
    parts = _parts(node)
    assert parts is not None
    chain, product = parts
    outer = OuterValues(context, node)
    a, b = (outer(v) for v in chain.main.inputs)
    structure = _structure(context, chain, product, b)
    tile = structure.tile
    steps: list[Step] = []
    groups = _groups(product, tile.vectors * tile.lanes)
    if tile.w_ordered:
        steps, b = _pack_b(context, product, tile, groups, b)
    panels = context.scratch(lambda s: _panel_bytes(product, structure, s) + 64)
    steps.append(_pack_a(product, structure, a, panels))
    out = context.buffer(node.out)
    group_bytes: Dim = tile.group_bytes
    tensors = [outer(v) for v in chain.tensors] or [out]
    numbers: dict[T, Arg] = {
        T.A: a,
        T.PANELS: panels,
        T.B: b,
        T.OUT: out,
        T.BIAS: outer(chain.channels[0]) if chain.channels else out,
        T.TENSOR: tensors[0],
        T.TENSOR_PITCH_FROM: tensors[-1],
        T.BATCH: product.batch,
        T.ROWS: product.rows,
        T.COLUMNS: product.columns,
        T.INNER: product.inner,
        T.A_BATCH: product.a_batch,
        T.HEIGHT: lambda s: _height(product, structure, s),
        T.PANEL_BATCH: lambda s: (
            _panel_bytes(product, structure, s) // max(1, evaluated(product.batch, s)) * bool(product.a_batch)
        ),
        T.B_BATCH: _packed_batch(product, tile, groups) if tile.w_ordered else product.b_batch,
        T.B_GROUP: product.inner * group_bytes if tile.w_ordered else group_bytes,
        T.B_INNER: product.columns * _FLOAT,
        T.ROW_PARTS: lambda s: _row_parts(product, structure, s),
        T.GROUP_PARTS: lambda s: _group_parts(product, structure, groups(s), s),
    }
    work = product.batch * product.rows * product.columns * product.inner
    kernel = emitted(structure.key, partial(emit_gemm, structure))
    return [*steps, Step(kernel, tuple(numbers[entry] for entry in T), (out,), lambda s: evaluated(work, s) // 8)]


def _structure(context: LoweringContext, chain: Chain, product: Product, b: Buffer) -> GemmStructure:
    target = context.target
    lanes = target.lanes(_FLOAT)
    columns = product.columns
    vectors = _vectors(context, -(-columns // lanes)) if isinstance(columns, int) else 2
    height = min(lanes, most_pixels(target, vectors))
    lower = height // 2 + 1 if not isinstance(product.rows, int) and height > 2 else 0
    if isinstance(product.rows, int) and product.rows > 1:
        blocks = -(-product.rows // height)
        height = max(2, -(-product.rows // blocks))
    fixed = context.is_fixed(b)
    tile = BroadcastTile(
        lanes,
        vectors,
        1,
        height,
        _FLOAT,
        False,
        w_ordered=product.transposed_b or fixed or not context.target.masks_are_free,
        masked=True,
        epilogue=tuple(chain.before),
        w_bytes=context.weight_bytes if fixed else _FLOAT,
    )
    return GemmStructure(tile, product.transposed_a, lower)


def _vectors(context: LoweringContext, whole: int) -> int:
    """Vectors of a tile for `whole` vectors of columns: what is usual, or what was measured to be faster."""
    usual = channel_vectors(context.target, whole)
    others = [v for v in range(1, min(usual + 1, whole, 3) + 1) if v != usual]
    costs = {usual: 1.0, **{v: _MORE * -(-whole // v) * v / whole for v in others}}
    return int(context.pick("columns", [Candidate(str(v), cost) for v, cost in costs.items()]))


def _groups(product: Product, width: int) -> Callable[[Sizes], int]:
    return lambda sizes: -(-evaluated(product.columns, sizes) // width)


def _packed_batch(product: Product, tile: BroadcastTile, groups: Callable[[Sizes], int]) -> Arg:
    """Bytes from one packed B to the next."""
    if product.b_batch == 0:
        return 0
    return lambda s: groups(s) * evaluated(product.inner, s) * tile.group_bytes


def _pack_b(
    context: LoweringContext, product: Product, tile: BroadcastTile, groups: Callable[[Sizes], int], b: Buffer
) -> tuple[list[Step], Buffer]:
    """The step that packs B into column groups, and where it puts them."""
    count: Dim = 1 if product.b_batch == 0 else product.batch

    def bytes(sizes: Sizes) -> int:
        return evaluated(count, sizes) * groups(sizes) * evaluated(product.inner, sizes) * tile.group_bytes

    packed = context.scratch(lambda s: bytes(s) + 64)
    numbers: dict[P, Arg] = {
        P.WEIGHTS: b,
        P.PACKED: packed,
        P.OPERANDS: packed,
        P.PITCH: 0,
        P.OUT_CHANNELS: 0,
        P.GROUPS: lambda s: evaluated(count, s) * groups(s),
        P.CHANNEL_GROUPS: groups,
        P.GROUP_BYTES: product.inner * tile.group_bytes,
        P.GROUP_IN: product.inner,
        P.GROUP_OUT: product.columns,
        P.TAPS_DOWN: 1,
        P.TAPS_ACROSS: 1,
        P.STRIDE_GROUP: product.inner * product.columns,
        P.STRIDE_OUT: product.inner if product.transposed_b else 1,
        P.STRIDE_IN: 1 if product.transposed_b else product.columns,
        P.STRIDE_DOWN: 0,
        P.STRIDE_ACROSS: 0,
    }
    structure = PackStructure(tile.lanes, tile.vectors, 0, tile.w_bytes)
    kernel = emitted(f"pack:{structure}", partial(emit_pack, structure))
    args = tuple(numbers[entry] for entry in P if entry is not P.COUNT)
    return [Step(kernel, args, (packed,), lambda s: bytes(s) // tile.w_bytes)], packed


def _height(product: Product, structure: GemmStructure, sizes: Sizes) -> int:
    """Rows of A in a tile: of the two heights that a kernel for any number of rows has, the one that wastes less."""
    heights = [h for h in (structure.tile.columns, structure.lower) if h]
    rows = evaluated(product.rows, sizes)
    return min(heights, key=lambda h: -(-rows // h) * (2 * h + _TILE_START))


def _blocks(product: Product, structure: GemmStructure, sizes: Sizes) -> int:
    return -(-evaluated(product.rows, sizes) // _height(product, structure, sizes))


def _block_bytes(product: Product, structure: GemmStructure, sizes: Sizes) -> int:
    return evaluated(product.inner, sizes) * structure.tile.lanes * _FLOAT


def _panel_bytes(product: Product, structure: GemmStructure, sizes: Sizes) -> int:
    """Bytes of all panels of A; a single row needs none."""
    if evaluated(product.rows, sizes) == 1:
        return 0
    count = 1 if product.a_batch == 0 else evaluated(product.batch, sizes)
    return count * _blocks(product, structure, sizes) * _block_bytes(product, structure, sizes)


def _pack_a(product: Product, structure: GemmStructure, a: Buffer, panels: Buffer) -> Step:
    t = PanelTable
    numbers: dict[PanelTable, Arg] = {
        t.A: a,
        t.PANELS: panels,
        t.BATCH: 1 if product.a_batch == 0 else product.batch,
        t.ROWS: product.rows,
        t.INNER: product.inner,
        t.A_BATCH: product.a_batch,
        t.HEIGHT: lambda s: _height(product, structure, s),
    }
    shape = (structure.tile.lanes, structure.transposed)
    kernel = emitted(f"panels:{shape}", partial(emit_panels, *shape))
    args = tuple(numbers[entry] for entry in t)
    return Step(kernel, args, (panels,), lambda s: _panel_bytes(product, structure, s) // _FLOAT)


def _row_parts(product: Product, structure: GemmStructure, sizes: Sizes) -> int:
    """Parts of the row blocks whose panels fit into the cache. Where sums are short, writing the result is what takes
    time: then each block is a part, and its rows are written from end to end."""
    blocks = _blocks(product, structure, sizes)
    inner, columns = evaluated(product.inner, sizes), evaluated(product.columns, sizes)
    if inner <= _SHORT_SUM and inner * columns * _FLOAT <= _PANEL_BYTES * 2:
        return blocks
    panel = _block_bytes(product, structure, sizes)
    return max(1, min(blocks, -(-blocks * panel // _PANEL_BYTES)))


def _group_parts(product: Product, structure: GemmStructure, groups: int, sizes: Sizes) -> int:
    tasks = evaluated(product.batch, sizes) * _row_parts(product, structure, sizes)
    return max(1, min(groups, -(-_ENOUGH_TASKS // max(1, tasks))))
