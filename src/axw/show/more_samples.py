"""What a report shows of held-out trees, and of held-out lines with classes: see `run_samples`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from axw.data.brackets import tagged_events
from axw.data.trees import Tree
from axw.measures.brackets import SentenceScore, summarise_brackets
from axw.models.trees.writing import score_trees
from axw.show.classes import ClassesDisplay
from axw.show.ladder import CalibrationDisplay
from axw.show.run_samples import Samples, chosen, slices
from axw.show.tree import TreeDisplay

if TYPE_CHECKING:
    from axw.models.trees.parser import ConstituencyParser
    from axw.models.words.classifier import FineTunedClassifier

BEAM = 4  # of the parses in a report
MOST_TREES = 60
MOST_DRAWN = 40  # words of the tree that is drawn


def of_parser(model: ConstituencyParser, trees: Sequence[Tree]) -> Samples:
    """Each sentence parsed and its brackets compared with the treebank's; one of the typical trees drawn."""
    trees = [tree for tree in trees if tree.words()][:MOST_TREES]
    if not trees:
        return Samples()
    said = model.parse([tree.words() for tree in trees], beam=BEAM)
    scores = score_trees(trees, said)
    f1 = np.array([f1_of(score) for score in scores])
    found, flat = _f1(scores), _f1(score_trees(trees, [flat_tree(tree) for tree in trees]))
    ranked = np.argsort(f1, kind="stable")
    examples = [
        {
            "kind": kind,
            "source": " ".join(trees[i].words()),
            "reference": trees[i].to_string(),
            "answer": said[i].to_string(),
            "measure": "F1 of its brackets",
            "value": f1[i],
        }
        for kind, i in chosen(ranked)
    ]
    lengths = np.array([len(tree.words()) for tree in trees], dtype=float)
    middle = np.argsort(np.abs(np.arange(len(ranked)) - len(ranked) // 2), kind="stable")
    typical = next((int(ranked[i]) for i in middle if lengths[ranked[i]] <= MOST_DRAWN), None)
    picture = None if typical is None else TreeDisplay.from_estimator(model, " ".join(trees[typical].words()))
    return Samples(
        measures={f"F1 of the {len(trees)} sentences below, beam {BEAM}": found},
        baselines=[
            {
                "name": "one flat phrase over all words",
                "measure": "F1",
                "value": flat,
                "model": found,
                "better": "higher",
            }
        ],
        examples=examples,
        slices=slices("words in the sentence", lengths, f1, "F1 of a sentence, mean"),
        picture=None if picture is None else picture.to_json(),
    )


def of_classifier(model: FineTunedClassifier, lines: Sequence[str], labels: Sequence[str]) -> Samples:
    """How likely the model holds the label of each line, against always saying the commonest one."""
    pairs = [(line, label.strip()) for line, label in zip(lines, labels, strict=True) if line.strip()]
    if not pairs:
        return Samples()
    lines, truths = [line for line, _ in pairs], [label for _, label in pairs]
    places = {label: place for place, label in enumerate(model.classes)}
    P = model.predict_proba(lines)
    right = np.array([model.classes[i] for i in P.argmax(1)]) == np.array(truths)
    chance = np.array([p[places[label]] if label in places else 0.0 for p, label in zip(P, truths, strict=True)])
    ranked = np.argsort(chance, kind="stable")
    examples = [
        {
            "kind": kind,
            "source": lines[i],
            "reference": truths[i],
            "answer": model.classes[int(P[i].argmax())],
            "measure": "probability of the label",
            "value": chance[i],
        }
        for kind, i in chosen(ranked)
    ]
    common, count = Counter(truths).most_common(1)[0]
    share, found = count / len(truths), float(right.mean())
    lengths = np.array([len(line.split()) for line in lines], dtype=float)
    return Samples(
        measures={f"accuracy of the {len(lines)} lines below": found},
        baselines=[
            {
                "name": f"always saying \u201c{common}\u201d",
                "measure": "accuracy",
                "value": share,
                "model": found,
                "better": "higher",
            }
        ],
        examples=examples,
        slices=slices("words in the line", lengths, right.astype(float), "accuracy"),
        picture=ClassesDisplay.from_estimator(model, lines[int(ranked[len(ranked) // 2])]).to_json(),
        calibration=CalibrationDisplay.from_confidences(P.max(1), right).to_json() if len(right) >= 100 else None,
    )


def flat_tree(tree: Tree) -> Tree:
    """The words with their tags below one phrase: what knows nothing of phrases."""
    words = [(text, tag) for kind, text, tag in tagged_events(tree) if kind == "word"]
    return Tree(tree.label, tuple(Tree(tag, (word,)) if tag else word for word, tag in words))


def f1_of(score: SentenceScore) -> float:
    return 200 * score.matched / max(score.gold + score.parsed, 1)


def _f1(scores: Sequence[SentenceScore]) -> float:
    return 100 * float(summarise_brackets(scores).f1)
