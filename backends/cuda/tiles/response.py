"""Source of local response normalisation, its gradient, and the pool after it: a thread for some channels of a pixel.

Neighbouring threads read neighbouring pixels. A thread goes over RUN channels, so that what their windows share is read
once: `size - 1` channels more than it writes, and in the gradient twice as many.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles import rows
from netlang.backends.cuda.tiles.numbers import computed, load, store
from netlang.backends.cuda.tiles.pool import Pool
from netlang.backends.cuda.tiles.text import Text
from netlang.backends.cuda.tiles.windows import corner, counted, each_tap, split
from netlang.ir.types import DType

RUN = 8
"""Channels of a thread."""
MOST_CHANNELS = 16
"""Windows of at most so many channels are written out."""


@dataclass(frozen=True)
class Response:
    """The attributes of `local_response_norm`: x / (k + alpha / size * sum)^beta; the element type; whether it is the
    gradient, or what pool follows (whose own element type and positions hold)."""

    size: int
    alpha: float
    beta: float
    k: float
    dtype: str
    gradient: bool = False
    pool: Pool | None = None

    @property
    def before(self) -> int:
        """Channels of a window before its own."""
        return self.size // 2

    @property
    def after(self) -> int:
        return (self.size - 1) // 2

    @property
    def key(self) -> str:
        numbers = f"{self.size},{self.alpha!r},{self.beta!r},{self.k!r}:{self.dtype}"
        return f"response:{numbers}{':gradient' * self.gradient}{f':{self.pool.key}' if self.pool else ''}"

    @property
    def addresses(self) -> list[str]:
        """The addresses among the arguments, in order."""
        further = ["dy"] if self.gradient else []
        return ["x", *further, "out", *(["positions"] if self.pool and self.pool.kind == "switch" else [])]


def response_kernel(response: Response, threads: int = rows.THREADS) -> Kernel:
    """Arguments: `response.addresses`, channels, runs of channels, pixels of the map, bytes from image to image of x
    and of the result; with a pool sizes of map and result; then those of `rows`, whose rows are runs of channels."""
    pool = response.pool
    arguments = "p" * len(response.addresses) + "iiill" + ("ii" * pool.geometry.rank if pool else "") + rows.ARGUMENTS
    return Kernel(f"{response.key}:{threads}", partial(_source, response, threads), arguments, threads)


def _source(response: Response, threads: int) -> str:
    t, pool, size = Text(), response.pool, DType(response.dtype).size
    sizes = [*pool.geometry.names("in"), *pool.geometry.names("out")] if pool else []
    names = [*response.addresses, "channels", "runs", "pixels", "x_image", "out_image", *sizes]
    rows.head(t, names, threads)
    t("image = i32(div_u32(u32(row), u32(runs)))", f"first = i32(i32(row - i32(image * runs)) * i32({RUN}))")
    t("x = x + u64(i64(image) * x_image)")
    if response.gradient:
        t(f"dy = dy + u64(i64(image) * i64(channels) * i64(pixels) * i64({size}))")
    t(f"out = out + u64(i64(image) * out_image + i64(first) * i64(width) * i64({size}))")
    if pool and pool.kind == "switch":
        bytes = DType(pool.positions).size
        t(f"positions = positions + u64((i64(image) * i64(channels) + i64(first)) * i64(width) * i64({bytes}))")
    if response.gradient:
        _gradient(t, response)
    elif pool is None:
        _normalised(t, response, "place")
        _stored(t, response, [f"y{r}" for r in range(RUN)])
    else:
        _pooled(t, response, pool)
    return str(t)


def _loaded(t: Text, response: Response, name: str, address: str, before: int, after: int, place: str) -> None:
    """`name` of the channels from `before` before the first of the run to `after` behind its last: values of a pixel,
    zero where there is no channel. `name`m2 is two before the first."""
    number = computed(response.dtype)
    for c in range(-before, RUN + after):
        where = f"i32(first + i32({c}))"
        own = _of(name, c)
        t(f"{own} = {number}(0)")
        with t.block(f"if u32({where}) < u32(channels):"):
            t(f"{own} = {load(f'{address} + u64(u32({where})) * plane', place, response.dtype)}")


def _of(name: str, channel: int) -> str:
    return f"{name}{channel}" if channel >= 0 else f"{name}m{-channel}"


def _divisors(t: Text, response: Response, before: int, after: int) -> None:
    """d: of the channels from `before` before the run on, k + alpha / size * the sum of squares around."""
    number = computed(response.dtype)
    for c in range(-before - response.before, RUN + after + response.after):
        t(f"{_of('s', c)} = {_of('x', c)} * {_of('x', c)}")
    for c in range(-before, RUN + after):
        total = " + ".join(_of("s", j) for j in range(c - response.before, c + response.after + 1))
        t(f"{_of('d', c)} = {number}({response.k!r}) + {number}({response.alpha / response.size!r}) * ({total})")


def _power(t: Text, response: Response, base: str, power: str) -> None:
    """power = base^beta, for bases of at least 0: by square roots where beta is up to two and a half in quarters, as in
    the usual 0.75."""
    number, quarters = computed(response.dtype), response.beta * 4
    if quarters != int(quarters) or quarters > 10:
        t(f"{power} = pow_{number}({base}, {number}({response.beta!r}))")
        return
    whole, rest = divmod(int(quarters), 4)
    factors = [base] * whole
    if rest:
        t(f"root = sqrt_{number}({base})")
        factors += ["root"] if rest & 2 else []
        factors += [f"sqrt_{number}(root)"] if rest & 1 else []
    t(f"{power} = {' * '.join(factors) or f'{number}(1)'}")


def _normalised(t: Text, response: Response, place: str) -> None:
    """y0, y1, ...: the channels of the run at a pixel."""
    t(f"plane = u64(u32(pixels)) * u64({DType(response.dtype).size})")
    _loaded(t, response, "x", "x", response.before, response.after, place)
    _divisors(t, response, 0, 0)
    for r in range(RUN):
        _power(t, response, f"d{r}", "power")
        t(f"y{r} = x{r} / power")


def _stored(t: Text, response: Response, values: list[str]) -> None:
    """The channels of the run that there are, one pitch of `width` after the other."""
    size = DType(response.dtype).size
    for r, value in enumerate(values):
        with t.block(f"if i32(first + i32({r})) < channels:"):
            t(store(f"out + u64(u32(width)) * u64({r * size})", "place", response.dtype, value))


def _gradient(t: Text, response: Response) -> None:
    """direct - factor * x * (the sum of direct * x / d over the channels whose windows hold this one), where direct is
    dy / d^beta."""
    before, after, number = response.before, response.after, computed(response.dtype)
    t(f"plane = u64(u32(pixels)) * u64({DType(response.dtype).size})")
    _loaded(t, response, "x", "x", after + before, before + after, "place")
    _loaded(t, response, "g", "dy", after, before, "place")
    _divisors(t, response, after, before)
    for c in range(-after, RUN + before):
        t(f"{_of('s', c)} = {number}(0)")
        # A channel that is not there has no share, even where the divisor is zero.
        with t.block(f"if u32(first + i32({c})) < u32(channels):"):
            _power(t, response, _of("d", c), "power")
            t(f"{_of('g', c)} = {_of('g', c)} / power")
            t(f"{_of('s', c)} = {_of('g', c)} * {_of('x', c)} / {_of('d', c)}")
    factor = 2 * response.alpha * response.beta / response.size
    for r in range(RUN):
        shared = " + ".join(_of("s", j) for j in range(r - after, r + before + 1))
        t(f"y{r} = g{r} - {number}({factor!r}) * x{r} * ({shared})")
    _stored(t, response, [f"y{r}" for r in range(RUN)])


# ---- with the pool after it


def _pooled(t: Text, response: Response, pool: Pool) -> None:
    """A thread for some channels of a window: its taps are normalised one after the other, which takes less than
    reading and writing a map would."""
    number, g = computed(response.dtype), pool.geometry
    split(t, "place", "o", g.names("out"))
    corner(t, g)
    for r in range(RUN):
        t(f"best{r} = {number}({'-1e999' if pool.kind in ('max', 'switch') else '0'})", f"chosen{r} = i32(-1)")

    def take(tap: str, place: str) -> None:
        _normalised(t, response, place)
        for r in range(RUN):
            if pool.kind == "max":
                t(f"best{r} = max_{number}(best{r}, y{r})")
            elif pool.kind == "switch":
                with t.block(f"if chosen{r} < i32(0) or (best{r} == best{r} and not (y{r} <= best{r})):"):
                    t(f"best{r} = y{r}", f"chosen{r} = {tap}")
            else:
                t(f"best{r} = best{r} + y{r}")

    each_tap(t, g, take, most=1)
    if pool.kind == "mean":
        t(f"share = {counted(t, g, pool.padded, number)}")
        for r in range(RUN):
            t(f"best{r} = best{r} / share")
    _stored(t, response, [f"best{r}" for r in range(RUN)])
    if pool.kind == "switch":
        for r in range(RUN):
            with t.block(f"if i32(first + i32({r})) < channels:"):
                address = f"positions + u64(u32(width)) * u64({r * DType(pool.positions).size})"
                t(store(address, "place", pool.positions, f"max_i32(chosen{r}, i32(0))"))
