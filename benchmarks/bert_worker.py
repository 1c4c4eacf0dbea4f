"""The peer of `benchmarks/words.py`: Hugging Face BERT, in a process and perhaps a Python of its own. It knows nothing of axw.

python bert_worker.py speed fp32|bf16 THREADS          one line in, one line out: seconds of some training steps
python bert_worker.py train FOLDER MINUTES THREADS     trains on FOLDER/train.txt, answers what FOLDER/asked.npz asks for
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertForMaskedLM

VOCABULARY, ROWS, LENGTH, STEPS = 8000, 64, 128, 2
PAD, BOS, EOS, MASK, FIRST = 0, 1, 2, 4, 5


def bert(size: int) -> BertForMaskedLM:
    """d 256, 4 layers, 4 heads, feed-forward 1,024; dropout 0.1 everywhere, as is its default."""
    config = BertConfig(
        vocab_size=size,
        hidden_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=1024,
        max_position_embeddings=LENGTH,
        type_vocab_size=1,
        pad_token_id=PAD,
    )
    return BertForMaskedLM(config)


def masked(ids: torch.Tensor, random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """15 % of the ids as labels, 80 / 10 / 10, -100 elsewhere."""
    draw, how = torch.rand(ids.shape, generator=random), torch.rand(ids.shape, generator=random)
    chosen = draw < 0.15
    other = torch.randint(FIRST, VOCABULARY, ids.shape, generator=random)
    shown = torch.where(chosen & (how < 0.8), MASK, torch.where(chosen & (how < 0.9), other, ids))
    return shown, torch.where(chosen, ids, -100)


def speed(precision: str) -> None:
    """Answers each line of stdin with the seconds of STEPS steps on ROWS x LENGTH ids."""
    random = torch.Generator().manual_seed(0)
    model = bert(VOCABULARY).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    ids = torch.randint(FIRST, VOCABULARY, (ROWS, LENGTH), generator=random)
    for _ in sys.stdin:
        started = time.perf_counter()
        for _ in range(STEPS):
            shown, labels = masked(ids, random)
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                loss = model(input_ids=shown, labels=labels).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
        print(json.dumps({"seconds": time.perf_counter() - started, "steps": STEPS}), flush=True)


def train(folder: Path, minutes: float) -> None:
    """Trainer with its defaults, but for the rate, the warm-up and the batch; writes FOLDER/answers.npz."""
    from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerFast, Trainer, TrainingArguments

    names = {
        "pad_token": "<pad>",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "mask_token": "[MASK]",
    }
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **names)
    lines = (folder / "train.txt").read_text(encoding="utf-8").split("\n")
    pieces = tokenizer(lines, add_special_tokens=False)["input_ids"]
    rows = [{"input_ids": [BOS, *ids[: LENGTH - 2], EOS]} for ids in pieces if ids]
    mean = sum(len(row["input_ids"]) for row in rows) / len(rows)
    model = bert(len(tokenizer))
    settings = json.loads((folder / "settings.json").read_text())

    def trainer(steps: int) -> Trainer:
        arguments = TrainingArguments(
            output_dir=str(folder / "hf"),
            use_cpu=True,
            bf16=True,
            max_steps=steps,
            per_device_train_batch_size=max(1, round(settings["batch_tokens"] / mean)),
            train_sampling_strategy="group_by_length",
            learning_rate=settings["rate"],
            warmup_steps=0.06,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            logging_steps=200,
            seed=0,
        )
        return Trainer(model, arguments, data_collator=DataCollatorForLanguageModeling(tokenizer), train_dataset=rows)

    started = time.perf_counter()
    trainer(12).train()
    steps = max(1, int(minutes * 60 / ((time.perf_counter() - started) / 12)))
    model = bert(len(tokenizer))
    started = time.perf_counter()
    trainer(steps).train()
    print(f"Hugging Face: {steps} steps in {time.perf_counter() - started:.0f} s", file=sys.stderr)
    answer(model.eval(), folder)


@torch.no_grad()
def answer(model: BertForMaskedLM, folder: Path) -> None:
    """nats and first guesses at the places that are asked for, batch after batch."""
    found = {}
    with np.load(folder / "asked.npz") as asked:
        for number in range(len(asked.files) // 3):
            ids, places, aims = (torch.from_numpy(asked[f"{name}{number}"]) for name in ("ids", "places", "targets"))
            logits = model(input_ids=ids, attention_mask=(ids != PAD).long()).logits.flatten(0, 1)[places].float()
            found[f"nats{number}"] = torch.nn.functional.cross_entropy(logits, aims, reduction="none").numpy()
            found[f"right{number}"] = (logits.argmax(-1) == aims).numpy()
    np.savez(folder / "answers.npz", **found)


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[-1]))
    if sys.argv[1] == "speed":
        speed(sys.argv[2])
    else:
        train(Path(sys.argv[2]), float(sys.argv[3]))
