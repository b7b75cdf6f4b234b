"""A stand-in for a model writes rows in examples/data/gsm8k, as docs/data/synthesis.md says."""

from __future__ import annotations

import json
import runpy
import shutil
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from luthier import config, pipeline
from luthier.core.progress import Quiet

FOLDER = Path(__file__).parents[2] / "examples" / "data" / "gsm8k"


@pytest.fixture
def place() -> Iterator[str]:
    """The address of the stand-in."""
    handler = runpy.run_path(str(FOLDER / "server.py"))["Handler"]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def written(folder: Path, place: str, *sets: str) -> dict[str, Any]:
    quick = "data.synthesize.novelty.max_similarity=null"  # no encoder: it refuses nothing here
    project = config.load(folder / "sums.yaml", [f"data.writer.base_url={place}", quick, *sets])
    made = pipeline.run(project, folder, Quiet(), until="synthesize").artifacts["synthesize"]
    told = json.loads((made.path / "synthesize.json").read_text(encoding="utf-8"))
    assert told["begun"] == told["made"] + told["refused"]
    return dict(told)


def test_rows_are_written_and_other_settings_pay_nothing(tmp_path: Path, place: str) -> None:
    for name in ("sums.yaml", "sums.jsonl"):
        shutil.copy(FOLDER / name, tmp_path)
    told = written(tmp_path, place)
    assert told["methods"] == {"few-shot": 3, "self-instruct": 5, "grid": 7}
    assert told["reasons"] == {
        "no question and answer in the reply": 4,
        "judged too low": 2,
        "not new (ROUGE-L)": 1,
    }
    assert (told["spent"]["calls"], told["spent"]["tokens"]) == (39, 3806)
    assert told["spent"]["cost"] == pytest.approx(0.002594)
    again = written(tmp_path, place, "data.synthesize.form.min_question_words=8")
    assert (again["made"], again["spent"]["replayed"]) == (15, 39)
    assert again["spent"]["cost_of_this_run"] == 0
    less = written(tmp_path, place, "data.synthesize.budget.max_cost=0.001")
    assert less["budget_spent"]
    assert 0 < less["begun"] < 22
    assert less["spent"]["cost"] <= 0.001
