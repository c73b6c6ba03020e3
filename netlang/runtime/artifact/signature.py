"""What a net takes and gives, as the manifest of its file says it.

    {"inputs": [[name, element type, shape], ...], "outputs": [...],
     "params": {name: [element type, shape, first byte in the member `weights`]}, see `stored`,
     "random": whether it draws numbers, "bounds": [[input, size], ...]}

A dim of a shape is a whole number, or a list of [[factor, ...], coefficient]; a factor is a name, or [such a list,
divisor] for the whole part of a quotient. `bounds`: integers of the input are below the size, and not negative.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from netlang.diagnostics import NetError
from netlang.ir.dims import Dim, Floor, Shape, Sym, names
from netlang.runtime.ports import Array, Port


class Signature(NamedTuple):
    """What the manifest says of a net. `bounds` are (input, size)."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    random: bool
    bounds: tuple[tuple[str, int], ...]

    def content(self) -> dict[str, Any]:
        """As the manifest has it."""
        return {
            "inputs": [_written(port) for port in self.inputs],
            "outputs": [_written(port) for port in self.outputs],
            "random": self.random,
            "bounds": [list(bound) for bound in self.bounds],
        }

    @staticmethod
    def of(content: Mapping[str, Any]) -> "Signature":
        """From what the manifest has."""
        return Signature(
            tuple(_read(port) for port in content["inputs"]),
            tuple(_read(port) for port in content["outputs"]),
            bool(content["random"]),
            tuple((name, size) for name, size in content["bounds"]),
        )

    @property
    def symbols(self) -> set[str]:
        """The names of the sizes that inputs tell."""
        return {name for port in self.inputs for dim in port.shape for name in names(dim)}

    def check_bounds(self, arrays: Mapping[str, Array]) -> None:
        """Raises NetError for indices and labels that are out of range."""
        for name, size in self.bounds:
            array = arrays[name]
            if array.size and not (array.min() >= 0 and array.max() < size):
                value = array[(array < 0) | (array >= size)].flat[0]
                raise NetError(f"'{name}' has the value {value}; it must be between 0 and {size - 1}")


def _written(port: Port) -> list[Any]:
    return [port.name, port.dtype, [_dim(dim) for dim in port.shape]]


def _read(port: Sequence[Any]) -> Port:
    name, dtype, shape = port
    found: Shape = tuple(_dim_of(dim) for dim in shape)
    return Port(name, dtype, found)


def _dim(dim: Dim) -> Any:
    if isinstance(dim, int):
        return dim
    return [[[a if isinstance(a, str) else [_dim(a.numerator), a.denominator] for a in m], c] for m, c in dim.terms]


def _dim_of(found: Any) -> Dim:
    return found if isinstance(found, int) else _sym(found)


def _sym(terms: list[Any]) -> Sym:
    return Sym(tuple((tuple(a if isinstance(a, str) else Floor(_sym(a[0]), a[1]) for a in m), c) for m, c in terms))
