"""A living index whose passages are embedded on a local Ray cluster holds the same vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from luthier.core.progress import Quiet
from luthier.core.records import Document
from luthier.rag import live
from luthier.rag.index import STORE
from luthier.rag.spec import RagSpec
from luthier.rag.stores._check import vectors_of
from luthier.rag.stores.open import open_store
from luthier.rag.stores.store import VECTOR

pytest.importorskip("ray", reason="NOT TESTED: pip install 'luthier[ray]'")


def test_two_ray_workers_embed_what_one_process_does(tiny_encoder: Path, tmp_path: Path) -> None:
    rows = [
        Document(f"d{n:04}", f"title {n}", f"wrap the text {n}", f"f:{n}", "text", f"d{n}")
        for n in range(1100)  # two parts
    ]
    held = []
    for name, where in (("here", {"kind": "embedded"}), ("ray", {"kind": "ray", "workers": 2})):
        told = {"encoder": {"name": str(tiny_encoder)}, "embed_on": where}
        spec = RagSpec.model_validate(told)
        done = live.sync(spec, rows, tmp_path / name, Quiet())
        assert (done.new, done.embedded) == (1100, 1100)
        store = open_store(spec.store, tmp_path / name / STORE)
        held.append(np.concatenate([vectors_of(batch) for batch in store.rows(1, [VECTOR])]))
    np.testing.assert_allclose(held[0], held[1], atol=1e-6)
