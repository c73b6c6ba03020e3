"""State dicts of PyTorch, by tables of names: the nets give what PyTorch gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import netlang
from netlang.diagnostics import Source
from netlang.runtime.mapping.table import parse_table

RECURRENT = {
    "rnn": """
        **.weight_ih_l* -> rnn{$2+1}.cell.input_weight
        **.weight_hh_l* -> rnn{$2+1}.cell.state_weight
        **.bias_ih_l* + **.bias_hh_l* -> rnn{$2+1}.cell.bias
        """,
    "lstm": """
        **.weight_ih_l* -> lstm{$2+1}.cell.input_weight
        **.weight_hh_l* -> lstm{$2+1}.cell.state_weight
        **.bias_ih_l* + **.bias_hh_l* -> lstm{$2+1}.cell.bias
        """,
    "gru": """
        **.weight_ih_l* -> gru{$2+1}.cell.input_weight
        **.weight_hh_l* -> gru{$2+1}.cell.state_weight
        **.bias_ih_l*   -> gru{$2+1}.cell.input_bias
        **.bias_hh_l*   -> gru{$2+1}.cell.state_bias
        """,
}


def saved(module: nn.Module, path: Path) -> Path:
    save_file(module.state_dict(), path)
    return path


@pytest.mark.parametrize(("kind", "make"), [("rnn", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU)])
def test_recurrent_layers(kind: str, make: Callable[..., nn.Module], tmp_path: Path) -> None:
    torch.manual_seed(1)
    theirs = nn.ModuleDict({"layers": make(5, 4, num_layers=2, batch_first=True), "out": nn.Linear(4, 3)})
    net = f"net n {{ input x: f32[N, T, 5]\n out = projection(3)\n output y = x -> {kind}(4) -> {kind}(4) -> out }}"
    model = netlang.compile(net, target="reference")
    report = model.load_weights(saved(theirs, tmp_path / "w"), map=parse_table(Source("t", RECURRENT[kind])))
    assert not report.lacking and not report.left and report.taken["out.weight"] == ("out.weight",)
    x = np.random.default_rng(0).normal(size=(2, 6, 5)).astype(np.float32)
    with torch.no_grad():
        wanted = theirs["out"](theirs["layers"](torch.from_numpy(x))[0]).numpy()
    np.testing.assert_allclose(model(x), wanted, rtol=1e-5, atol=1e-6)


RESNET = """
block basic(x, width, stride) {
  conv1 = conv(width, 3, stride = stride, pad = 1, bias = false)
  bn1 = batchnorm()
  conv2 = conv(width, 3, pad = 1, bias = false)
  bn2 = batchnorm()
  h = x -> conv1 -> bn1 -> relu -> conv2 -> bn2
  if h.shape == x.shape { return relu(h + x) }
  return relu(h + (x -> conv(width, 1, stride = stride, bias = false) -> batchnorm))
}
net resnet(classes = 3) {
  input image: f32[N, 3, 8, 8]
  stem, bn = conv(4, 3, pad = 1, bias = false), batchnorm()
  h = image -> stem -> bn -> relu
  for stage in range(2) { for i in range(2) { h = h -> basic(4 * 2 ** stage, 2 if i == 0 and stage > 0 else 1) } }
  output logits = h -> global_avgpool -> dense(classes)
}
"""
RESNET_TABLE = """
conv1.weight              -> stem.weight
bn1.*                     -> bn.*                   # weight, bias, running statistics
drop **.num_batches_tracked
layer*.*.downsample.0.*   -> basic{2*$1+$2-1}.conv3.$3
layer*.*.downsample.1.*   -> basic{2*$1+$2-1}.batchnorm1.$3
layer*.*.*.*              -> basic{2*$1+$2-1}.$3.$4
fc.*                      -> dense1.*
"""


class Basic(nn.Module):
    """As torchvision names its parts."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        shortcut = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))
        self.downsample = shortcut if inputs != width else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(h + (self.downsample(x) if self.downsample is not None else x))


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(Basic(4, 4, 1), Basic(4, 4, 1))
        self.layer2 = nn.Sequential(Basic(4, 8, 2), Basic(8, 8, 1))
        self.fc = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> Any:
        h = self.layer2(self.layer1(torch.relu(self.bn1(self.conv1(x)))))
        return self.fc(h.mean((2, 3)))


@pytest.fixture
def resnet() -> nn.Module:
    torch.manual_seed(2)
    found = ResNet()
    found(torch.randn(8, 3, 8, 8))  # running statistics that are not those of the beginning
    return found.eval()


@pytest.mark.parametrize("by_order", [False, True])
def test_a_residual_network(resnet: nn.Module, by_order: bool, tmp_path: Path) -> None:
    model = netlang.compile(RESNET, target="reference")
    table = None if by_order else parse_table(Source("t", RESNET_TABLE))
    report = model.load_weights(saved(resnet, tmp_path / "w"), map=table, by_order=by_order)
    assert not report.lacking and all(name.endswith("num_batches_tracked") for name in report.left)
    assert len(report.left) == 10 and bool(report.guessed) == by_order
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    with torch.no_grad():
        wanted = resnet(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(model(x), wanted, rtol=1e-4, atol=1e-5)


def test_a_pickle_is_not_read(resnet: nn.Module, tmp_path: Path) -> None:
    model = netlang.compile(RESNET, target="reference")
    for new in (True, False):
        torch.save(resnet.state_dict(), tmp_path / "w.pt", _use_new_zipfile_serialization=new)
        with pytest.raises(netlang.NetError, match="pickle of PyTorch") as fault:
            model.load_weights(tmp_path / "w.pt")
        assert "save_file" in str(fault.value)
