"""What imported nets look like: chains, blocks, shared layers, repetitions; they stay the nets that they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlang.interchange.importing import import_onnx
from tests.interchange.importing.random_nets import check
from tests.interchange.importing.round_trip import brought_back, exported, module_of, random_weights

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

CHAIN = """\
net chain {
  input x: f32[N, 3, 8, 8]
  output y = x -> conv(4, 3, pad = 1) -> relu -> maxpool(2) -> flatten -> dense(5) -> softmax
}
"""

RESIDUAL = """\
block double_conv(x, channels, stride = 1) {
  return x -> conv(channels, 3, stride = stride, pad = 1, bias = false) -> batchnorm -> relu
      -> conv(channels, 3, pad = 1, bias = false) -> batchnorm
}

block residual_block(x) { return relu((x -> double_conv(x.shape[1])) + x) }

net residual {
  input x: f32[N, 3, 8, 8]
  h = x -> conv(4, 3, pad = 1, bias = false) -> batchnorm -> relu -> repeat(3, residual_block)
  a = relu((h -> double_conv(8, stride = 2)) + (h -> conv(8, 1, stride = 2))) -> residual_block
  output y = relu((a -> double_conv(16, stride = 2)) + (a -> conv(16, 1, stride = 2))) -> residual_block
      -> residual_block -> global_avgpool -> dense(5)
}
"""

RENAMED = RESIDUAL.replace("double_conv", "pair").replace("  h =", "  c =").replace("(h ->", "(c ->")

BRANCHES = """\
block inception(x, channels1, channels2, channels3) {
  h = x -> conv(channels1, 1) -> relu
  a = x -> conv(channels2, 1) -> relu -> conv(channels3, 3, pad = 1) -> relu
  b = x -> maxpool(3, stride = 1, pad = 1) -> conv(4, 1)
  return (h, a, b) -> concat
}

net branches {
  input x: f32[N, 3, 6, 6]
  output y = x -> inception(3, 2, 5) -> inception(4, 4, 6) -> inception(7, 3, 6) -> global_avgpool
}
"""

SHARED = """\
net shared {
  input a: f32[N, 6]
  input b: f32[N, 6]
  shared_layer = dense(4)
  output distance = sum(((a -> shared_layer -> relu) - (b -> shared_layer -> relu)) ** 2, axis = 1)
}
"""

TWO_OUTPUTS = """\
net two_outputs {
  input x: f32[N, 3, 8, 8]
  features = x -> conv(4, 3) -> relu
  output classes = features -> global_avgpool -> dense(5)
  output map = features -> conv(2, 1) -> sigmoid
}
"""


@pytest.mark.parametrize("text", [CHAIN, RESIDUAL, BRANCHES, SHARED, TWO_OUTPUTS])
def test_what_a_person_wrote_comes_back_as_it_was(text: str, tmp_path: Path) -> None:
    assert brought_back(text, tmp_path).text == text


# What is written in another way but is the same net, with the number of lines that it may have.
OTHERS = {
    "separable": (
        """
        block unit(x, channels, stride = 1) {
          h = x -> conv(x.shape[1], 3, stride = stride, pad = 1, groups = x.shape[1], bias = false) -> batchnorm -> relu
          return h -> conv(channels, 1, bias = false) -> batchnorm -> relu
        }
        net mobile {
          input x: f32[N, 3, 16, 16]
          h = x -> conv(4, 3, stride = 2, pad = 1) -> relu -> unit(8) -> unit(8) -> unit(16, stride = 2) -> unit(16)
          output y = h -> unit(16) -> global_avgpool -> dense(3)
        }
        """,
        12,
    ),
    "grown": (
        """
        block grown(x) {
          new = x -> batchnorm -> relu -> conv(4, 1, bias = false) -> batchnorm -> relu -> conv(2, 3, pad = 1)
          return (x, new) -> concat
        }
        net dense_net {
          input x: f32[N, 3, 8, 8]
          h = x -> conv(4, 3, pad = 1) -> repeat(4, grown) -> conv(6, 1) -> avgpool(2) -> repeat(6, grown)
          output y = h -> global_avgpool -> dense(3)
        }
        """,
        11,
    ),
    "recurrent": (
        """
        net recurrent {
          input x: f32[N, T, 4]
          input ends: i64[N]
          output y = x -> gru(5, lengths = ends) -> lstm(6) -> lstm(6) -> mean(axis = 1) -> dense(3)
        }
        """,
        40,
    ),
    "transformer": (
        """
        block layer(x) {
          h = x + (x -> layernorm -> multihead_attention(2))
          return h + (h -> layernorm -> projection(16) -> gelu -> projection(8))
        }
        net transformer {
          input x: f32[N, 5, 8]
          output y = x -> layer -> layer -> layer -> mean(axis = 1) -> dense(3)
        }
        """,
        40,
    ),
    "twins": (
        """
        tower = conv(3, 3) -> relu -> conv(4, 3) -> relu -> flatten -> dense(6)
        net twins {
          input a: f32[N, 1, 8, 8]
          input b: f32[N, 1, 8, 8]
          output y = (a -> tower) * (b -> tower)
        }
        """,
        10,
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_ways_of_writing_come_back_short(name: str, tmp_path: Path) -> None:
    text, most = OTHERS[name]
    found = brought_back(text, tmp_path)
    assert len(found.text.splitlines()) <= most, found.text


def test_twins_keep_one_set_of_weights(tmp_path: Path) -> None:
    module = module_of(OTHERS["twins"][0])
    found = import_onnx(exported(module, random_weights(module), tmp_path / "twins.onnx"))
    assert len(found.weights) == len(module.net.params)


def test_texts_do_not_depend_on_names(tmp_path: Path) -> None:
    """The same net with other names in its file has the same blocks."""
    module, other = module_of(RESIDUAL), module_of(RENAMED)
    texts = [
        import_onnx(exported(m, random_weights(m), tmp_path / f"{n}.onnx")).text for n, m in enumerate((module, other))
    ]
    assert texts[1] == texts[0] == RESIDUAL


def test_names_of_sizes_values_and_blocks_do_not_meet(tmp_path: Path) -> None:
    text = """
    net meet {
      input x: f32[N, 4, h, a]
      conv_relu = x -> conv(8, 3, pad = 1) -> relu -> conv(6, 3, pad = 1) -> relu -> conv(4, 3, pad = 1) -> relu
      b = conv_relu -> conv(5, 3, pad = 1) -> relu -> conv(4, 3, pad = 1) -> relu -> conv(4, 3, pad = 1) -> relu
      output y = (conv_relu, b, b + conv_relu) -> concat
    }
    """
    found = brought_back(text, tmp_path)
    assert "f32[N, 4, h, a]" in found.text and "block conv_relu(" in found.text
    assert "conv_relu2 = x ->" in found.text


@pytest.mark.parametrize("seed", range(10))
def test_nets_drawn_at_random_stay_what_they_are(seed: int, tmp_path: Path) -> None:
    flat, lines = check(seed, tmp_path)
    assert lines <= flat


@pytest.mark.parametrize(
    ("file", "lines"),
    [("resnet20_cifar", 60), ("squeezenet_v1.0_dc", 15), ("version-slim-320", 45), ("silero_vad_openvino_16k", 16)],
)
def test_real_networks_are_short(file: str, lines: int, models: Path, tmp_path: Path) -> None:
    found = import_onnx(models / f"{file}.onnx")
    assert len(found.text.splitlines()) <= lines, found.text
    again = import_onnx(exported(module_of(found.text), found.weights, tmp_path / "again.onnx"))
    assert again.text == found.text


def test_a_flat_import_has_a_line_for_each_layer(models: Path) -> None:
    found = import_onnx(models / "resnet20_cifar.onnx", flat=True)
    assert len(found.text.splitlines()) > 70 and "block" not in found.text
