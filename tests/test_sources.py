from pathlib import Path

import pytest

from ytaudio.errors import UserError
from ytaudio.ledger import Settings
from ytaudio.sources import read_source


def csv_in(folder: Path, name: str = "links.csv") -> Path:
    path = folder / name
    path.write_text("link,title,description,category\nabcdefghijk,t,d,food\nabcdefghij2,t,d,travel\n")
    return path


def test_a_csv_is_a_catalogue_without_windows_or_splits(tmp_path):
    source = read_source(str(csv_in(tmp_path)), ["food"])
    assert source.catalog.categories == ("food",) and source.name == "links.csv"
    assert source.windows is None and source.sides is None and source.windows_of == ""
    assert source.settings(Settings(seed=7)) == Settings(seed=7)


def test_a_csv_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="Cannot read"):
        read_source(str(tmp_path / "missing.csv"))
