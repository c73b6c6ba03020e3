"""Faults of the text form: every one is a NetError at its line and column."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netlang.ops  # noqa: F401
from netlang.diagnostics import NetError
from netlang.ir.parse import parse_graph
from netlang.ir.text import print_graph
from tests.random_graphs import random_graph

_HEAD = "graph g {\n  input %x: f32[N, 3]\n"

_FAULTS = [
    ("", 1, 1, "expected 'graph', found the end of the text"),
    ("graph g {", 1, 10, "expected a node"),
    ("graph g {}\nx", 2, 1, "expected the end of the text"),
    (_HEAD + "  %0: f32[N, 3] = foo(%x)\n}", 3, 19, "unknown op 'foo'"),
    (_HEAD + "  %0: f32[N, 3] = exp(%y)\n}", 3, 23, "%y is not defined"),
    (_HEAD + "  %0: f32[N, 3] = exp(%x, %x)\n}", 3, 19, "exp takes 1 tensors, got 2"),
    (_HEAD + "  %0: f32[N, 4] = exp(%x)\n}", 3, 19, "exp gives f32[N, 3], the text says f32[N, 4]"),
    (_HEAD + "  %0: f32[N, 3], %1: f32[3] = exp(%x)\n}", 3, 31, "exp gives f32[N, 3]"),
    (_HEAD + "  %x: f32[N, 3] = exp(%x)\n}", 3, 3, "%x is defined twice"),
    (_HEAD + "  %0: f99[N, 3] = exp(%x)\n}", 3, 7, "unknown element type 'f99'"),
    (_HEAD + "  %0: f32[N, 3] = exp(%x) {size = 1}\n}", 3, 19, "exp has no attribute 'size'"),
    (_HEAD + "  %0: f32[N, 3] = reshape(%x)\n}", 3, 19, "reshape needs the attribute 'shape'"),
    (_HEAD + '  %0: f32[N, 3] = transpose(%x) {perm = "no"}\n}', 3, 19, "transpose"),
    (_HEAD + "  %0: f32[3, N] = transpose(%x) {perm = (1, 0), perm = (1, 0)}\n}", 3, 49, "given twice"),
    (_HEAD + "  %0: f32[N, 3] = transpose(%x) {perm = 7}\n}", 3, 19, "does not accept these attributes"),
    (_HEAD + "  %0: f32[N, 3] = exp(%x) {}\n  {\n}", 3, 19, "exp has no body"),
    (_HEAD + "  %0: f32[N, 3] = exp(%x) {} {}\n}", 3, 19, "exp has no body"),
    (_HEAD + '  %0: f32[N, 3] = fused(%x) {kind = "loop"}\n}', 3, 19, "fused needs a body"),
    (_HEAD + "  %0: f32[] = const() {value = f32 [[1.0], 2.0]}\n}", 3, 36, "this is no f32 array"),
    (_HEAD + "  %0: i8[] = const() {value = i8 300}\n}", 3, 34, "this is no i8 array"),
    (_HEAD + "  %0: i8[] = const() {value = i8 1.5}\n}", 3, 34, "1.5 is no element of i8"),
    (_HEAD + '  %0: f32[] = const() {value = f32[2] base64 "AAAA"}\n}', 3, 46, "needs 8 bytes, got 3"),
    (_HEAD + '  %0: f32[] = const() {value = f32[2] base64 "=="}\n}', 3, 46, "malformed"),
    (_HEAD + "  %0: f32[] = extent() {dim = (N, 1) + 2}\n}", 3, 31, "expected a dimension"),
    (_HEAD + "  %0: f32[] = extent() {dim = N//0}\n}", 3, 31, "division by zero"),
    (_HEAD + "  %0: f32[] = extent() {dim = }\n}", 3, 31, "expected a value"),
    (_HEAD + '  %0: f32[N, 3] = exp(%x) "open\n}', 3, 27, "unexpected character"),
    (_HEAD + "  output y %x\n}", 3, 12, "expected '=', found '%x'"),
    (_HEAD + "  input %x: f32[2]\n}", 3, 9, "%x is defined twice"),
    (_HEAD + "  param %w: f32[2]\n}", 3, 9, "param needs the attribute"),
    (_HEAD + "  output y = %x @0:1:1-1:2\n}", 3, 17, "expected a node"),
    (_HEAD + "  %0: f32[N, 3] = exp(%x) @0:1:1-1:2\n}", 3, 28, "there is no source 0"),
    (_HEAD + "  ?\n}", 3, 3, "unexpected character '?'"),
    (_HEAD + "  %0: f32[" + "(" * 500 + "N\n}", 3, 74, "nested more than 64 levels deep"),
    ("graph g {\n  input %x: f32[" + "9" * 99 + "]\n}", 2, 17, "too many digits"),
]


@pytest.mark.parametrize(("text", "line", "column", "message"), _FAULTS)
def test_faults(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(NetError) as caught:
        parse_graph(text, "g.ir")
    assert message in str(caught.value)
    span = caught.value.spans[0]
    assert (span.source.name, span.line, span.column) == ("g.ir", line, column)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 20), st.integers(0, 10**6), st.integers(1, 8), st.sampled_from(list('{}()[]%"=,:@N0-./x\n')))
def test_mutations_never_end_in_anything_but_neterror(seed: int, place: int, length: int, new: str) -> None:
    text = print_graph(random_graph(seed, 6), spans=True)
    place %= len(text)
    try:
        parse_graph(text[:place] + new + text[place + length :])
    except NetError as fault:
        assert fault.spans
