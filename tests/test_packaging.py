"""What is installed is what is in the tree: pyproject lists the packages by hand, because two of them are mapped."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLACES = {"netlang": ROOT / "netlang", "netlang.grammar": ROOT / "grammar", "netlang.backends": ROOT / "backends"}


def packages_of_the_tree() -> set[str]:
    found = set()
    for name, folder in PLACES.items():
        for init in folder.rglob("__init__.py"):
            below = init.parent.relative_to(folder).parts
            found.add(".".join((name, *below)))
    return found


def test_every_package_is_listed() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert set(setuptools["packages"]) == packages_of_the_tree()


def test_every_folder_with_python_is_a_package() -> None:
    for folder in PLACES.values():
        for file in folder.rglob("*.py"):
            assert (file.parent / "__init__.py").exists(), (
                f"{file.parent} has no __init__.py: it would not be installed"
            )


def test_extras_are_named_as_the_readme_says() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras) == {"digits", "cuda", "onnx", "bench", "test"}
