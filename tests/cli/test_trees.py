"""`axw fit trees`, `axw parse`, `axw evaluate` and `axw resume` of a parser, as a user meets them."""

import io
import json
import shutil
from xml.etree import ElementTree

import pytest

from axw.cli import main
from axw.data import Tree

TREES = [
    f"( (S (NP-SBJ (DT the) (NN {noun})) (VP (VBD sat){place}) (. .)) )"
    for noun in ("cat", "dog", "man")
    for place in ("", " (PP (IN on) (NP (DT the) (NN sun)))")
] * 4
SMALL = [
    *("transformer.d_model=16", "transformer.layers=1", "transformer.decoder_layers=1", "transformer.d_ff=32"),
    *("vocabulary=280", "batch_tokens=200", "longest=60", "train.threads=1", "search.beam=2", "train.log_every=1"),
    *("search.max_constant=20", "train.evaluate_every=4"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """train.mrg, valid.mrg, and a parser in trees.run."""
    folder = tmp_path_factory.mktemp("trees")
    (folder / "train.mrg").write_text("\n".join(TREES) + "\n")
    (folder / "valid.mrg").write_text("\n".join(TREES[:6]) + "\n")
    assert main(fit(folder, "trees.run", 6)) == 0
    return folder


def fit(folder, run, steps):
    changes = [word for change in SMALL for word in ("--set", change)]
    valid = ["--valid", str(folder / "valid.mrg")]
    return [
        "fit",
        "trees",
        str(folder / "train.mrg"),
        *valid,
        "--save",
        str(folder / run),
        "--steps",
        str(steps),
        *changes,
    ]


def said(words, capsys, monkeypatch, stdin=None):
    """Exit code, stdout and stderr."""
    if stdin is not None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
    capsys.readouterr()
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


def test_a_tree_a_line(folder, capsys, monkeypatch):
    stdin = "the cat sat .\n\nthe ( zürich ) 漢字 sat\n"
    code, out, _ = said(["parse", folder / "trees.run"], capsys, monkeypatch, stdin)
    lines = out.split("\n")
    assert code == 0 and len(lines) == 4 and lines[1] == lines[3] == ""
    assert Tree.from_string(lines[0]).words() == "the cat sat .".split()
    assert Tree.from_string(lines[2]).words() == "the -LRB- zürich -RRB- 漢字 sat".split()
    code, out, _ = said(["parse", folder / "trees.run", "--json"], capsys, monkeypatch, stdin)
    found = json.loads("[" + out.replace("}\n{", "},{") + "]")
    assert code == 0 and [one["tree"] for one in found] == [lines[0], None, lines[2]]
    assert [one["line"] for one in found] == [1, 2, 3] and found[0]["log_probability"] < 0
    both = ["parse", folder / "trees.run", "--with", folder / "trees.run"]
    assert said(both, capsys, monkeypatch, stdin)[1].split("\n") == lines


def test_a_picture_with_the_attention_of_a_word(folder, capsys, monkeypatch):
    picture = folder / "tree.svg"
    asked = ["parse", folder / "trees.run", "--svg", picture]
    for more in ([], ["--word", 2], ["--word", 2, "--layer", "cross 1"]):
        code, out, _ = said([*asked, *more], capsys, monkeypatch, "\nthe cat sat .\n")
        root = ElementTree.fromstring(picture.read_text())
        texts = [element.text for element in root.iter() if element.tag.endswith("text")]
        assert code == 0 and out.startswith("\n(") and {"cat", "sat"} <= set(texts)
        assert any("attends" in (element.text or "") for element in root) == bool(more)
    code, _, err = said([*asked, "--word", 9], capsys, monkeypatch, "the cat sat .\n")
    assert code == 2 and "word is 8; allowed: 0 to 3" in err
    code, _, err = said(["parse", folder / "trees.run", "--word", 2], capsys, monkeypatch, "the cat sat .\n")
    assert code == 2 and "--word is for --svg" in err
    code, _, err = said(asked, capsys, monkeypatch, "\n")
    assert code == 3 and "There is no sentence to draw" in err


def test_evaluate_as_evalb_counts(folder, capsys, monkeypatch):
    code, out, _ = said(["evaluate", folder / "trees.run", folder / "valid.mrg"], capsys, monkeypatch)
    assert code == 0 and "95 % interval" in out and "crossing" in out and "tag_accuracy" in out
    asked = ["evaluate", folder / "trees.run", folder / "valid.mrg", "--json", "--fail-under", "f1=100.5"]
    code, out, err = said(asked, capsys, monkeypatch)
    found = json.loads(out)
    assert code == 7 and "f1 is" in err and found["trees"] == 6 and 0 <= found["measures"]["f1"] <= 100
    low, high = found["f1_interval"]
    assert low <= found["measures"]["f1"] <= high


def test_resume_says_what_fit_said(folder, capsys, monkeypatch):
    shutil.copytree(folder / "trees.run", folder / "again.run")
    shutil.rmtree(folder / "again.run" / "model")
    code, out, _ = said(["resume", folder / "again.run"], capsys, monkeypatch)
    assert code == 0 and "6 steps" in out
    name = "model.safetensors"
    assert (folder / "again.run/model" / name).read_bytes() == (folder / "trees.run/model" / name).read_bytes()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("(S (NN cat))\n(S (NP (NN dog)\n", ("2 opening brackets are not closed", "line 2, column 1")),
        ("(S (NN cat)))\n", ("A closing bracket without an opening one", "line 1, column 13")),
        ("(S (NN cat))\n(S (NP ) (NN dog))\n", ("has no child", "line 2, column 8")),
        ("(S (NN cat))\n(S (-NONE- *))\n", ("it holds no word but traces", "tree 2")),
        (
            "(S (NN cat) dog)\n",
            ("The word 'dog' has no tag of its own", "tree 1: <Tree (S (NN cat) dog)>", 'leaves="XX"'),
        ),
        ("", ("There is no data", "train.mrg")),
    ],
)
def test_bad_trees_are_said_with_their_place(text, told, tmp_path, capsys, monkeypatch):
    (tmp_path / "train.mrg").write_text(text)
    (tmp_path / "valid.mrg").write_text(TREES[0])
    code, out, err = said(fit(tmp_path, "bad.run", 1), capsys, monkeypatch)
    assert code == 3 and out == "" and all(part in err for part in told), err


def test_what_is_no_parser_is_said(folder, capsys, monkeypatch):
    code, _, err = said(["parse", folder], capsys, monkeypatch, "the cat\n")
    assert code == 4 and "Not a folder that axw saved" in err
    code, _, err = said(["fit", "trees", "-", "--save", folder / "x.run"], capsys, monkeypatch, "")
    assert code == 2 and "stdin will not do" in err
    code, _, err = said(["evaluate", folder / "trees.run", folder / "valid.mrg", "b"], capsys, monkeypatch)
    assert code == 2 and "Only a translator has a REFERENCE" in err
