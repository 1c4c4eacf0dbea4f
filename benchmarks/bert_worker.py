"""The peer of `benchmarks/words.py`: Hugging Face BERT, in a process and perhaps a Python of its own. It knows nothing of axw.

python bert_worker.py speed fp32|bf16 THREADS          one line in, one line out: seconds of some training steps
python bert_worker.py train FOLDER MINUTES THREADS     trains on FOLDER/train.txt, answers what FOLDER/asked.npz asks for
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import BertConfig, BertForMaskedLM

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VOCABULARY, ROWS, LENGTH, STEPS = 8000, 64, 128, 2
PAD, BOS, EOS, MASK, FIRST = 0, 1, 2, 4, 5
PADDING = {"input_ids": PAD, "attention_mask": 0, "offset_mapping": (0, 0), "special_tokens_mask": 1}
WARMING = 0.06  # share of the time in which the rate rises


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


class Clock:
    """The time of a run: how much of it has passed, and what share of the highest rate that stands for."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.started = seconds, time.perf_counter()

    def begin(self) -> None:
        self.started = time.perf_counter()

    def passed(self) -> float:
        return time.perf_counter() - self.started

    def share_of_rate(self) -> float:
        """Up in a line for the first 6 % of the time, then down in a line to 0 at its end."""
        part = self.passed() / self.seconds
        return part / WARMING if part < WARMING else max(0.0, (1 - part) / (1 - WARMING))


def _stopping(clock: Clock) -> Any:
    """A callback of the Trainer that ends training when the time is over."""
    from transformers import TrainerCallback

    class Stop(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop = clock.passed() >= clock.seconds

    return Stop()


def train(folder: Path, minutes: float) -> None:
    """Trainer with its defaults, but for rate, batch and a schedule by the clock; writes FOLDER/answers.npz.

    The rate rises and falls with the minutes that have passed and not with the steps, so that it ends at 0 when they are over,
    however fast the machine turns out to be.

    Whole words are hidden, as in what is asked (Trainer's collator then writes [MASK] over each of them).
    """
    from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerFast, Trainer, TrainingArguments

    names = {
        "pad_token": "<pad>",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "mask_token": "[MASK]",
    }
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **names)
    rows = rows_of(tokenizer, (folder / "train.txt").read_text(encoding="utf-8").split("\n"))
    mean = sum(len(row["input_ids"]) for row in rows) / len(rows)
    settings = json.loads((folder / "settings.json").read_text())
    hiding = DataCollatorForLanguageModeling(tokenizer, whole_word_mask=True, mlm_probability=settings["ratio"])

    def collate(batch: list[dict[str, list[Any]]]) -> Any:
        """The collator does not pad where each piece is from, so that the rows are padded before."""
        longest = max(len(row["input_ids"]) for row in batch)
        return hiding(
            [{name: [*row[name], *[by] * (longest - len(row[name]))] for name, by in PADDING.items()} for row in batch]
        )

    arguments = TrainingArguments(
        output_dir=str(folder / "hf"),
        use_cpu=True,
        bf16=True,
        max_steps=10**6,
        per_device_train_batch_size=max(1, round(settings["batch_tokens"] / mean)),
        train_sampling_strategy="group_by_length",
        learning_rate=settings["rate"],
        remove_unused_columns=False,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        logging_steps=100,
        seed=0,
    )
    model, clock = bert(len(tokenizer)), Clock(minutes * 60)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings["rate"])
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: clock.share_of_rate())
    trainer = Trainer(
        model,
        arguments,
        data_collator=collate,
        train_dataset=rows,
        optimizers=(optimizer, schedule),
        callbacks=[_stopping(clock)],
    )
    clock.begin()
    trainer.train()
    print(f"Hugging Face: {trainer.state.global_step} steps in {clock.passed():.0f} s", file=sys.stderr)
    answer(model.eval(), folder)


def rows_of(tokenizer: PreTrainedTokenizerFast, lines: list[str]) -> list[dict[str, list[Any]]]:
    """The lines as the collator reads them: ids between <s> and </s>, and from which letters each is, so that it sees words."""
    told = tokenizer(lines, add_special_tokens=False, return_offsets_mapping=True)
    rows = []
    for line, ids, offsets in zip(lines, told["input_ids"], told["offset_mapping"], strict=True):
        if ids:
            read = [BOS, *ids[: LENGTH - 2], EOS]
            special = [1, *[0] * (len(read) - 2), 1]
            letters = [
                (begin + (line[begin] == " "), end) for begin, end in offsets[: LENGTH - 2]
            ]  # a gap is a new word
            where = [(0, 0), *letters, (0, 0)]
            rows.append(
                {
                    "input_ids": read,
                    "attention_mask": [1] * len(read),
                    "offset_mapping": where,
                    "special_tokens_mask": special,
                }
            )
    return rows


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
