"""A BERT read without transformers is the one that transformers reads."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from luthier.models._body import load_body
from luthier.models._body_fused import FusedBody
from luthier.models._fused_library import library
from luthier.models._slim_bert import slim_bert

kernels = pytest.mark.skipif(library()[0] is None, reason=f"NOT TESTED: {library()[1]}")


@kernels
def test_its_states_are_those_of_transformers(wide_encoder: Path) -> None:
    rows = [[2, 4, 5, 3], [2, *range(4, 24), 3]]
    slim = FusedBody(slim_bert(wide_encoder)).pooled(rows, "mean")
    whole = FusedBody(load_body(wide_encoder, "bfloat16")).pooled(rows, "mean")
    np.testing.assert_array_equal(slim, whole)


@pytest.mark.parametrize(
    "changed",
    [{"model_type": "roberta"}, {"is_decoder": True}, {"num_hidden_layers": 9}],
    ids=lambda changed: next(iter(changed)),
)
def test_what_is_not_just_a_bert_is_left_to_transformers(
    wide_encoder: Path, tmp_path: Path, changed: dict[str, object]
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(wide_encoder, folder)
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(told | changed))
    assert slim_bert(folder) is None


def test_so_is_a_folder_with_other_or_damaged_files(wide_encoder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(wide_encoder, folder)
    (folder / "model.safetensors").write_bytes(b"torn")
    assert slim_bert(folder) is None
    (folder / "model.safetensors").unlink()
    assert slim_bert(folder) is None


@kernels
def test_an_encoder_opens_without_transformers(wide_encoder: Path) -> None:
    probe = (
        "import sys\nfrom luthier.models.encode import load_encoder\n"
        f"made = load_encoder({str(wide_encoder)!r}).encode(['iron'])\n"
        "print(made.shape[0], 'transformers' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False"]
