"""Texts that ask for too much: each must be refused at once."""

from __future__ import annotations

from tests.frontend.error_case import Case, Found

CASES = (
    Case(
        "recursive",
        """\
block f(x) {
  return x -> f
}
net n() {
  input x: f32[N]
  output y = x -> f
}
""",
        Found(2, 15, "block 'f' applies itself without end (64 levels)"),
    ),
    Case(
        "mutual",
        """\
block f(x) {
  return g(x) + g(x)
}
block g(x) {
  return f(x) + f(x)
}
net n() {
  input x: f32[N]
  output y = x -> f
}
""",
        Found(5, 10, "block 'f' applies itself without end (64 levels)"),
    ),
    Case(
        "tensor",
        """\
net n() {
  input x: f32[N, 1000000, 1000000]
  output y = x
}
""",
        Found(
            2, 12, "a tensor f32[N, 1000000, 1000000] is too large: at least 1e+12 elements", "the most is 2^40 bytes"
        ),
    ),
    Case(
        "dense",
        """\
net n() {
  input x: f32[N, 10]
  output y = x -> dense(1000000000000)
}
""",
        Found(3, 19, "a tensor f32[1000000000000, 10] is too large: at least 1e+13 elements", "the most is 2^40 bytes"),
    ),
    Case(
        "broadcast",
        """\
net n() {
  input x: f32[N, 10]
  output y = broadcast(sum(x), [1000000, 1000000])
}
""",
        Found(3, 14, "a tensor f32[1000000, 1000000] is too large: at least 1e+12 elements", "the most is 2^40 bytes"),
    ),
    Case(
        "range",
        """\
net n() {
  input x: f32[N, 10]
  for i in range(10 ** 9) { a = i }
  output y = x
}
""",
        Found(3, 12, "1000000000 entries are too many: at most 100000"),
    ),
    Case(
        "loops",
        """\
net n() {
  input x: f32[N, 10]
  for i in range(10000) { for j in range(10000) { a = i } }
  output y = x
}
""",
        Found(3, 51, "this takes too long to work out: more than 500000 steps"),
    ),
    Case(
        "nodes",
        """\
net n() {
  input x: f32[N, 10]
  h = x
  for i in range(100000) { h = relu(h) + h * h }
  output y = h
}
""",
        Found(4, 32, "the net is too large: more than 50000 operations"),
    ),
    Case(
        "int_literal",
        """\
k = 99999999999999999999
net n() {
  input x: f32[N, 10]
  output y = x * k
}
""",
        Found(1, 5, "the whole number is too large: it must fit into 64 bits"),
    ),
    Case(
        "float_literal",
        """\
k = 1e999
net n() {
  input x: f32[N, 10]
  output y = x * k
}
""",
        Found(1, 5, "the number is too large for a floating-point number"),
    ),
    Case(
        "power",
        """\
k = 10 ** 10 ** 10
net n() {
  input x: f32[N, 10]
  output y = x * k
}
""",
        Found(1, 5, "the whole number is too large: it must fit into 64 bits"),
    ),
    Case(
        "float_power",
        """\
k = 10.0 ** 400
net n() {
  input x: f32[N, 10]
  output y = x * k
}
""",
        Found(1, 5, "the number is too large for a floating-point number"),
    ),
    Case(
        "division",
        """\
k = 1 / 0
net n() {
  input x: f32[N, 10]
  output y = x * k
}
""",
        Found(1, 5, "division by zero"),
    ),
    Case(
        "modulo",
        """\
k = 1 % 0
net n() {
  input x: f32[N, 10]
  output y = x * k
}
""",
        Found(1, 5, "division by zero"),
    ),
    Case(
        "logarithm",
        """\
k = log(0)
net n() {
  input x: f32[N, 10]
  output y = x * k
}
""",
        Found(1, 5, "log has no value at 0"),
    ),
    Case(
        "list_growth",
        """\
net n() {
  input x: f32[N, 10]
  a = [1]
  for i in range(40) { a = a + a }
  output y = x * len(a)
}
""",
        Found(4, 28, "131072 entries are too many: at most 100000"),
    ),
    Case(
        "dim_growth",
        """\
net n() {
  input x: f32[N, 10]
  a = N
  for i in range(40) { a = a * (N + 1) }
  output y = x * a
}
""",
        Found(4, 28, "this size has become too complicated", "give the dimension a fixed size in the input's type"),
    ),
    Case(
        "i8_value",
        """\
net n() {
  input k: i8[N]
  output y = k + 300
}
""",
        Found(3, 14, "300 does not fit into i8 elements"),
    ),
    Case(
        "rank",
        """\
net n() {
  input x: f32[1, 1, 1, 1, 1, 1, 1, 1, 1]
  output y = x
}
""",
        Found(2, 12, "a tensor has at most 8 dimensions, this one 9"),
    ),
    Case(
        "many_repeats",
        """\
net n() {
  input x: f32[N, 10]
  output y = x -> repeat(1000000000, relu)
}
""",
        Found(3, 19, "1000000000 entries are too many: at most 100000"),
    ),
    Case(
        "deep_args",
        "net n() {\n  input x: f32[N, 10]\n  output y = " + "x -> residual(" * 60 + "relu" + ")" * 60 + "\n}\n",
        Found(3, 154, "this nests more than 200 deep"),
    ),
    Case(
        "long_pad",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> conv(8, 3, pad = 1000000000)
}
""",
        Found(
            3,
            19,
            "a tensor f32[N, 8, 2000000006, 2000000006] is too large: at least 3.2e+19 elements",
            "the most is 2^40 bytes",
        ),
    ),
    Case(
        "grad_growth",
        """\
net n() {
  input x: f32[N, 10]
  h = sum(exp(x) * x)
  for i in range(60) { h = sum(grad(h, x) * exp(x) / x) }
  output y = h
}
""",
        Found(4, 32, "the net is too large: more than 50000 operations"),
    ),
    Case(
        "repeat_of_repeat",
        """\
net n() {
  input x: f32[N, 10]
  a = repeat(100000, repeat(100000, relu))
  output y = x -> a
}
""",
        Found(3, 22, "100001 entries are too many: at most 100000"),
    ),
    Case(
        "composition_growth",
        """\
net n() {
  input x: f32[N, 10]
  a = relu -> relu
  for i in range(50) { a = a -> a }
  output y = x -> a
}
""",
        Found(4, 28, "131071 entries are too many: at most 100000"),
    ),
    Case(
        "layer_in_layer",
        """\
net n() {
  input x: f32[N, 10]
  a = relu
  for i in range(1000) { a = residual(a) }
  output y = x -> repeat(2, a)
}
""",
        Found(4, 30, "lists and layers are nested more than 60 deep"),
    ),
    Case(
        "list_in_list",
        """\
net n() {
  input x: f32[N, 10]
  a = [1]
  for i in range(1000) { a = [a] }
  output y = x if a == a else x
}
""",
        Found(4, 30, "lists and layers are nested more than 60 deep"),
    ),
    Case(
        "list_doubling",
        """\
net n() {
  input x: f32[N, 10]
  a = [1]
  for i in range(50) { a = [a, a] }
  output y = x if a == a else x
}
""",
        Found(4, 28, "196607 entries are too many: at most 100000"),
    ),
    Case(
        "deep_blocks",
        """\
block f(x) {
  return ------------------------------------------------------------------------------------------(x -> f)
}
net n() {
  input x: f32[N, 10]
  output y = x -> f
}
""",
        Found(2, 99, "expressions and blocks are nested too deeply"),
    ),
    Case(
        "many_terms",
        """\
net n() {
  input x: f32[a, b, c, d]
  y = broadcast(sum(x), [a + b + c + d, a + b + c + d, a + b + c + d, a + b + c + d, a + b + c + d])
  output z = reshape(y, [-1])
}
""",
        Found(3, 7, "the sizes of this tensor have become too complicated", "give dimensions fixed sizes"),
    ),
    Case(
        "long_name",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx = 1\n",
        Found(1, 1, "a name or number has at most 100 characters"),
    ),
)
