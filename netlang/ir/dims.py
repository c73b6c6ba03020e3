"""Dimensions of a tensor: plain integers, or integer expressions of named sizes such as the batch `N`.

A symbolic dimension is a polynomial with integer coefficients over atoms; an atom is a name or a floor division that
does not come out even. The canonical form makes `N * 4 - N` and `3 * N` equal, so shapes compare by `==`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import total_ordering
from math import prod
from typing import Union

Dim = Union[int, "Sym"]
Shape = tuple[Dim, ...]


@total_ordering
class Floor:
    """The atom `(numerator) // denominator` with an integer denominator above 1."""

    __slots__ = ("denominator", "numerator")

    def __init__(self, numerator: Sym, denominator: int) -> None:
        self.numerator, self.denominator = numerator, denominator

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Floor) and (self.numerator, self.denominator) == (other.numerator, other.denominator)

    def __hash__(self) -> int:
        return hash((self.numerator, self.denominator))

    def __str__(self) -> str:
        return f"({self.numerator})//{self.denominator}"

    __repr__ = __str__

    def __lt__(self, other: object) -> bool:
        return str(self) < str(other)


Atom = str | Floor
Monomial = tuple[Atom, ...]


class Sym:
    """A polynomial: `terms` are (monomial, coefficient), sorted; the constant has the empty monomial."""

    __slots__ = ("terms",)

    def __init__(self, terms: tuple[tuple[Monomial, int], ...]) -> None:
        self.terms = terms

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sym) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(self.terms)

    def __add__(self, other: Dim) -> Dim:
        return _from_terms([*self.terms, *_terms(other)])

    def __neg__(self) -> Dim:
        return self * -1

    def __sub__(self, other: Dim) -> Dim:
        return self + (-other)

    def __rsub__(self, other: int) -> Dim:
        return -self + other

    def __mul__(self, other: Dim) -> Dim:
        return _from_terms([(a + b, i * j) for a, i in self.terms for b, j in _terms(other)])

    __radd__ = __add__
    __rmul__ = __mul__

    def __floordiv__(self, other: int) -> Dim:
        if other == 1:
            return self
        if other < 1:
            raise ValueError("a symbolic dimension can only be divided by a positive integer")
        # Whole multiples leave the floor: floor((q*d*m + r*m)/d) = q*m + floor(r*m/d), so equal sizes compare equal.
        whole = _from_terms([(m, c // other) for m, c in self.terms])
        rest = _from_terms([(m, c % other) for m, c in self.terms])
        return whole if isinstance(rest, int) else whole + _floor(rest, other)

    def __mod__(self, other: int) -> Dim:
        return self - (self // other) * other

    def __str__(self) -> str:
        out = ""
        for monomial, coefficient in sorted(self.terms, key=lambda t: (t[0] == (), tuple(map(str, t[0])))):
            alone = len(monomial) == 1 and coefficient == 1
            factors = [str(a) if alone or isinstance(a, str) else f"({a})" for a in monomial]
            if abs(coefficient) != 1 or not factors:
                factors.insert(0, str(abs(coefficient)))
            sign = "-" if coefficient < 0 else "+" if out else ""
            out += sign + "*".join(factors)
        return out

    __repr__ = __str__


def sym(name: str) -> Sym:
    """The symbolic dimension called `name`."""
    return Sym((((name,), 1),))


def _floor(numerator: Sym, denominator: int) -> Sym:
    """The quotient as an atom. A floor in a floor becomes one: floor((floor(x/a) + c)/b) = floor((x + a*c)/(a*b))."""
    moving = [(m, c) for m, c in numerator.terms if m]
    constant = sum(c for m, c in numerator.terms if not m)
    if len(moving) == 1 and moving[0][1] == 1 and len(moving[0][0]) == 1 and isinstance(moving[0][0][0], Floor):
        inner = moving[0][0][0]
        flat = (inner.numerator + inner.denominator * constant) // (inner.denominator * denominator)
        assert isinstance(flat, Sym)
        return flat
    return Sym((((Floor(numerator, denominator),), 1),))


def _terms(dim: Dim) -> Iterable[tuple[Monomial, int]]:
    return dim.terms if isinstance(dim, Sym) else [((), dim)]


def _from_terms(terms: Iterable[tuple[Monomial, int]]) -> Dim:
    total: dict[Monomial, int] = {}
    for monomial, coefficient in terms:
        key = tuple(sorted(monomial, key=str))
        total[key] = total.get(key, 0) + coefficient
    kept = tuple(sorted(((m, c) for m, c in total.items() if c), key=lambda t: tuple(map(str, t[0]))))
    if not kept:
        return 0
    if len(kept) == 1 and kept[0][0] == ():
        return kept[0][1]
    return Sym(kept)


def names(dim: Dim) -> set[str]:
    """The names a dimension depends on."""
    if isinstance(dim, int):
        return set()
    atoms = {atom for monomial, _ in dim.terms for atom in monomial}
    return {n for a in atoms for n in (names(a.numerator) if isinstance(a, Floor) else {a})}


def evaluate(dim: Dim, sizes: Mapping[str, int]) -> int:
    """The number a dimension stands for. Raises KeyError for a name without a size."""
    if isinstance(dim, int):
        return dim
    return sum(c * prod(_atom_value(a, sizes) for a in monomial) for monomial, c in dim.terms)


def _atom_value(atom: Atom, sizes: Mapping[str, int]) -> int:
    return sizes[atom] if isinstance(atom, str) else evaluate(atom.numerator, sizes) // atom.denominator


def substitute(dim: Dim, sizes: Mapping[str, Dim]) -> Dim:
    """`dim` with some of its names replaced by other dimensions."""
    if isinstance(dim, int):
        return dim
    total: Dim = 0
    for monomial, coefficient in dim.terms:
        term: Dim = coefficient
        for atom in monomial:
            if isinstance(atom, Floor):
                term = term * (substitute(atom.numerator, sizes) // atom.denominator)
            else:
                term = term * sizes.get(atom, sym(atom))
        total = total + term
    return total


def size(shape: Iterable[Dim]) -> Dim:
    """The number of elements of a shape."""
    total: Dim = 1
    for dim in shape:
        total = total * dim
    return total


def exact_quotient(dim: Dim, divisor: Dim) -> Dim | None:
    """`dim / divisor` if that is a dimension whatever the sizes are, else None."""
    if isinstance(divisor, int):
        if divisor == 0:
            return None
        if isinstance(dim, int):
            return dim // divisor if dim % divisor == 0 else None
        if any(c % divisor for _, c in dim.terms):
            return None
        return _from_terms([(m, c // divisor) for m, c in dim.terms])
    if len(divisor.terms) != 1:
        return 1 if dim == divisor else None
    (monomial, coefficient), out = divisor.terms[0], []
    for term, c in _terms(dim):
        rest = list(term)
        for atom in monomial:
            if atom not in rest:
                return None
            rest.remove(atom)
        if c % coefficient:
            return None
        out.append((tuple(rest), c // coefficient))
    return _from_terms(out)


def shape_text(shape: Shape) -> str:
    """`[N, 6, 28, 28]`, as the diagnostics and the text form write it."""
    return "[" + ", ".join(map(str, shape)) + "]"
