from tests.storage.runs import tmp_path

__all__ = ["tmp_path"]
