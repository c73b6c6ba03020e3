"""Layers and operations whose arguments do not fit."""

from __future__ import annotations

from tests.frontend.error_case import Case, Found


def _net(line: str) -> str:
    return f"net n() {{\n  input x: f32[N, 4, 6, 6]\n  {line}\n}}\n"


def _case(name: str, line: str, column: int, message: str, hint: str = "") -> Case:
    return Case(name, _net(line), Found(3, column, message, hint))


CASES = (
    _case(
        "transposed_groups",
        "output y = x -> conv_transpose(6, 3, groups = 3)",
        19,
        "conv_transpose: 4 input channels do not divide into 3 groups",
    ),
    _case(
        "transposed_output_pad",
        "output y = x -> conv_transpose(6, 3, stride = 2, output_pad = 2)",
        19,
        "output_pad must be smaller than the stride 2, got 2",
    ),
    _case(
        "transposed_away",
        "output y = x -> conv_transpose(6, 1, pad = 3)",
        19,
        "conv_transpose: nothing is left of [N, 4, 6, 6] (axis 2): the padding is too large",
    ),
    _case(
        "transposed_rank",
        "output y = x -> flatten -> conv_transpose(6, 1)",
        30,
        "conv_transpose expects [N, channels, ...spatial], got [N, 144]",
        "spatial dimensions come last",
    ),
    _case(
        "upsample_nothing",
        "output y = x -> upsample",
        19,
        "upsample needs a factor or a size",
        "upsample(2), or upsample(size = [64, 64])",
    ),
    _case("upsample_mode", "output y = x -> upsample(2, mode = same)", 19,
          "mode is nearest or bilinear, not the word same"),
    _case("upsample_sizes", "output y = x -> upsample(size = [3, 4, 5])", 19,
          "size has 3 entries for 2 spatial dimensions"),
    _case(
        "unpool_shape",
        "output y = max_unpool(x, argmax(x, axis = 1), 2)",
        14,
        "max_unpool: the switch must be [N, 4, 6, 6], got [N, 6, 6]",
    ),
    _case("topk_many", "output y = x -> topk(5)", 19,
          "topk: there are only 4 elements along axis 1 of [N, 4, 6, 6], k is 5"),
    _case("topk_parts", "output y = x -> topk(2)", 14, "an output must be a tensor, not a tuple of 2"),
    _case("device_negative", "output y = x -> relu -> conv(4, 3, device = -1)", 27,
          "device must be a number from 0 to 15, got -1"),
    _case("device_many", "output y = conv(x, 4, 3, device = 16)", 14, "device must be a number from 0 to 15, got 16"),
    _case("device_tensor", "output y = x -> relu(device = x)", 19,
          "device must be a whole number, not the tensor f32[N, 4, 6, 6]"),
    _case("device_size", "output y = x -> relu(device = x.shape[0])", 19,
          "device must be a whole number, not the size N"),
    _case("local_conv_kernel", "output y = x -> local_conv(2, 7)", 19,
          "conv: kernel 7 is larger than the padded input 6 (axis 2)"),
    Case("local_conv_of_any_size", "net n() {\n  input x: f32[N, 1, H, 8]\n  output y = x -> local_conv(2, 3)\n}\n",
         Found(3, 19, "param 'weight' is f32[H-2, 6, 2, 1, 3, 3], but the size H-2 is known only when the net runs",
               "parameters need fixed sizes: give the input fixed ones")),
    _case("heads", "output y = x -> flatten(2) -> multihead_attention(5)", 33,
          "multihead_attention: 36 features do not divide into 5 heads"),
    _case("attention_features", "output y = attention(x, slice(x, 3, 0, 2), x)", 14,
          "attention: queries [N, 4, 6, 6] and keys [N, 4, 6, 2] must have the same features"),
    _case("attention_mask", "output y = attention(x, x, x, mask = x)", 14,
          "a mask is of true and false, not of f32", "compare: lengths > arange(T)"),
    _case("layernorm_dims", "output y = x -> layernorm(4)", 19,
          "layernorm: [N, 4, 6, 6] does not have 4 dimensions besides the batch"),
    _case("groupnorm_groups", "output y = x -> groupnorm(3)", 19, "groupnorm: 4 channels do not divide into 3 groups"),
    _case("tensor_of_word", "output y = x + tensor(3)", 18, "tensor takes a list of numbers, not the number 3"),
    _case("tensor_ragged", "output y = x + tensor([[1, 2], [3]])", 18, "the rows of tensor have different lengths"),
    _case("window_sigma", "output y = x * tensor(gaussian_window(6, 0))", 25,
          "sigma must be a positive number, not the number 0"),
    Case(
        "device_in_another",
        """\
block tower(x) {
  return x -> relu -> conv(4, 3, device = 1)
}
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> tower(device = 0)
}
""",
        Found(2, 23, "a layer on device 1 cannot be part of one on device 0"),
    ),
)  # fmt: skip
