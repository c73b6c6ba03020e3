"""Surnames by language with both nets, or a model of the characters of a text that then writes a page.

python examples/recurrent/train.py [--data names|shakespeare|text:FILE|...] [--quick] [--seed 1] [--figures OUT.json]
                                   [--pictures DIR]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import surnames
import writing

import netlang


def main() -> None:
    parser = argparse.ArgumentParser(description="recurrent nets")
    parser.add_argument(
        "--data", default="names:generated", metavar="SOURCE", help="names, shakespeare, text:FILE, text"
    )
    parser.add_argument("--quick", action="store_true", help="one epoch, to see it work")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--pictures", type=Path)
    args = parser.parse_args()
    data = netlang.data(args.data, length=surnames.LENGTH if args.data.startswith("names") else writing.LENGTH)
    task = surnames if "letters" in data.train else writing
    figures, picture = task.learn(data, args.seed, 1 if args.quick else None)
    for name, value in figures.items():
        print(f"{name:24} {value:.4f}")
    pictures = []
    if args.pictures:
        pictures.append(task.PICTURE)
        picture(args.pictures / task.PICTURE)
    if args.figures:
        args.figures.write_text(json.dumps({"figures": figures, "pictures": pictures}), encoding="utf-8")


if __name__ == "__main__":
    main()
