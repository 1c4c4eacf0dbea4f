"""Graphs of libpysal as relations: the same weights, and the same answers as with the table of edges that they hold."""

import numpy as np
import pandas as pd
import pytest

from axw.errors import DataError, UsageError
from axw.models import AttentionRegressor
from axw.relations import Edges, Rows, SameValue, as_relations, relation_from_config

libpysal = pytest.importorskip("libpysal")

IDS = ["a", "b", "c", "d", "e", "f", "g"]
NEIGHBORS = {"a": ["b", "c"], "b": ["a"], "c": ["a", "d", "e"], "d": ["c"], "e": ["c"], "f": [], "g": ["a"]}


def graph(transform="b"):
    from libpysal.graph import Graph

    listed = {key: {other: 1 for other in others} for key, others in NEIGHBORS.items()}
    return Graph.from_weights_dict(listed).transform(transform)


@pytest.mark.filterwarnings("ignore")
def weights(transform="b"):
    made = libpysal.weights.W(NEIGHBORS, id_order=IDS, silence_warnings=True)
    made.transform = transform
    return made


def rows(ids=IDS):
    return Rows(np.array(ids, dtype=object), pd.DataFrame(index=range(len(ids))))


def table():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(7, 2)), columns=["x", "z"], index=pd.Index(IDS, name="tract"))
    return frame, pd.Series(rng.normal(size=7), index=frame.index, name="crime")


@pytest.mark.parametrize("transform", ["b", "r"])
@pytest.mark.parametrize("make", [graph, weights])
def test_weights_and_ids_are_kept(make, transform):
    made = make(transform)
    dense = made.sparse.toarray()
    order = list(made.unique_ids) if hasattr(made, "unique_ids") else list(made.id_order)
    given = Edges.from_graph(made).given(rows(order), rows(order))
    np.testing.assert_allclose(given.csr().toarray(), dense, atol=0)
    assert given.count()[order.index("f")] == 0


@pytest.mark.parametrize("transform", ["b", "r"])
def test_the_new_graph_and_the_old_are_one_relation(transform):
    assert Edges.from_graph(graph(transform)) == Edges.from_graph(weights(transform))


def test_one_direction_stays_one():
    A = Edges.from_graph(graph()).given(rows(), rows()).csr().toarray()
    assert A[IDS.index("g"), IDS.index("a")] == 1 and A[IDS.index("a"), IDS.index("g")] == 0


def test_a_saved_graph_is_the_same_relation():
    made = Edges.from_graph(graph("r"), name="rook")
    assert made.name == "rook" and relation_from_config(*made.to_config()) == made


@pytest.mark.parametrize("make", [graph, weights])
def test_a_model_takes_a_graph_for_a_relation(make, tmp_path):
    from sklearn.base import clone

    import axw

    X, y = table()
    told = AttentionRegressor("given", relations=[make()]).fit(X, y)
    meant = AttentionRegressor("given", relations=[Edges.from_graph(make())]).fit(X, y)
    assert (told.predict(X) == meant.predict(X)).all()
    assert (clone(told).fit(X, y).predict(X) == told.predict(X)).all()
    told.save(tmp_path / "model")
    assert (axw.load(tmp_path / "model").predict(X) == told.predict(X)).all()


def test_a_ladder_takes_a_graph_for_a_relation():
    from axw.ladders import NewGroups, ladder, table_rungs

    frame = pd.concat([table()[0]] * 2).set_axis([*IDS, *(f"{each}2" for each in IDS)]).rename_axis("tract")
    twice = {f"{k}{end}": {f"{o}{end}": 1 for o in v} for end in ("", "2") for k, v in NEIGHBORS.items()}
    made = libpysal.graph.Graph.from_weights_dict(twice)
    rungs = table_rungs("regression", as_relations([made]), 0, names=["X W", "A X W"])
    found = ladder(frame, np.arange(14.0) % 5, relations=[made], cv=[NewGroups(2)], rungs=rungs)
    assert found.data["relations"] == ["graph"]


def test_what_may_stand_in_the_list():
    household = SameValue("household")
    assert as_relations([household, graph()]) == (household, Edges.from_graph(graph()))
    assert as_relations(()) == ()


@pytest.mark.parametrize("wrong", [SameValue("household"), "household", graph(), [3], 7, [pd.DataFrame()]], ids=str)
def test_anything_else_is_an_error(wrong):
    with pytest.raises(
        UsageError, match=r"allowed: a list of relations\.\nrelations\n.* A graph of libpysal may stand in the list"
    ):
        as_relations(wrong)


def test_two_graphs_need_names():
    X, y = table()
    with pytest.raises(
        UsageError, match=r"Two relations are called 'graph'.\n.*\nLeave one out\. Two graphs need names"
    ):
        AttentionRegressor("given", relations=[graph(), weights()]).fit(X, y)


def test_what_is_no_graph():
    with pytest.raises(UsageError, match=r"this is a dict; allowed: libpysal.graph.Graph, libpysal.weights.W."):
        Edges.from_graph(NEIGHBORS)


def test_a_graph_without_an_edge():
    from libpysal.graph import Graph

    alone = Graph.from_arrays(np.array(["a", "b"]), np.array(["a", "b"]), np.array([0, 0]))
    with pytest.raises(DataError, match="The table of edges is empty"):
        Edges.from_graph(alone)
