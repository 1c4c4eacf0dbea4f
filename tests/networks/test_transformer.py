"""The Transformer: word by word and at once, padded and alone, in every form that its settings allow."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from axw.equation import KINDS
from axw.errors import UsageError
from axw.networks.blocks import POSITIONS, TransformerSettings
from axw.networks.masked_words import MaskedWords
from axw.networks.transformer import Transformer

TINY = TransformerSettings(d_model=12, layers=2, heads=2, d_k=4, d_v=7, d_ff=24, longest=32)
FORMS = [
    TINY,
    replace(TINY, norm_place="post", bias=True, shared="target"),
    replace(TINY, norm="rms", shared="none", feedforward="swiglu"),
    replace(TINY, heads=1, score="bilinear", normalize="mean", feedforward="none"),
    replace(TINY, heads=1, score="dot", decoder_layers=1),
    *(replace(TINY, positions=kind) for kind in POSITIONS if kind != "sinusoidal"),
    replace(TINY, layers=0, decoder_layers=1),
    replace(TINY, heads=1, score="even", window=1),
    replace(
        TINY,
        norm_place="post",
        attention_bias=True,
        bias=True,
        embedding_norm=True,
        output_bias=True,
        norm_epsilon=1e-12,
    ),
]
SOURCE = torch.tensor([[7, 8, 9, 10, 2], [11, 5, 2, 0, 0], [6, 2, 0, 0, 0]])
TARGET = torch.tensor([[1, 9, 6, 5], [1, 12, 0, 0], [1, 5, 7, 0]])


def made(settings: TransformerSettings, size: int = 17) -> Transformer:
    return Transformer(settings, size, size, seed=3).double().eval()


@pytest.mark.parametrize("settings", FORMS, ids=str)
def test_word_by_word_is_at_once(settings: TransformerSettings) -> None:
    model = made(settings)
    wanted = torch.log_softmax(model.logits(model(SOURCE, TARGET)), -1)
    state = model.start(model.encode(SOURCE))
    for t in range(TARGET.shape[1]):
        scores, state = model.step(TARGET[:, t : t + 1], state)
        real = TARGET[:, t] != 0
        torch.testing.assert_close(scores[real, 0].double(), wanted[real, t], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("settings", FORMS, ids=str)
def test_alone_is_padded(settings: TransformerSettings) -> None:
    model = made(settings)
    together = model(SOURCE, TARGET)
    for row, (source, target) in enumerate(zip(SOURCE, TARGET, strict=True)):
        alone = model(source[source != 0][None], target[target != 0][None])
        torch.testing.assert_close(alone[0], together[row, : alone.shape[1]], rtol=1e-9, atol=1e-9)


def test_hypotheses_beside_each_other_are_hypotheses_alone() -> None:
    """Chosen, dropped and taken twice: the state goes with the words that were said."""
    model = made(replace(TINY, positions="rotary"))
    torch.manual_seed(0)
    said = [[[1]] for _ in SOURCE]
    state, kept = model.start(model.encode(SOURCE)), torch.arange(3)
    for width in (3, 5, 2):
        tokens = torch.tensor([[words[-1] for words in hypotheses] for hypotheses in said])
        scores, state = model.step(tokens, state)
        for place, hypotheses in enumerate(said):
            for number, words in enumerate(hypotheses):
                source = SOURCE[kept[place]]
                alone = model(source[source != 0][None], torch.tensor([words]))
                wanted = torch.log_softmax(model.logits(alone[0, -1]), -1)
                torch.testing.assert_close(scores[place, number].double(), wanted, rtol=1e-5, atol=1e-5)
        sentences = torch.randperm(len(said))[: max(1, len(said) - (width == 5))]
        parents = torch.randint(0, tokens.shape[1], (len(sentences), width))
        state = model.select(state, sentences, parents)
        said = [
            [[*said[s][p], int(torch.randint(5, 17, ()))] for p in row]
            for s, row in zip(sentences, parents, strict=True)
        ]
        kept = kept[sentences]


def test_attention_is_what_was_read() -> None:
    model = made(TINY)
    found = model.attention(SOURCE, TARGET)
    assert set(found) == {f"{kind} {n}" for kind in ("encoder", "decoder", "cross") for n in (1, 2)}
    assert found["cross 2"].shape == (3, 2, 4, 5) and found["decoder 1"].shape == (3, 2, 4, 4)
    for A in found.values():
        torch.testing.assert_close(A.sum(-1), torch.ones_like(A.sum(-1)))
    assert bool((found["cross 1"][2, :, :, 2:] == 0).all())
    assert bool((found["decoder 2"].triu(1) == 0).all())


def test_gated_kinds_have_as_many_numbers() -> None:
    counts = {
        kind: sum(p.numel() for p in Transformer(replace(TINY, d_ff=48, feedforward=kind), 17, 17).parameters())
        for kind in KINDS
    }
    assert len(set(counts.values())) == 1, counts


def test_even_attention_within_a_window_is_the_mean_of_neighbours() -> None:
    model = MaskedWords(replace(TINY, heads=1, score="even", window=1), 17, seed=1).double().eval()
    A = model.attention(torch.tensor([[5, 6, 7, 8, 0]]))["encoder 1"][0, 0, :4]
    wanted = [
        [1 / 2, 1 / 2, 0, 0, 0],
        [1 / 3, 1 / 3, 1 / 3, 0, 0],
        [0, 1 / 3, 1 / 3, 1 / 3, 0],
        [0, 0, 1 / 2, 1 / 2, 0],
    ]
    torch.testing.assert_close(A, torch.tensor(wanted, dtype=torch.float64))


def test_no_place_means_no_order() -> None:
    """Without places a sentence is a set; with any of the others it is not."""
    for kind in POSITIONS:
        model = MaskedWords(replace(TINY, positions=kind), 17, seed=1).double().eval()
        if kind == "relative":
            torch.nn.init.normal_(model.encoder.bias.learnt.weight)  # type: ignore[union-attr]
        one, other = (model.rows(torch.tensor([ids]))[0, 0] for ids in ([5, 7, 9, 11], [5, 11, 7, 9]))
        assert torch.allclose(one, other) == (kind == "none"), kind


@pytest.mark.parametrize(
    "changed",
    [{}, {"norm_place": "post"}, {"positions": "rotary", "feedforward": "geglu"}, {"positions": "alibi"}]
    + [{"feedforward": "none"}, {"layers": 0}, {"window": 1}],
    ids=str,
)
def test_masked_places_alone_are_changed_and_projected(changed: dict[str, object]) -> None:
    """The last layer makes nothing of the other rows; answers and gradients are as if it did."""
    model = MaskedWords(replace(TINY, **changed), 17, seed=1).double().eval()
    places, given = torch.tensor([1, 6, 10, 6]), list(model.parameters())
    few, all_rows = model(SOURCE, places), model.rows(SOURCE).reshape(15, -1)[places]
    torch.testing.assert_close(few, all_rows)
    one, other = (torch.autograd.grad(Y.square().sum(), given, allow_unused=True) for Y in (few, all_rows))
    torch.testing.assert_close([g for g in one if g is not None], [g for g in other if g is not None])


def test_masked_places_alone_are_projected() -> None:
    model = MaskedWords(TINY, 17, seed=1).double().eval()
    places = torch.tensor([1, 6, 10])
    torch.testing.assert_close(model(SOURCE, places), model.rows(SOURCE).reshape(15, -1)[places])
    assert model.logits(model(SOURCE, places)).shape == (3, 17)
    assert set(model.attention(SOURCE)) == {"encoder 1", "encoder 2"}


def test_what_bert_does_before_words_are_scored() -> None:
    model = MaskedWords(replace(TINY, output_transform=True, norm_epsilon=1e-12), 17, seed=1).double().eval()
    places = torch.tensor([1, 6, 10])
    rows = torch.nn.functional.gelu(model.transform.inner(model.rows(SOURCE)).flatten(0, 1)[places])
    wanted = (rows - rows.mean(-1, keepdim=True)) / rows.var(-1, correction=0, keepdim=True).sqrt()
    torch.testing.assert_close(model(SOURCE, places), wanted)


def test_the_seed_makes_the_weights_and_leaves_the_generator() -> None:
    torch.manual_seed(9)
    before = torch.get_rng_state()
    first, second, other = (Transformer(TINY, 17, 17, seed=seed) for seed in (4, 4, 5))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.projection, second.projection) and not torch.equal(first.projection, other.projection)


def test_wrong_settings_are_said_all_at_once() -> None:
    with pytest.raises(UsageError, match="d_ff is 0; allowed: 1 or more. dropout is 1.0; allowed: 0 or more, below 1"):
        TransformerSettings(d_ff=0, dropout=1.0)
    with pytest.raises(UsageError, match="feedforward is 'swigu'.*Did you mean 'swiglu'"):
        TransformerSettings(feedforward="swigu")
    with pytest.raises(UsageError, match="d_model 10 is not a multiple of heads 4"):
        TransformerSettings(d_model=10)
    with pytest.raises(UsageError, match="heads is 4 with score 'dot'"):
        TransformerSettings(score="dot")
    with pytest.raises(UsageError, match="norm_epsilon is 0.0; allowed: between 0 and 1, such as 1e-5, or none"):
        TransformerSettings(norm_epsilon=0.0)
    with pytest.raises(UsageError, match="attention_bias is true with score 'dot'; allowed: with score query-key"):
        TransformerSettings(score="dot", heads=1, attention_bias=True)
    with pytest.raises(UsageError, match="shared is 'all' with 17 source and 19 target ids"):
        Transformer(TINY, 17, 19)
    with pytest.raises(UsageError, match="A sentence has 40 pieces; learned positions know 32"):
        MaskedWords(replace(TINY, positions="learned"), 17).rows(torch.ones(1, 40, dtype=torch.int64))
