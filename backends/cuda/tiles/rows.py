"""One thread for each element of a result that is `rows` rows of `width` elements.

Short rows share a block, so that few threads idle, and long ones are cut. Inside its row a thread computes with 32
bits; 64 are needed only where the row's address is found. A kernel's text begins with `head`, its arguments end with
those of this module, which `launch` gives it.
"""

from __future__ import annotations

from collections.abc import Sequence

from netlang.backends.common.steps import Arg, Buffer, Number, Sizes, evaluated
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles.text import Text
from netlang.diagnostics import NetError
from netlang.ir.dims import Dim

THREADS = 256
_NAMES = ("rows", "width", "together", "chunks")
ARGUMENTS = "i" * len(_NAMES)
_MOST = (1 << 31) - 1


def head(t: Text, names: Sequence[str], threads: int) -> None:
    """The head of a kernel with the arguments `names` before those of this module: finds `row` and, in it, `place`."""
    t.open(f"def kernel({', '.join((*names, *_NAMES))}):")
    t("group = div_u32(u32(block_x()), u32(chunks))")
    t("chunk = u32(u32(block_x()) - u32(group * u32(chunks)))")
    t(f"local = u32(u32(chunk * u32({threads})) + u32(thread()))")
    t("among = div_u32(local, u32(width))")
    t("row = i32(u32(u32(group * u32(together)) + among))")
    t("place = u32(local - u32(among * u32(width)))")
    with t.block("if among >= u32(together) or row >= rows:"):
        t("return")


def launch(
    kernel: Kernel,
    args: Sequence[Arg],
    rows: Number,
    width: Number,
    writes: Sequence[Buffer],
    work: Number,
    within: Sequence[Dim] = (),
) -> Launch:
    """The step of a kernel whose text begins with `head`. `within`: see `countable`."""
    threads = kernel.threads

    def together(sizes: Sizes) -> int:
        return max(1, threads // max(1, evaluated(width, sizes)))

    def chunks(sizes: Sizes) -> int:
        return -(-together(sizes) * evaluated(width, sizes) // threads)

    def blocks(sizes: Sizes) -> int:
        return -(-evaluated(rows, sizes) // together(sizes)) * chunks(sizes)

    numbers: tuple[Arg, ...] = (countable(rows, within), width, together, chunks)
    return Launch(kernel, (*args, *numbers), tuple(writes), work, grid=(blocks, 1, 1))


def countable(number: Number, within: Sequence[Dim]) -> Number:
    """A number that raises NetError where one of `within` is more than 32 bits can count: elements in which a thread
    finds its way by int32, such as those of a plane."""

    def checked(sizes: Sizes) -> int:
        for elements in within:
            found = evaluated(elements, sizes)
            if found > _MOST:
                raise NetError(
                    f"{found:,} elements in one line or plane of a tensor are more than a kernel on a GPU can count",
                    hint=f"up to {_MOST:,} can be; the whole tensor may have more",
                )
        return evaluated(number, sizes)

    return checked if within else number
