"""Draws what the filters make of a photograph, of a signal, and of a single bright pixel.

python examples/filters/pictures.py [--data PICTURE] [--pictures DIR] [--figures OUT.json]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import netlang
from netlang.pictures import chart, save, sheet

HERE = Path(__file__).parent
WIDTH, HEIGHT = 200, 150
"""Pixels of one picture."""

Array = NDArray[Any]


def photograph(path: str | None) -> Array:
    """[HEIGHT, WIDTH] in 0 ... 1: the file, or the roofs that come with scikit-learn."""
    if path is None:
        from sklearn.datasets import load_sample_image

        whole = Image.fromarray(load_sample_image("china.jpg")).crop((0, 60, 480, 420))
    else:
        whole = Image.open(path)
    return np.asarray(whole.convert("L").resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS), np.float32) / 255


def filtered(path: str | None) -> Image.Image:
    """The photograph and the five filters."""
    image = photograph(path)
    outputs = netlang.compile(HERE / "filters.net")(image[None, None])
    drawn = {name: maps[0, 0] for name, maps in outputs.items()}
    drawn["edges"] = drawn["edges"] + 0.5  # around middle grey: edges are as often negative as positive
    panels = {"image": image, **drawn}
    names, images = list(panels), list(panels.values())
    return sheet([images[:3], images[3:]], captions=[names[:3], names[3:]])


def smoothed() -> Image.Image:
    """A noisy step, and the three ways to treat its ends."""
    noise = np.random.default_rng(1).normal(0, 0.08, 40)
    signal = (np.where(np.arange(40) < 20, 0.3, 0.75) + noise).astype(np.float32)
    outputs = netlang.compile(HERE / "smoothing.net")(signal[None, None])
    reach = {"wide": 2, "same": 0, "narrow": -2}
    curves = {"signal": signal, **{name: outputs[name][0, 0] for name in reach}}
    places = {name: np.arange(len(y)) - reach.get(name, 0) for name, y in curves.items()}
    return chart({n: (places[n].tolist(), y.tolist()) for n, y in curves.items()}, across="place", up="value")


def turned() -> Image.Image:
    """One bright pixel: convolved, it becomes the kernel; correlated, the kernel turned by half a turn."""
    pixel = np.zeros((1, 1, 5, 5), np.float32)
    pixel[..., 2, 2] = 1
    outputs = netlang.compile(HERE / "flipped.net")(pixel)
    panels = [pixel[0, 0], *(maps[0, 0, 1:-1, 1:-1] / 4 for maps in outputs.values())]
    return sheet([panels], scale=30, columns=["a bright pixel", *outputs])


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw what the filters do.")
    parser.add_argument("--data", help="a picture; by default one that comes with scikit-learn")
    parser.add_argument("--seed", type=int, default=1, help="not used: nothing here is random")
    parser.add_argument("--quick", action="store_true", help="not used: it takes a second")
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--pictures", type=Path, default=Path("run/filters"))
    options = parser.parse_args()
    options.pictures.mkdir(parents=True, exist_ok=True)
    drawn = {"filters.png": filtered(options.data), "smoothing.png": smoothed(), "flipped.png": turned()}
    for name, picture in drawn.items():
        save(picture, options.pictures / name)
        print(options.pictures / name)
    if options.figures:
        options.figures.write_text(json.dumps({"figures": {}, "pictures": list(drawn)}))


if __name__ == "__main__":
    main()
