"""Values that are not what is needed where they stand."""

from __future__ import annotations

from tests.frontend.error_case import Case, Found

CASES = (
    Case(
        "int_weights",
        """\
net n() {
  input x: i8[N, 3]
  output y = x -> dense(2)
}
""",
        Found(
            3,
            19,
            "param 'weight' is i8[2, 3], but only floating-point tensors can be trained",
            "cast(x, f32) makes floating-point numbers of an input",
        ),
    ),
    Case(
        "dtype_of_elsewhere",
        """\
net n() {
  input x: float32[N, 3]
  output y = x
}
""",
        Found(2, 12, "unknown element type 'float32'", "it is called 'f32' here"),
    ),
    Case(
        "unsigned_dtype_of_elsewhere",
        """\
net n() {
  input x: uint8[N, 3]
  output y = x
}
""",
        Found(2, 12, "unknown element type 'uint8'", "it is called 'u8' here"),
    ),
    Case(
        "negative_number_beside_unsigned",
        """\
net n() {
  input k: u16[N]
  output y = k + -1
}
""",
        Found(3, 14, "-1 does not fit into u16 elements"),
    ),
    Case(
        "too_large_number_in_a_list",
        """\
net n() {
  input k: u8[N, 2]
  output y = k + tensor([255, 256], u8)
}
""",
        Found(3, 18, "tensor has values that do not fit into u8 elements"),
    ),
    Case(
        "padding_that_does_not_fit",
        """\
net n() {
  input k: u8[N, 2, 8]
  output y = k -> pad(1, value = -1)
}
""",
        Found(3, 19, "pad: -1 does not fit into u8 elements"),
    ),
    Case(
        "dtype_mix",
        """\
net n() {
  input x: f32[N]
  input k: i64[N]
  output y = x + k
}
""",
        Found(4, 14, "add needs tensors of one element type, got f32 and i64", "convert one with cast(x, f32)"),
    ),
    Case(
        "int_relu",
        """\
net n() {
  input k: i64[N]
  output y = k + 0.5
}
""",
        Found(3, 14, "0.5 does not fit into i64 elements", "convert with cast(x, f32)"),
    ),
    Case(
        "shared_shape",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  e = conv(8, 3)
  a = x -> e
  b = a -> e
  output y = b
}
""",
        Found(
            5,
            12,
            "the shared layer 'e' needs weight f32[8, 8, 3, 3] here, but has f32[8, 3, 3, 3] from its first use",
            "write the layer twice to give it parameters twice",
        ),
    ),
    Case(
        "zero_dim",
        """\
net n() {
  input x: f32[N, 0]
  output y = x
}
""",
        Found(2, 19, "a size is at least 1, got 0"),
    ),
    Case(
        "dropout_rate",
        """\
net n() {
  input x: f32[N, 10]
  output y = x -> dropout(1.5)
}
""",
        Found(3, 19, "dropout: the rate must be at least 0 and below 1, got 1.5"),
    ),
    Case(
        "literal_shape",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  frozen w: f32[2, 2] = [[1, 2, 3], [4, 5, 6]]
  output y = x + sum(w)
}
""",
        Found(3, 3, "frozen 'w' is f32[2, 2], but its values are [2, 3]"),
    ),
    Case(
        "literal_ragged",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  frozen w: f32[2, 2] = [[1, 2], [4]]
  output y = x + sum(w)
}
""",
        Found(3, 3, "the rows of frozen 'w' have different lengths"),
    ),
    Case(
        "grad_vector",
        """\
net n() {
  input x: f32[N, 10]
  output y = grad(x, x)
}
""",
        Found(3, 14, "grad needs a scalar to differentiate, got [N, 10]", "sum(...) or mean(...) makes one"),
    ),
    Case(
        "pipe_tensor",
        """\
net n() {
  input x: f32[N, 10]
  a = x * 2
  output y = x -> add(a)
}
""",
        Found(4, 19, "add needs 2 tensors, got 1", "give several tensors as (a, b) -> add"),
    ),
    Case(
        "pipe_number",
        """\
net n() {
  input x: f32[N, 10]
  output y = 3 -> relu
}
""",
        Found(3, 19, "only tensors can go through '->', not the number 3"),
    ),
    Case(
        "sum_of_layers",
        """\
net n() {
  input x: f32[N, 10]
  output y = x -> dense(3) + dense(3)
}
""",
        Found(3, 19, "'+' cannot combine the layer 'dense' and the layer 'dense'"),
    ),
    Case(
        "tensor_condition",
        """\
net n() {
  input x: f32[N, 10]
  if sum(x) > 0 { a = 1 }
  output y = x
}
""",
        Found(
            3,
            6,
            "the condition is a tensor, which is known only when the net runs",
            "choose between tensors with where(condition, a, b)",
        ),
    ),
    Case(
        "number_condition",
        """\
net n() {
  input x: f32[N, 10]
  if 1 { a = 1 }
  output y = x
}
""",
        Found(3, 6, "a condition is true or false, not the number 1", "compare it, as in 'n == 1'"),
    ),
    Case(
        "index",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x[0]
}
""",
        Found(3, 14, "a tensor is not indexed with []", "take a part of it with slice(x, axis, start, stop)"),
    ),
    Case(
        "shape_index",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x * x.shape[4]
}
""",
        Found(3, 26, "there is no entry 4 in a shape or list of 4"),
    ),
    Case(
        "table_key_missing",
        """\
counts = [18: 2, 34: 3]
net n(depth = 20) {
  input x: f32[N, 3]
  output y = x * counts[depth]
}
""",
        Found(4, 25, "the table has nothing for the number 20", "it has 18, 34"),
    ),
    Case(
        "table_key_odd",
        """\
net n() {
  input x: f32[N, 3]
  output y = x * [1: 2, 1.5: 3][1]
}
""",
        Found(3, 25, "an entry of a table has a whole number or a word, not the number 1.5"),
    ),
    Case(
        "table_key_twice",
        """\
net n() {
  input x: f32[N, 3]
  output y = x * [1: 2, 1: 3][1]
}
""",
        Found(3, 25, "the table has 1 already"),
    ),
    Case(
        "table_as_value",
        """\
net n() {
  input x: f32[N, 3]
  output y = x -> dense([1: 2])
}
""",
        Found(3, 19, "dense: units must be a whole number of at least 1, got a table of 1"),
    ),
    Case(
        "output_number",
        """\
net n() {
  input x: f32[N, 10]
  output y = 3
}
""",
        Found(3, 14, "an output must be a tensor, not the number 3"),
    ),
    Case(
        "check",
        """\
block b(x, k) {
  check k > 3, "k must be above 3, got {k} for {x.shape}", "try 4"
  return x
}
net n() {
  input x: f32[N, 2]
  output y = x -> b(2)
}
""",
        Found(2, 9, "k must be above 3, got 2 for [N, 2]", "try 4"),
    ),
    Case(
        "embedding_float",
        """\
net n() {
  input x: f32[N, 10]
  output y = x -> embedding(10, 4)
}
""",
        Found(3, 19, "gather needs integer indices, got f32", "convert with cast(x, i64)"),
    ),
    Case(
        "integer_weight",
        """\
net n() {
  input k: i64[N, 3]
  output y = k -> dense(3)
}
""",
        Found(3, 19, "param 'weight' is i64[3, 3], but only floating-point tensors can be trained"),
    ),
    Case(
        "update_param",
        """\
block b(x) {
  param m: f32[2] = zeros()
  update m = x
  return x + m
}
net n() {
  input x: f32[N, 2]
  output y = x -> b
}
""",
        Found(3, 10, "'m' is no buffer of this layer", "only buffers are updated"),
    ),
    Case(
        "update_shape",
        """\
block b(x) {
  buffer m: f32[2] = zeros()
  update m = x
  return x + m
}
net n() {
  input x: f32[N, 2]
  output y = x -> b
}
""",
        Found(3, 14, "'m' is f32[2], its update f32[N, 2]"),
    ),
    Case(
        "repeat_count",
        """\
net n() {
  input x: f32[N, 10]
  output y = x -> repeat(0, dense(10))
}
""",
        Found(3, 19, "repeat needs a whole number of at least 1, not the number 0"),
    ),
    Case(
        "repeat_second",
        """\
net n() {
  input x: f32[N, 10]
  output y = x -> repeat(2, dense(3) -> flatten(2))
}
""",
        Found(3, 41, "flatten: there is nothing to flatten from axis 2 of [N, 3]"),
    ),
    Case(
        "no_init",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  param w: f32[3]
  output y = x + w
}
""",
        Found(3, 3, "param 'w' needs an initial value", "for example '= he_normal()' or '= zeros()'"),
    ),
    Case(
        "bad_init",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  param w: f32[3] = relu
  output y = x + w
}
""",
        Found(3, 3, "param 'w' begins with the layer 'relu', which is no initialiser"),
    ),
)
