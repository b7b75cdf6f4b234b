"""The living index of a project, as the commands ask for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from living_project import write

from luthier import config, pipeline
from luthier.core.errors import ConfigError, DataError, StoreError
from luthier.core.progress import Quiet
from luthier.rag.access import Slice, viewer
from luthier.stages import living
from luthier.stages.work import Work


@pytest.fixture
def work(tiny_encoder: Path, tmp_path: Path) -> Work:
    project = config.load(write(tmp_path, tiny_encoder))
    return pipeline.gather(project, tmp_path, Quiet(), until="split")


def test_an_index_follows_the_documents_of_the_project(work: Work) -> None:
    with pytest.raises(StoreError, match="not an index"):
        living.open_living(work)
    assert living.look(work).differ == 11
    assert living.sync(work, most_gone=0.5).new == 11
    assert living.look(work).differ == 0
    assert living.health(work).well
    assert living.open_living(work).count == 11
    assert living.store_of(work).version() == 1
    assert living.optimize(work)["index"] == "exact"
    assert living.open_living(work).count == 11
    assert living.folder_of(work).name == "town"


def test_questions_name_the_documents_that_answer_them(work: Work) -> None:
    living.sync(work, most_gone=0.5)
    access = living.access(work)
    for one in living.sought(work, "validation"):
        assert set(one.relevant) <= set(access)
    assert sorted(map(sorted, set(access.values()))) == [["everyone"], ["sales"]]
    index = living.open_living(work)
    found = index.search("quartz goes to sales", 20, Slice(viewer(["sales"])))
    assert "secret plan" in {p.title for p in found}


def test_what_is_missing_is_told(tiny_encoder: Path, tmp_path: Path) -> None:
    path = write(tmp_path, tiny_encoder)
    bare = Work(config.load(path, ["rag=null"]), tmp_path, Quiet())
    with pytest.raises(ConfigError, match="retrieves nothing"):
        living.settings(bare)
    (tmp_path / "squad.json").write_text('{"data": []}')
    sets = ["data.sources=[{kind: jsonl, path: rows.jsonl}]"]
    lines = [f'{{"question": "What is {n}?", "answer": "number {n}"}}' for n in range(30)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    made = pipeline.gather(config.load(path, sets), tmp_path, Quiet(), until="split")
    with pytest.raises(DataError, match="says in which document"):
        living.sought(made, "validation")
