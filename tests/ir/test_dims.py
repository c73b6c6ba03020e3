"""Symbolic dimensions against plain integers: whatever is computed with names is what numbers would give."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlang.ir.dims import Dim, Sym, evaluate, exact_quotient, names, size, substitute, sym

Tree = tuple[Dim, str]
"""A dimension and a Python expression for the same number."""


def _leaf() -> st.SearchStrategy[Tree]:
    return st.one_of(
        st.integers(-6, 6).map(lambda i: (i, f"({i})")),
        st.sampled_from("NTC").map(lambda n: (sym(n), n)),
    )


def _grow(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    def combine(op: str) -> st.SearchStrategy[Tree]:
        functions = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}
        return st.tuples(inner, inner).map(lambda p: (functions[op](p[0][0], p[1][0]), f"({p[0][1]}{op}{p[1][1]})"))

    divide = st.tuples(inner, st.integers(1, 6)).map(lambda p: (p[0][0] // p[1], f"({p[0][1]}//{p[1]})"))
    modulo = st.tuples(inner, st.integers(1, 6)).map(lambda p: (p[0][0] % p[1], f"({p[0][1]}%{p[1]})"))
    return st.one_of(combine("+"), combine("-"), combine("*"), divide, modulo)


trees = st.recursive(_leaf(), _grow, max_leaves=8)
sizes = st.fixed_dictionaries({n: st.integers(0, 50) for n in "NTC"})
bounded = settings(max_examples=150, deadline=None, derandomize=True)


def _python(text: str, values: Mapping[str, int]) -> int:
    return int(eval(text, {"__builtins__": {}}, dict(values)))


@bounded
@given(trees, sizes)
def test_evaluation_agrees_with_integers(tree: Tree, values: dict[str, int]) -> None:
    dim, text = tree
    assert evaluate(dim, values) == _python(text, values)


@bounded
@given(trees, sizes)
def test_the_printed_form_means_the_same_number(tree: Tree, values: dict[str, int]) -> None:
    dim, text = tree
    assert _python(str(dim), values) == _python(text, values)


@bounded
@given(trees, trees, sizes)
def test_substitution_commutes_with_evaluation(tree: Tree, other: Tree, values: dict[str, int]) -> None:
    inner = evaluate(other[0], values)
    replaced = substitute(tree[0], {"N": other[0]})
    assert evaluate(replaced, values) == evaluate(tree[0], {**values, "N": inner})


@bounded
@given(trees, trees)
def test_an_exact_quotient_multiplies_back(dim: Tree, divisor: Tree) -> None:
    product = dim[0] * divisor[0]
    quotient = exact_quotient(product, divisor[0])
    assert quotient is None or quotient * divisor[0] == product


@bounded
@given(trees, st.integers(1, 9))
def test_whole_multiples_leave_the_floor(tree: Tree, a: int) -> None:
    assert (tree[0] + a) // a == tree[0] // a + 1


def test_floors_have_one_form() -> None:
    t = sym("T")
    assert (t - 1) // 2 + 1 == (t + 1) // 2
    assert (t // 2) // 2 == t // 4
    assert ((t + 1) // 2 + 1) // 2 == (t + 3) // 4
    assert (3 * t) // 2 == t + t // 2


def test_arithmetic_is_canonical() -> None:
    n, t = sym("N"), sym("T")
    assert n * 4 - n == 3 * n
    assert n - n == 0
    assert n * t == t * n
    assert hash(n + 1) == hash(1 + n)
    assert (n * 2) // 2 is not None and (n * 2) // 2 == n
    assert isinstance(n // 2, Sym)
    assert names(n * t + (sym("C") // 2)) == {"N", "T", "C"}
    assert size((n, 3, 4)) == 12 * n


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (sym("N") * 3 - 5, "3*N-5"),
        ((sym("N") + 1) // 2, "(N+1)//2"),
        (3 * ((sym("N") + 1) // 2), "3*((N+1)//2)"),
        (-((sym("N") + 1) // 2), "-((N+1)//2)"),
        (sym("N") * sym("T") + 1, "N*T+1"),
    ],
)
def test_printing(dim: Dim, text: str) -> None:
    assert str(dim) == text


def test_division_needs_a_positive_integer() -> None:
    with pytest.raises(ValueError, match="positive"):
        sym("N") // 0
