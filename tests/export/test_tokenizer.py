"""The tokenizer of an export gives the same ids as the vocabulary, and every line back byte for byte."""

import os
from pathlib import Path

import pytest

from axw.data import read_lines
from axw.data.vocabulary import EOS, Vocabulary
from axw.export.huggingface.tokenizer import tokenizer_files
from axw.storage import write_folder

transformers = pytest.importorskip("transformers", reason="needs pip install 'axw[export]'")


def checked(lines, vocabulary, folder):
    write_folder(folder, tokenizer_files(vocabulary, (), 512, masks=True), meta={})
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(lines)["input_ids"]
    ours = vocabulary.encode(lines)
    assert all(found == [*ours[i].tolist(), EOS] for i, found in enumerate(ids))
    back = tokenizer.batch_decode(ids, skip_special_tokens=True)
    assert [line.encode() for line in back] == [line.encode() for line in lines]


ODD = ["Ein Mann sitzt.", "  two  blanks ", "tab\there", "naïve — “quoted” 你好 🙂", "x", "don't , stop .", "a▁b Ġc"]


def test_odd_lines_come_back(tmp_path):
    checked(ODD, Vocabulary.learn(ODD * 3, 290), tmp_path / "odd")


@pytest.mark.data
@pytest.mark.parametrize("name", ["multi30k/train.en.gz", "multi30k/train.de.gz", "words/brown.train.txt.gz"])
def test_ten_thousand_lines_come_back_byte_for_byte(name, tmp_path):
    lines = list(read_lines(str(Path(os.environ.get("AXW_DATA", "../shared/data")) / name)))[:10_000]
    assert len(lines) == 10_000
    checked(lines, Vocabulary.learn(lines, 4000), tmp_path / "data")
