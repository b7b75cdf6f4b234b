"""A task of the harness becomes a run in the store, which gates and readers take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from suite_fakes import untemplated

from luthier.core.store import Store
from luthier.evaluate.harness import HarnessSettings, run_harness
from luthier.evaluate.runs.answerers import own
from luthier.evaluate.runs.plain import give_renderer
from luthier.evaluate.runs.rows import read_run
from luthier.models.generate import LocalModel

pytest.importorskip("lm_eval")

TASK = {
    "task": "strings",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "rows.jsonl"}},
    "test_split": "test",
    "output_type": "multiple_choice",
    "doc_to_text": "{{q}}",
    "doc_to_choice": ["four", "six"],
    "doc_to_target": "right",
    "metric_list": [{"metric": "acc"}],
}


def test_a_run_is_kept_and_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows = [{"q": "How many strings has a violin?", "right": 0}, {"q": "A guitar?", "right": 1}]
    lines = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "rows.jsonl").write_text(lines, encoding="utf-8")
    path = tmp_path / "strings.yaml"
    path.write_text(json.dumps(TASK), encoding="utf-8")
    model = untemplated()
    give_renderer(model)
    opened: list[int] = []

    def load() -> LocalModel:
        opened.append(1)
        return LocalModel(model)

    import dataclasses

    who = dataclasses.replace(own("tiny", LocalModel(model), {"tiny": 1}), open=load)
    store = Store(tmp_path / "store")
    found = run_harness(path, who, store)["strings"]
    again = run_harness(path, who, store)["strings"]
    assert len(opened) == 1
    assert again.item_ids.tolist() == found.item_ids.tolist() == ["strings:0", "strings:1"]
    assert found.run["summary"]["acc"]["mean"] == found.scores["acc"].mean()
    assert read_run(store.open(store.kept()["run-strings-tiny"]).path).name == "tiny"
    (first,) = run_harness(path, who, store, HarnessSettings(limit=1))["strings"].item_ids
    assert first == "strings:0"
    assert found.prompts[0] == '[{"role": "user", "content": "How many strings has a violin?"}]'
