"""`import`: what a file gets of others, and every way in which it cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlang.diagnostics import NetError
from netlang.frontend import load

MAIN = """\
import "parts/blocks.net"

net main {
  input x: f32[N, 4]
  output y = x -> twice(dense(width)) -> shared
}
"""
BLOCKS = """\
import "../sizes.net"
width = small
shared = dense(small)
unused = 7
block twice(x, layer) {
  return x -> layer -> layer
}
"""
SIZES = "small = 4\n"


def write(folder: Path, **files: str) -> Path:
    """Files by name, `__` standing for a slash; the path of the one called main."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".net")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder / "main.net"


def test_blocks_constants_and_layers_of_other_files(tmp_path: Path) -> None:
    module = load(write(tmp_path, main=MAIN, parts__blocks=BLOCKS, sizes=SIZES))
    assert module.warnings == ()
    assert [p.node.name for p in module.net.params] == [
        "twice1.dense1.weight", "twice1.dense1.bias", "shared.weight", "shared.bias",
    ]  # fmt: skip
    assert [Path(s.name).name for s in module.imported] == ["sizes.net", "blocks.net"]


def test_names_are_not_handed_on(tmp_path: Path) -> None:
    main = MAIN.replace("dense(width)", "dense(small)")
    with pytest.raises(NetError, match="unknown name 'small'"):
        load(write(tmp_path, main=main, parts__blocks=BLOCKS, sizes=SIZES))


def test_a_net_of_another_file_is_a_layer(tmp_path: Path) -> None:
    encoder = (
        "net encoder(width = 5) {\n  input x: f32[N, D]\n  param w: f32[width, 4] = zeros()\n  output y = x @ w\n}\n"
    )
    main = """\
import "encoder.net"
net main {
  input a: f32[N, 5]
  input b: f32[M, 5]
  output both = (a -> encoder, encoder(b)) -> concat(axis = 0)
  output other = a -> encoder(width = 5)
}
"""
    module = load(write(tmp_path, main=main, encoder=encoder))
    assert [p.node.name for p in module.net.params] == ["encoder.w", "encoder1.w"]
    assert str(module.net.output("both").type) == "f32[M+N, 4]"


def test_two_files_may_import_a_third(tmp_path: Path) -> None:
    main = 'import "a.net"\nimport "b.net"\nnet main {\n  input x: f32[N, 4]\n  output y = x -> left -> right\n}\n'
    a = 'import "c.net"\nblock left(x) { return x -> common }\n'
    b = a.replace("left", "right")
    module = load(write(tmp_path, main=main, a=a, b=b, c="common = dense(4)\n"))
    assert [p.node.name for p in module.net.params] == ["common.weight", "common.bias"]


def test_the_fingerprint_covers_what_is_imported(tmp_path: Path) -> None:
    path = write(tmp_path, main=MAIN, parts__blocks=BLOCKS, sizes=SIZES)
    before = load(path).fingerprint
    assert load(path).fingerprint == before
    write(tmp_path, sizes=SIZES + "# more\n")
    assert load(path).fingerprint != before


def test_a_fault_in_an_imported_file_shows_its_line_and_how_it_came_in(tmp_path: Path) -> None:
    path = write(tmp_path, main=MAIN, parts__blocks=BLOCKS.replace("7", "small )"), sizes=SIZES)
    with pytest.raises(NetError) as raised:
        load(path, name="main.net")
    assert str(raised.value) == (
        "parts/blocks.net:4:16: error: ')' closes nothing\n"
        "   4 | unused = small )\n"
        "     |                ^\n"
        "  imported at main.net:1:8:\n"
        '   1 | import "parts/blocks.net"\n'
        "     |        ^^^^^^^^^^^^^^^^^^"
    )


def test_faults_of_constants_and_blocks_of_other_files(tmp_path: Path) -> None:
    path = write(tmp_path, main=MAIN, parts__blocks=BLOCKS, sizes="small = 4 + big\n")
    with pytest.raises(NetError) as raised:
        load(path, name="main.net")
    text = str(raised.value)
    assert text.startswith("sizes.net:1:13: error: unknown name 'big'")
    assert "imported at parts/blocks.net:1:8:" in text and "imported at main.net:1:8:" in text
    blocks = BLOCKS.replace("-> layer -> layer", "-> layer -> conv(4, 3)")
    with pytest.raises(NetError) as raised:
        load(write(tmp_path, main=MAIN, parts__blocks=blocks, sizes=SIZES), name="main.net")
    text = str(raised.value)
    assert "parts/blocks.net:6:24: error: conv expects" in text
    assert "in the block used at main.net:5:19:" in text and "imported" not in text


REFUSED = [
    ('import "missing.net"', "there is no file", ""),
    ('import "block.net"', "there is no file", "did you mean 'blocks.net'?"),
    ('import ""', "the path of the file to import is empty", "for example"),
    ('import "/etc/passwd"', "'/etc/passwd' is no path from this file's folder", "for example"),
    ('import "~/x.net"', "'~/x.net' is no path from this file's folder", "for example"),
    ('import "../x.net"', "'../x.net' leads out of the folder", "from the folder of the file that is compiled"),
    ('import "folder"', "'folder' is a folder", "one by one"),
    ('import "text.txt"', "'text.txt' is no .net file", ""),
    ('import "main.net"', "the files import each other in a ring: main.net -> main.net", ""),
    ('import "ring.net"', "the files import each other in a ring: main.net -> ring.net -> main.net", ""),
    ('import "latin.net"', "is not UTF-8 text (line 1)", "save it as UTF-8"),
    ('import "a\0b.net"', "cannot be read", ""),
]


@pytest.mark.parametrize(("line", "message", "hint"), REFUSED)
def test_what_cannot_be_imported(tmp_path: Path, line: str, message: str, hint: str) -> None:
    folder = tmp_path / "folder_of_main"
    (folder / "folder").mkdir(parents=True)
    (tmp_path / "x.net").write_text("small = 4\n")
    (folder / "text.txt").write_text("small = 4\n")
    (folder / "latin.net").write_bytes(b"# \xe9\n")
    write(folder, ring='import "main.net"\n', blocks="a = 1\n")
    path = write(folder, main=f"# first\n{line}\nnet main {{\n  input x: f32[N]\n  output y = x\n}}\n")
    with pytest.raises(NetError) as raised:
        load(path, name="main.net")
    (found,) = raised.value.diagnostics
    where = (found.spans[0].source.name, found.spans[0].line, found.spans[0].column)
    assert where == (("ring.net", 1, 8) if "ring.net" in line else ("main.net", 2, 8))
    assert message in found.message and hint in found.hint


def test_a_link_that_leads_out(tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    (tmp_path / "x.net").write_text("small = 4\n")
    (folder / "y.net").symlink_to(tmp_path / "x.net")
    path = write(folder, main='import "y.net"\nnet main {\n  input x: f32[N]\n  output y = x\n}\n')
    with pytest.raises(NetError, match="leads out of the folder inside"):
        load(path)


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        ('import "a.net"\nimport "a.net"\n', 2, '"a.net" is imported already in line 1'),
        ('import "a.net"\nimport "b.net"\n', 2, '\'small\' of "b.net" comes from "a.net" too'),
        ('import "a.net"\nsmall = 3\n', 1, "'small' of \"a.net\" is defined in this file too, in line 2"),
        ('import "a.net"\nblock small(x) { return x }\n', 1, "is defined in this file too, in line 2"),
    ],
)
def test_the_same_name_twice(tmp_path: Path, lines: str, line: int, message: str) -> None:
    path = write(tmp_path, main=lines + "net n {\n  input x: f32[N]\n  output y = x\n}\n", a=SIZES, b=SIZES)
    with pytest.raises(NetError) as raised:
        load(path)
    (found,) = [d for d in raised.value.diagnostics if d.spans[0].line == line]
    assert found.spans[0].column == 8 and message in found.message


def test_too_many_files_one_inside_the_other(tmp_path: Path) -> None:
    for number in range(25):
        (tmp_path / f"f{number}.net").write_text(f'import "f{number + 1}.net"\na{number} = 1\n')
    path = write(tmp_path, main='import "f0.net"\nnet n {\n  input x: f32[N]\n  output y = x\n}\n')
    with pytest.raises(NetError, match="too much is imported"):
        load(path)
