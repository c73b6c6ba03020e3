"""Names the language brings along besides layers: compile-time functions, initialisers, words, element types."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from netlang.diagnostics import NetError, Source
from netlang.frontend import ast, geometry, scans
from netlang.frontend.arguments import element_type, positive, whole
from netlang.frontend.context import Site
from netlang.frontend.faults import Fault, Reporter
from netlang.frontend.initializers import SIGNATURES, initializer, numbers
from netlang.frontend.limits import check_items, check_number
from netlang.frontend.operators import as_tensor
from netlang.frontend.parser import parse
from netlang.frontend.primitives import primitives
from netlang.frontend.scope import Scope
from netlang.frontend.signature import Signature
from netlang.frontend.values import (
    BlockFunction,
    Builtin,
    Composition,
    Layer,
    Training,
    describe,
    fresh,
    is_dim,
    is_layer,
)
from netlang.frontend.window_primitives import window_counts
from netlang.ir.dims import size
from netlang.ir.gradient import gradients
from netlang.ir.graph import Value, topological
from netlang.ir.types import DType

Arguments = Mapping[str, Any]
WORDS = ("valid", "same", "full", "horizontal", "vertical", "nearest", "bilinear")


def _range(site: Site, arguments: Arguments) -> list[int]:
    """range(stop), range(start, stop), range(start, stop, step)"""
    first, stop, step = arguments["start"], arguments["stop"], arguments["step"]
    start, stop = (0, first) if stop is None else (first, stop)
    for value in (start, stop, step):
        if isinstance(value, bool) or not isinstance(value, int):
            raise Fault(f"range takes whole numbers, not {describe(value)}")
    if step == 0:
        raise Fault("the step of a range must not be 0")
    check_items(len(range(start, stop, step)))
    return list(range(start, stop, step))


def _len(site: Site, arguments: Arguments) -> int:
    if not isinstance(arguments["list"], list | tuple):
        raise Fault(f"only lists have a length, not {describe(arguments['list'])}")
    return len(arguments["list"])


def _repeat(site: Site, arguments: Arguments) -> Composition:
    """`repeat(6, layer)`: six copies of the layer one after the other, each with its own parameters."""
    count, layer = arguments["count"], arguments["layer"]
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise Fault(f"repeat needs a whole number of at least 1, not {describe(count)}")
    if not is_layer(layer):
        raise Fault(f"repeat needs a layer, not {describe(layer)}", hint="it is repeat(count, layer)")
    if not isinstance(layer, Layer | Composition):
        layer = Layer(layer, (), {}, site.span)
    check_items(count * layer.weight.leaves)
    site.context.charge(count * layer.weight.leaves, site.span)
    return Composition(tuple([fresh(layer) for _ in range(count)]), site.span)


def _grad(site: Site, arguments: Arguments) -> Any:
    """`grad(y, x)`: how the scalar `y` changes with `x`, of the shape of `x`; a list of tensors gives a list."""
    y, x = arguments["y"], arguments["x"]
    wrt = x if isinstance(x, list | tuple) else [x]
    for value in (y, *wrt):
        if not isinstance(value, Value):
            raise Fault(f"grad differentiates tensors, not {describe(value)}")
    found = gradients(y, list(wrt), site.builder)
    site.context.count_nodes(sum(1 for _ in topological(found)), site.span)
    return found if isinstance(x, list | tuple) else found[0]


def _scalar(site: Site, arguments: Arguments) -> Value:
    if not isinstance(arguments["dtype"], DType):
        raise Fault(f"expected an element type such as f32, got {describe(arguments['dtype'])}")
    return as_tensor(site, arguments["value"], arguments["dtype"])


def _tensor(site: Site, arguments: Arguments) -> Value:
    """`tensor([[1, 0], [0, 1]])`: numbers written down, as a tensor."""
    dtype = element_type(arguments["dtype"])
    if not isinstance(arguments["values"], list | tuple):
        raise Fault(f"tensor takes a list of numbers, not {describe(arguments['values'])}")
    return site.builder.const(numbers(list(arguments["values"]), dtype, "tensor"), dtype)


def _gaussian_window(site: Site, arguments: Arguments) -> list[float]:
    """A bell of `size` numbers with the sum 1, the largest in the middle; `sigma` is its standard deviation."""
    size, sigma = whole(arguments["size"], "size"), positive(arguments["sigma"], "sigma")
    check_items(size)
    bell = [math.exp(-0.5 * ((i - (size - 1) / 2) / sigma) ** 2) for i in range(size)]
    return [b / sum(bell) for b in bell]


def _arange(site: Site, arguments: Arguments) -> Value:
    """0, 1, 2, ... as a tensor; the size may be one that is known only when the net runs."""
    size, dtype = arguments["size"], arguments["dtype"]
    if not is_dim(size) or (isinstance(size, int) and size < 1):
        raise Fault(f"arange counts to a size of at least 1, not {describe(size)}")
    if not isinstance(dtype, DType) or dtype is DType.BOOL:
        raise Fault(f"arange counts in numbers of an element type such as i64, not {describe(dtype)}")
    return site.emit("iota", size=size, dtype=dtype)


def _weights(site: Site, arguments: Arguments) -> list[Value]:
    """All trained parameters of the net so far, for penalties."""
    return [p for p in site.context.params.values() if p.node.attrs["role"] == "weight"]


def _per_axis(site: Site, arguments: Arguments) -> list[int]:
    """A number for each of `count` spatial dimensions."""
    return list(geometry.per_axis(arguments["value"], arguments["count"], "kernel"))


def _axis_list(site: Site, arguments: Arguments) -> list[int]:
    """An axis, a list of axes, or none for all `rank` of them, as a list of numbers from 0, sorted."""
    return list(geometry.axes(arguments["axis"], arguments["rank"]))


def _product(site: Site, arguments: Arguments) -> Any:
    """Of a list of sizes."""
    return check_number(size(geometry.dims(arguments["sizes"])))


def _eye(site: Site, arguments: Arguments) -> Value:
    """1 on the diagonal (k = 1: on the one above it, -1: below), else 0: n rows and m columns, or n."""
    rows, columns, k = arguments["n"], arguments["m"], arguments["k"]
    columns = rows if columns is None else columns
    for count in (rows, columns):
        if not is_dim(count) or (isinstance(count, int) and count < 1):
            raise Fault(f"eye has a size of at least 1, not {describe(count)}")
    if isinstance(k, bool) or not isinstance(k, int):
        raise Fault(f"eye: k is a whole number, not {describe(k)}")
    down = site.emit("reshape", site.emit("iota", size=rows, dtype=DType.I64), shape=(rows, 1))
    across = site.emit("reshape", site.emit("iota", size=columns, dtype=DType.I64), shape=(1, columns))
    on = site.emit("eq", site.emit("add", down, site.scalar(k, DType.I64)), across)
    return site.emit("cast", on, dtype=element_type(arguments["dtype"]))


def _window_counts(site: Site, arguments: Arguments) -> list[Any]:
    """Along each spatial dimension, the outputs of a convolution or pool with such windows."""
    return list(window_counts(*(arguments[name] for name in ("sizes", "kernel", "stride", "pad", "dilation"))))


def _window_pads(site: Site, arguments: Arguments) -> list[list[int]]:
    """How much padding stands before and after each of `count` spatial dimensions."""
    count = arguments["count"]
    taps, apart = (geometry.per_axis(arguments[name], count, name) for name in ("kernel", "dilation"))
    return [list(sides) for sides in geometry.pads(arguments["pad"], taps, apart)]


def _positive(site: Site, arguments: Arguments) -> bool:
    """Whether something is a whole number of at least 1."""
    value = arguments["value"]
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _functions() -> list[Builtin]:
    found = [
        Builtin(Signature.of("range", "start", stop=None, step=1), _range),
        Builtin(Signature.of("len", "list"), _len),
        Builtin(Signature.of("repeat", "count", "layer"), _repeat),
        Builtin(Signature.of("grad", "y", "x"), _grad),
        Builtin(Signature.of("scalar", "value", dtype=DType.F32), _scalar),
        Builtin(Signature.of("tensor", "values", dtype=DType.F32), _tensor),
        Builtin(Signature.of("gaussian_window", "size", "sigma"), _gaussian_window),
        Builtin(Signature.of("weights"), _weights),
        Builtin(scans.SIGNATURE, scans.scan),
        Builtin(Signature.of("arange", "size", dtype=DType.I64), _arange),
        Builtin(Signature.of("per_axis", "value", "count"), _per_axis),
        Builtin(Signature.of("product", "sizes"), _product),
        Builtin(Signature.of("eye", "n", m=None, k=0, dtype=DType.F32), _eye),
        Builtin(Signature.of("axis_list", "axis", "rank"), _axis_list),
        Builtin(Signature.of("window_counts", "sizes", "kernel", stride=1, pad="valid", dilation=1), _window_counts),
        Builtin(Signature.of("window_pads", "pad", "kernel", "dilation", "count"), _window_pads),
        Builtin(Signature.of("positive", "value"), _positive),
    ]
    return found + [_initializer(signature) for signature in SIGNATURES]


def _initializer(signature: Signature) -> Builtin:
    return Builtin(signature, lambda site, arguments: initializer(signature.name, _ordered(signature, arguments)))


def _ordered(signature: Signature, arguments: Arguments) -> dict[str, Any]:
    return {name: arguments[name] for name in signature.names}


@cache
def language() -> Scope:
    """The outermost scope: what every file and the standard library itself can name."""
    scope = Scope()
    for name, primitive in primitives().items():
        scope.bind(name, primitive)
    for function in _functions():
        scope.bind(function.name, function)
    for dtype in DType:
        scope.bind(dtype.value, dtype)
    for word in WORDS:
        scope.bind(word, word)
    scope.bind("none", None)
    scope.bind("pi", math.pi)
    scope.bind("inf", math.inf)
    scope.bind("training", Training())
    return scope


@cache
def library() -> Scope:
    """The standard library: the blocks of `std/*.net`, on top of `language()`. Read once per process."""
    scope = Scope(language())
    for path in sorted(Path(__file__).with_name("std").glob("*.net")):
        source = Source(f"std/{path.name}", path.read_text(encoding="utf-8"))
        for item in _parsed(source).items:
            assert isinstance(item, ast.Block), source.name
            scope.bind(item.name.text, BlockFunction(item, scope, std=True))
    return scope


def _parsed(source: Source) -> ast.File:
    reporter = Reporter()
    file = parse(source, reporter)
    if file is None:
        raise NetError(reporter.errors)
    return file
