"""Nets as C: what `tables.h` declares besides programs, and where bytes that are no C go into the library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from string import ascii_letters, digits
from typing import Any, NamedTuple

from netlang.backends.base import Deployed
from netlang.backends.cpu import control, pace, processors, runner, tables
from netlang.backends.cpu.artifact.ranges import Range
from netlang.backends.cpu.binding import SERIAL_PROGRAM
from netlang.backends.cpu.library.tables import ROOM_BEHIND, Numbers, Param, array
from netlang.backends.cpu.target import Target
from netlang.ir.reserved import LEARNING_RATE, RNG
from netlang.runtime.artifact.signature import Signature
from netlang.runtime.ports import Port

WEIGHTS, CONSTANTS = "weights.bin", "constants.bin"
"""Files that are put into the library as they are."""
_TYPES = {
    "bool": "BOOL", "u8": "UINT8", "i8": "INT8", "u16": "UINT16", "i16": "INT16", "u32": "UINT32", "i32": "INT32",
    "u64": "UINT64", "i64": "INT64", "f16": "FLOAT16", "bf16": "BFLOAT16", "f32": "FLOAT32", "f64": "FLOAT64",
}  # fmt: skip
_ANY = 2**63 - 1
_PLAIN = frozenset(ascii_letters + digits + " $()*+,-./:;<=>@[]^_{|}~")
_CONTROL = ("LINE", "WORKERS", "WORKER_BYTES", "JOB", "STEP_BYTES", "PARALLEL", "BARRIER", "OWN", "COPY")
_TABLES = ("SERIAL_STEP", "LARGE_PROGRAM", "LARGE_SHARE")
_PACE = ("TRIALS", "SLOWER", "FIRST_PAUSE", "LONGEST_PAUSE", "WEIGHT", "OUTLIER")
_PAGE = 4096


class Weights(NamedTuple):
    """How many bytes, which (a SHA-256), and the name of the file that they are in; None: they are inside."""

    size: int
    id: bytes
    file: str | None


class Net:
    """A net or a training step: what it takes and gives, and for which sizes.

    name     in words
    params   where parameters are
    """

    def __init__(self, deployed: Deployed, name: str, content: Mapping[str, Any], params: Mapping[str, Param]) -> None:
        self.key, self.name = deployed.key, name
        self.symbols = list(deployed.graph.symbols)
        self.signature = Signature.of(content)
        self.params = params

    @property
    def ports(self) -> dict[str, list[str]]:
        """The names of inputs and outputs as programs have them; what the runtime gives comes last."""
        inputs = [port.name for port in self.signature.inputs]
        return {"input": [*inputs, RNG, LEARNING_RATE], "output": [port.name for port in self.signature.outputs]}

    def written(self, name: str, ranges: Mapping[str, Range]) -> tuple[str, str]:
        """(declarations, the `struct net` but for its programs)."""
        signature, numbers = self.signature, Numbers(self.symbols, {})
        ports = [*signature.inputs, *signature.outputs]
        text = "".join(array("int64_t", f"{name}_shape{i}", map(_known, p.shape)) for i, p in enumerate(ports))
        rows = [port_row(port, f"{name}_shape{i}") for i, port in enumerate(ports)]
        count = len(signature.inputs)
        text += array("port", f"{name}_input", rows[:count])
        text += array("port", f"{name}_output", rows[count:])
        text += array("size", f"{name}_size", [_size(s, ranges[s]) for s in self.symbols])
        bounds = [(self.ports["input"].index(port), size) for port, size in signature.bounds]
        text += array("struct bound", f"{name}_bound", bounds)
        text += array("int32_t", f"{name}_dim", [numbers.add(dim) for port in ports for dim in port.shape])
        declared, of_shapes = numbers.written(f"{name}_port")
        counts = (count, len(rows) - count, len(self.symbols), len(bounds), int(signature.random))
        found = (string(self.name), *counts, *(f"{name}_{what}" for what in ("input", "output", "size", "bound")))
        return text + declared, ", ".join(map(str, (*found, of_shapes, f"{name}_dim")))

    def said(self, ranges: Mapping[str, Range]) -> str:
        """In words."""
        takes, gives = (
            ", ".join(f"{p.name} {p.type}" for p in ports) for ports in (self.signature.inputs, self.signature.outputs)
        )
        sizes = "".join(f"; {s} {_range_text(ranges[s])}" for s in self.symbols)
        return f"{self.name}: {takes or 'nothing'} -> {gives}{sizes}"


def _known(dim: Any) -> int:
    return dim if isinstance(dim, int) else -1


def port_row(port: Port, shape: str) -> Sequence[int | str]:
    """A `netlang_port`; `shape` is the name of the array that has it."""
    return string(port.name), string(port.type), f"TYPE({_TYPES[port.dtype]})", port.rank, shape


def _size(name: str, found: Range) -> Sequence[int | str]:
    return string(name), found.least, f"{_ANY if found.largest is None else found.largest}LL"


def _range_text(found: Range) -> str:
    return f"from {found.least}" + ("" if found.largest is None else f" to {found.largest}")


def string(text: str) -> str:
    """A C string."""
    parts = [chr(byte) if chr(byte) in _PLAIN else f"\\{byte:03o}" for byte in text.encode()]
    return f'"{"".join(parts)}"'


# ---- the rest of the file


def level_row(name: str, target: Target, walker: Iterable[str]) -> str:
    """A `struct level`, with the symbols of the walker's functions."""
    needs = " | ".join(f"(uint64_t)1 << {feature_name(feature)}" for feature in sorted(target.needs)) or "0"
    return f"{{{string(name)}, {needs}, {', '.join(walker)}}}"


def feature_name(feature: str) -> str:
    """As `features.h` has it."""
    return feature.upper().replace(".", "_")


def control_header() -> str:
    """Where things are that the walker goes by, and when threads are of use: what the in-process model goes by."""
    modules = ((control, _CONTROL), (processors, ("MOST",)), (tables, _TABLES), (pace, _PACE))
    numbers = {name: getattr(module, name) for module, names in modules for name in names}
    numbers |= {"SERIAL_PROGRAM": SERIAL_PROGRAM, "MOST_FREE": runner.MOST_SIZES}
    return "".join(f"#define {name} {number}\n" for name, number in numbers.items())


def kernels(names: Mapping[str, tuple[str, str]]) -> str:
    """Declarations of machine code: (symbol in its object, signature) by its name in C."""
    return "".join(
        f"extern {signature.replace('(', f' {name}(')} __asm__({string(symbol)});\n"
        for name, (symbol, signature) in names.items()
    )


def weights_source(weights: Weights) -> str:
    """Where the weights are."""
    inside = weights.file is None
    text = binary("weights_section", WEIGHTS, _PAGE) if inside else ""
    place = "weights_section" if inside else "NULL"
    text += f"const unsigned char *const weights_inside = {place};\nconst int64_t weights_bytes = {weights.size};\n"
    text += f"const char *const weights_file = {'NULL' if weights.file is None else string(weights.file)};\n"
    return text + f"const unsigned char weights_id[32] = {{{','.join(map(str, weights.id))}}};\n"


def binary(symbol: str, file: str, alignment: int) -> str:
    """The bytes of a file, read-only, with room behind them. In the unit of their alignment there is nothing else."""
    lines = (
        '.pushsection .rodata.netlang,\\"a\\",%progbits', f".balign {alignment}", f".globl {symbol}",
        f".hidden {symbol}", f"{symbol}:", f'.incbin \\"{file}\\"', f".zero {ROOM_BEHIND}", f".balign {alignment}",
        ".popsection",
    )  # fmt: skip
    return (
        "__asm__("
        + "\n        ".join(f'"{line}\\n"' for line in lines)
        + f");\nextern const unsigned char {symbol}[];\n"
    )
