"""Folders as Hugging Face's library writes them, with models of random weights: nothing is downloaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.implementations import BertWordPieceTokenizer

from tests.export.made import LINES


def bert(folder: Path, **form: Any) -> Any:
    """A BertForMaskedLM with its tokenizer in the folder, and the model itself."""
    import transformers

    folder.mkdir()
    words = BertWordPieceTokenizer(lowercase=True)
    words.train_from_iterator(LINES, vocab_size=120, show_progress=False)
    words.save(str(folder / "tokenizer.json"))
    start = {
        "vocab_size": words.get_vocab_size(),
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "max_position_embeddings": 48,
    }
    config = transformers.BertConfig(**{**start, **form})
    model = _random(transformers.BertForMaskedLM(config))
    model.save_pretrained(folder)
    return model


def marian(folder: Path, *, spm: bool = False, **form: Any) -> Any:
    """A MarianMTModel with its tokenizer in the folder, as tokenizer.json or as SentencePiece models."""
    import transformers

    folder.mkdir()
    size = _sentencepiece(folder) if spm else _unigram(folder)
    start = {
        "vocab_size": size,
        "d_model": 24,
        "encoder_layers": 2,
        "decoder_layers": 1,
        "encoder_attention_heads": 3,
        "decoder_attention_heads": 3,
        "encoder_ffn_dim": 40,
        "decoder_ffn_dim": 40,
        "activation_function": "swish",
        "scale_embedding": True,
        "max_position_embeddings": 64,
        "eos_token_id": 0,
        "pad_token_id": size - 1,
        "decoder_start_token_id": size - 1,
        "forced_eos_token_id": 0,
    }
    model = _random(transformers.MarianMTModel(transformers.MarianConfig(**{**start, **form})))
    model.save_pretrained(folder)
    return model


def _random(model: Any) -> Any:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if tensor.is_floating_point() and "embed_positions" not in name:
                tensor.add_(torch.randn(tensor.shape, generator=generator) * 0.2)
    return model.eval()


def _unigram(folder: Path) -> int:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    names = ["</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=90, special_tokens=names, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    tokenizer.add_special_tokens(["<pad>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    return int(tokenizer.get_vocab_size())


def _sentencepiece(folder: Path) -> int:
    import sentencepiece

    pieces: list[str] = []
    for side, lines in (("source", LINES), ("target", LINES[::2])):
        prefix = str(folder / side)
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_prefix=prefix, vocab_size=60, hard_vocab_limit=False, minloglevel=2
        )
        (folder / f"{side}.model").rename(folder / f"{side}.spm")
        processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{side}.spm"))
        pieces += [processor.id_to_piece(i) for i in range(3, processor.get_piece_size())]
    known = {piece: i for i, piece in enumerate(["</s>", "<unk>", *dict.fromkeys(pieces), "<pad>"])}
    (folder / "vocab.json").write_text(json.dumps(known))
    return len(known)
