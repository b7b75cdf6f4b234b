"""What several stages share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from luthier import config
from luthier.core.progress import Quiet
from luthier.stages.work import Work

PROJECT = """
name: shop
data:
  sources: [{kind: csv, path: faq.csv}]
  encoder: encoder
"""


def test_the_encoders_folder_is_found_from_the_project_file(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    shutil.copytree(tiny_encoder, tmp_path / "encoder")
    (tmp_path / "luthier.yaml").write_text(PROJECT)
    work = Work(config.load(tmp_path / "luthier.yaml"), tmp_path, Quiet())
    assert work.encode(["wrap a line", "join paths"]).shape == (2, 16)
    assert len(work.encoder_digest()) == 64
