"""The networks' meanings of ids are the vocabulary's."""

from axw.data import vocabulary
from axw.networks import ids


def test_the_networks_mean_what_the_vocabulary_means():
    assert (ids.PAD, ids.UNK) == (vocabulary.PAD, vocabulary.UNK)
