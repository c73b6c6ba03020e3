"""What distinguishes one output transform of Winograd's convolution from another."""

from __future__ import annotations

from dataclasses import dataclass

from netlang.backends.common.epilogue import Epilogue, operands

NUMBERS = {
    "x_image": "l",  # bytes from an image of x to the next
    "out_image": "l",
    "out_stride": "l",  # elements of the weights from an output channel to the next,
    "in_stride": "l",  # an input channel,
    "down_stride": "l",  # a tap
    "across_stride": "l",
    "patches": "i",  # of all images
    "pitch": "i",  # patches with those that are added
    "down": "i",  # patches of an image
    "across": "i",
    "out_channels": "i",
    "channels": "i",  # of x
    "height": "i",
    "width": "i",
    "pad_top": "i",
    "pad_left": "i",
    "map_height": "i",  # of what the convolution computes
    "map_width": "i",
    "out_height": "i",  # of the result, after the pool
    "out_width": "i",
}
"""Numbers that every kernel gets, with their kinds."""


@dataclass(frozen=True)
class PatchPool:
    """A pool whose windows are side by side, whole, and each inside of a patch: `max`, `switch` (max with positions),
    `sum` or `mean`."""

    kind: str
    kernel: tuple[int, int]


@dataclass(frozen=True)
class WinogradOutput:
    """m        results of a patch, down and across
    vector     all m of a row are stored at once: none of them can be outside of the map, and they are aligned
    tensors    element types (f32, bool) of the operands of the map's shape
    switch     element type of the positions; empty where they are not asked for
    """

    m: int
    threads: int
    vector: bool = False
    before: Epilogue = ()
    after: Epilogue = ()
    tensors: tuple[str, ...] = ()
    pool: PatchPool | None = None
    switch: str = ""

    @property
    def key(self) -> str:
        """All that code depends on."""
        steps = ";".join(map(str, self.before)) + "|" + ";".join(map(str, self.after))
        flags = f"{self.m}:{self.threads}{'v' * self.vector}"
        return f"winograd_output:{flags}:{steps}:{','.join(self.tensors)}:{self.switch}:{self.pool or ''}"

    @property
    def channels(self) -> int:
        """Operands with a number for each channel."""
        return operands((*self.before, *self.after), "channel")

    @property
    def arguments(self) -> dict[str, str]:
        """Names of the kernel's arguments in order, with their kinds."""
        addresses = ["products", "x", "weights", "out"] + ["switches"] * bool(self.switch)
        addresses += [f"channel{i}" for i in range(self.channels)]
        addresses += [f"tensor{i}" for i in range(len(self.tensors))]
        return {**dict.fromkeys(addresses, "p"), **NUMBERS}
