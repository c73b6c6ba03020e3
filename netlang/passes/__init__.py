"""The passes, each its own file, and the order in which they run.

scans             loops that do the same become one
hoist             what depends on no state of a loop leaves it (training: done by `optimizer` too, beforehand)
fold              nodes of constants become constants
simplify          algebra on single nodes
cse               equal nodes become one
towers            equal layers on different devices become one (training: done by `optimizer` before it differentiates)
fold_batchnorm    batch normalisation goes into the weights before it (inference)
switches          max pools move before activations and keep a switch for their gradient
dce               what nobody reads is gone
global_pool       the mean of a kernel's whole map becomes a pool
fuse              what one kernel can do becomes one node

A training graph is made by `optimizer.training_step` from the file's `train` section; `autodiff.differentiate` adds
gradients alone. `memory` plans the storage of whatever comes out; `recompute`, after the backend's own passes, makes a
training step fit into a budget of memory.
"""

from __future__ import annotations

from netlang.passes import cse, dce, fold, fold_batchnorm, fuse, global_pool, hoist, scans, simplify, switches, towers
from netlang.passes.manager import Pass

_CLEAN = (scans.PASS, hoist.PASS, fold.PASS, simplify.PASS, cse.PASS)
# Moving a pool leaves reshapes and additions of another size behind, so the algebra is gone through once more.
_TAIL = (switches.PASS, simplify.PASS, cse.PASS, dce.PASS, global_pool.PASS, fuse.PASS, dce.PASS)


def inference_pipeline(placed: bool = False) -> tuple[Pass, ...]:
    """The passes for a graph that only computes outputs. `placed`: what is on different devices stays there."""
    return (*_CLEAN, *(() if placed else (towers.PASS,)), fold_batchnorm.PASS, *_TAIL)


def training_pipeline() -> tuple[Pass, ...]:
    """The passes for a graph with gradients and updates."""
    return (*_CLEAN, *_TAIL)
