"""Random trees as treebanks hold them: chains of one child, words without a tag, functions, traces and bracket words."""

from __future__ import annotations

from hypothesis import strategies as st

from axw.data.trees import Tree

WORDS = ("the", "cat", "-LRB-", "*T*-1", "1\u00a0000", "語", "''")
TAGS = ("DT", "NN", "-LRB-", ",", "PRP$")
LABELS = ("S", "NP", "VP", "NP-SBJ=2", "-X-", "")


def tags() -> st.SearchStrategy[Tree]:
    return st.builds(lambda tag, word: Tree(tag, (word,)), st.sampled_from(TAGS), st.sampled_from(WORDS))


def constituents(*, bare: bool = False, labels: tuple[str, ...] = LABELS) -> st.SearchStrategy[Tree]:
    """A constituent around tags and constituents; with `bare`, also around words beside them that have no tag."""

    def around(child: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
        some = st.builds(
            lambda label, children: Tree(label, tuple(children)),
            st.sampled_from(labels),
            st.lists(child, min_size=1, max_size=4),
        )
        if not bare:
            return some
        words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=2)
        return some | st.builds(lambda c, w: Tree("X", (c, *w)), child, words)

    return around(st.recursive(tags(), around, max_leaves=13))


def chain(levels: int, label: str = "S", word: str = "word") -> Tree:
    """A tree of one word under `levels` constituents and a tag."""
    tree = Tree("NN", (word,))
    for _ in range(levels):
        tree = Tree(label, (tree,))
    return tree


def right_branching(levels: int) -> Tree:
    """(S (NN w) (S (NN w) ... (S (NN w) (NN w)))): `levels` constituents over one word more than that."""
    tag = Tree("NN", ("w",))
    tree = Tree("S", (tag, tag))
    for _ in range(levels - 1):
        tree = Tree("S", (tag, tree))
    return tree
