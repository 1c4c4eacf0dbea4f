import pytest


@pytest.fixture(autouse=True)
def a_folder_to_be_in(tmp_path_factory, monkeypatch):
    """Ladders write their reports into the folder that one is in, which is not the checkout."""
    monkeypatch.chdir(tmp_path_factory.mktemp("in"))


@pytest.fixture(scope="session")
def titanic(tmp_path_factory):
    """A folder with train.csv (400 passengers) and test.csv (100 others of the same families and classes)."""
    import pandas as pd

    from axw.data import samples

    folder = tmp_path_factory.mktemp("titanic")
    frame = samples.titanic()
    order = frame.sample(frac=1, random_state=1)
    last = order["passenger"] == 1305  # of whom the help pages speak
    order = pd.concat([order[~last].iloc[:400], order[last], order[~last].iloc[400:]])
    order.iloc[:400].sort_index().to_csv(folder / "train.csv", index=False)
    order.iloc[400:500].sort_index().to_csv(folder / "test.csv", index=False)
    return folder
