"""Write docs/gallery.md: every family of examples, from its record and from the figures that were measured.

python -m benchmarks.gallery           the page, from docs/results.json
python -m benchmarks.gallery --train   all trainings first, as `python -m benchmarks.results` does
"""

from __future__ import annotations

import argparse

from benchmarks import results
from benchmarks.family.figures import known
from benchmarks.family.gallery_page import page
from benchmarks.family.records import ROOT, families

PAGE = ROOT / "docs" / "gallery.md"


def main() -> None:
    parser = argparse.ArgumentParser(description="Write docs/gallery.md.")
    parser.add_argument("--train", action="store_true", help="carry out all trainings first; an hour on two cores")
    if parser.parse_args().train:
        results.measure(families())
    PAGE.write_text(page(families(), known()), encoding="utf-8")
    print(PAGE.relative_to(ROOT))


if __name__ == "__main__":
    main()
