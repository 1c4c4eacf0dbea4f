"""How well parsers parse: F1 with its interval on a file of trees, for each run, and for all of them as one.

    python benchmarks/parsing.py valid.mrg trees.run other.run --beam 21

Labelled brackets counted as EVALB counts them (COLLINS.prm), the treebank's tags saying which words are punctuation. The interval
is a bootstrap over sentences, and so is that of the difference to the first run: the same sentences are drawn for both. The last
row, where several runs are named, is their ensemble; it needs runs with one vocabulary.
"""

from __future__ import annotations

import argparse
import time

from axw.data import read_trees
from axw.errors import UsageError
from axw.measures.brackets import SentenceScore, f1_difference, f1_interval, summarise_brackets
from axw.models.trees.parser import ConstituencyParser, ParserEnsemble, normal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trees")
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--beam", type=int, default=None)
    parser.add_argument("--alpha", type=float, default=None)
    asked = parser.parse_args()
    gold = normal(read_trees(asked.trees), asked.trees)
    models = [(name, ConstituencyParser.load(name)) for name in asked.runs]
    if len(models) > 1:
        try:
            models.append(("together", ParserEnsemble([model for _, model in models])))
        except UsageError as error:
            print(f"no ensemble: {error.what}")
    print(
        f"{len(gold)} trees\n{'run':<28}{'F1':>7}  {'95 % interval':<16}{'P':>7}{'R':>7}{'exact':>7}{'seconds':>9}  to the first"
    )
    first: list[SentenceScore] = []
    for name, model in models:
        search = model.settings.search
        changes = {"beam": asked.beam, "alpha": asked.alpha}
        search = type(search)(**{**vars(search), **{k: v for k, v in changes.items() if v is not None}})
        start = time.perf_counter()
        scores = model.scores(gold, search=search)
        took = time.perf_counter() - start
        found, said = f1_interval(scores, seed=0), summarise_brackets(scores)
        interval = f"{100 * found.low:.2f} to {100 * found.high:.2f}"
        shares = "".join(f"{100 * value:7.2f}" for value in (said.precision, said.recall, said.exact))
        first, gap = first or scores, ""
        if scores is not first:
            less = f1_difference(scores, first, seed=0)
            gap = f"  {100 * less.difference:+.2f} ({100 * less.low:+.2f} to {100 * less.high:+.2f})"
        print(f"{name[-27:]:<28}{100 * found.f1:7.2f}  {interval:<16}{shares}{took:9.1f}{gap}", flush=True)


if __name__ == "__main__":
    main()
