"""What a net takes and gives, and the arrays at that border: what callers hand in becomes what compiled code may read,
and sizes are bound to names. Needs NumPy alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from netlang.diagnostics import NetError, did_you_mean
from netlang.ir import dims
from netlang.ir.dims import Shape, shape_text

Array = np.ndarray[Any, np.dtype[Any]]

_ELEMENTS = {
    "bool": np.dtype(np.bool_),
    "u8": np.dtype(np.uint8),
    "i8": np.dtype(np.int8),
    "u16": np.dtype(np.uint16),
    "i16": np.dtype(np.int16),
    "u32": np.dtype(np.uint32),
    "i32": np.dtype(np.int32),
    "u64": np.dtype(np.uint64),
    "i64": np.dtype(np.int64),
    "f16": np.dtype(np.float16),
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
}
_NAMES = {dtype: name for name, dtype in _ELEMENTS.items()}


def dtype_of(name: str) -> np.dtype[Any]:
    """NumPy's type of an element type; bfloat16 is its bits where `ml_dtypes` is not installed."""
    if name != "bf16":
        return _ELEMENTS[name]
    try:
        import ml_dtypes
    except ImportError:
        return np.dtype(np.uint16)
    found: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return found


def dtype_name(dtype: np.dtype[Any]) -> str:
    """`f32` where netlang knows the element type, else NumPy's own name."""
    return _NAMES.get(dtype) or {"bfloat16": "bf16"}.get(str(dtype), str(dtype))


class Port(NamedTuple):
    """An input or output: its name, the name of its element type, its shape."""

    name: str
    dtype: str
    shape: Shape

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def type(self) -> str:
        """`f32[N, 6, 28, 28]`"""
        return f"{self.dtype}{shape_text(self.shape)}"


def converted(
    value: Any, wanted: np.dtype[Any], type: str, what: str, adopt: Callable[[Any], Any] | None = None
) -> Array:
    """`value` as a C-contiguous array of elements `wanted`; without a copy where its layout allows.

    Accepts what `plain_array` does. Plain numbers and lists alone are converted to the wanted element type, though
    never from fractions to whole numbers. Raises NetError, which calls the value `what` and says that a `type` was
    expected, for an element type that differs, or a number that does not fit into it. `adopt` gives what a device takes
    as it is, such as an array in its memory, or None.
    """
    # The fast path, for what nearly every call brings.
    if value.__class__ is np.ndarray and value.dtype == wanted and value.flags.c_contiguous:
        return value
    array = value if isinstance(value, np.ndarray) else _of_another_library(value, f"{what}: expected {type}", adopt)
    if array.dtype == wanted:
        return np.asarray(array, order="C") if isinstance(array, np.ndarray) else array
    whole = array.dtype.kind in "iu" and wanted.kind in "iu"
    convertible = whole or bool(np.can_cast(array.dtype, wanted, "same_kind"))
    if convertible and isinstance(value, int | float | list | tuple):
        if whole:
            _check_bounds(array, wanted, f"{what}: expected {type}")
        return array.astype(wanted)
    found = f"{dtype_name(array.dtype)}{shape_text(array.shape)}"
    hint = f"convert it with .astype('{wanted}')" if convertible else ""
    raise NetError(f"{what}: expected {type}, got {found}", hint=hint)


def _check_bounds(array: Array, wanted: np.dtype[Any], expected: str) -> None:
    """Raise NetError where a whole number is none of an integer type's."""
    bounds = np.iinfo(wanted)
    for number in (array.min(), array.max()) if array.size else ():
        if not bounds.min <= int(number) <= bounds.max:
            raise NetError(f"{expected}, got {int(number)}")


def _of_another_library(value: Any, what: str, adopt: Callable[[Any], Any] | None) -> Any:
    adopted = adopt(value) if adopt is not None else None
    return adopted if adopted is not None else plain_array(value, what)


def plain_array(value: Any, what: str) -> Array:
    """An array, anything that speaks DLPack or `__array__`, a number or a nested list, as a NumPy array.

    Without a copy where possible. Raises NetError, which begins with `what`, for anything else.
    """
    if isinstance(value, np.ndarray):
        return value
    try:
        if hasattr(value, "__dlpack__"):
            return np.from_dlpack(value)
        if not hasattr(value, "__array__") and not isinstance(value, int | float | list | tuple):
            raise TypeError("that is no array")
        return np.asarray(value)
    except Exception as fault:  # whatever a foreign array raises is a fault of that value
        raise NetError(f"{what}, got a {value.__class__.__name__}: {fault}") from fault


def sizes_of(ports: Sequence[Port], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """The size of every symbolic dim, from the shapes of the inputs by name.

    Raises NetError where a rank or a dim differs from the declared type, or a name would have two sizes.
    """
    sizes: dict[str, int] = {}
    first: dict[str, str] = {}
    for port in ports:
        name, shape = port.name, shapes[port.name]
        if len(shape) != port.rank:
            raise _mismatch(port, shape)
        for dim, size in zip(port.shape, shape, strict=True):
            found = _solve(dim, size)
            if found is None:
                continue
            symbol, number = found
            if number < 0:
                raise _mismatch(port, shape)
            if sizes.setdefault(symbol, number) != number:
                known = f"{symbol} is {sizes[symbol]} in input '{first[symbol]}' and {number} in input '{name}'"
                raise NetError(f"the inputs do not fit together: {known}")
            first.setdefault(symbol, name)
    for port in ports:
        shape = shapes[port.name]
        try:
            fits = tuple(dims.evaluate(dim, sizes) for dim in port.shape) == tuple(shape)
        except KeyError as missing:
            raise NetError(f"the size of {missing.args[0]} does not follow from the inputs") from missing
        if not fits:
            raise _mismatch(port, shape)
    return sizes


def _solve(dim: dims.Dim, size: int) -> tuple[str, int] | None:
    """(name, its size) where `dim == size` says it: for `N` and `3*N + 1`, not for `N*T` or `N//2`."""
    if isinstance(dim, int):
        return None
    found = dims.names(dim)
    if len(found) != 1:
        return None
    (symbol,) = found
    offset = dims.evaluate(dim, {symbol: 0})
    slope = dims.evaluate(dim, {symbol: 1}) - offset
    linear = dim == dims.sym(symbol) * slope + offset
    if not linear or not slope or (size - offset) % slope:
        return None
    return symbol, (size - offset) // slope


def _mismatch(port: Port, shape: Sequence[int]) -> NetError:
    got = f"{port.dtype}{shape_text(tuple(shape))}"
    return NetError(f"input '{port.name}': expected {port.type}, got {got}")


def arguments(names: Sequence[str], args: Sequence[Any], named: Mapping[str, Any], caller: str) -> dict[str, Any]:
    """Arguments given in order or by keyword, by input name. Raises NetError for a missing, unknown or double one."""
    if len(args) > len(names):
        raise NetError(f"{caller} takes {len(names)} inputs ({', '.join(names)}), got {len(args)}")
    given = dict(zip(names, args, strict=False))
    for name, value in named.items():
        if name not in names:
            hint = did_you_mean(name, names) or f"its inputs are {', '.join(names) or 'none'}"
            raise NetError(f"{caller} has no input '{name}'", hint=hint)
        if name in given:
            raise NetError(f"{caller} got input '{name}' twice")
        given[name] = value
    missing = [n for n in names if n not in given]
    if missing:
        raise NetError(f"{caller} needs {'inputs' if len(missing) > 1 else 'input'} {', '.join(missing)}")
    return given


def batch_of(ports: Sequence[Port]) -> dims.Dim | None:
    """The symbolic first dim of the first input that has one: the batch."""
    firsts = (port.shape[0] for port in ports if port.rank)
    return next((d for d in firsts if isinstance(d, dims.Sym) and str(d).isidentifier()), None)


def without_batch(ports: Sequence[Port], ranks: Mapping[str, int], batch: dims.Dim | None) -> frozenset[str]:
    """The inputs, of these ranks, that lack the batch dim, if all that have one lack it."""
    batched = [port for port in ports if has_batch(port.shape, batch)]
    lacking = frozenset(port.name for port in batched if ranks[port.name] == port.rank - 1)
    return lacking if len(lacking) == len(batched) else frozenset()


def has_batch(shape: Shape, batch: dims.Dim | None) -> bool:
    """Whether a shape begins with the batch."""
    return batch is not None and bool(shape) and shape[0] == batch


def checked_seed(seed: Any) -> int:
    """`seed` if it is one. Raises NetError for anything but a whole number from 0 to 2^63 - 1."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
        raise NetError(f"a seed is a whole number from 0 to 2^63 - 1, not {seed!r}")
    return int(seed)
