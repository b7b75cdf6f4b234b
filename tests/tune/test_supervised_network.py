"""Which modules are new, and which poolings a network has."""

from __future__ import annotations

from pathlib import Path

import labelled_rows as made
import pytest

from luthier.core.errors import ModelError
from luthier.models.load import load_with_head
from luthier.tune._supervised_network import check, head_modules, operations


@pytest.mark.parametrize(
    ("kind", "own", "other", "names"),
    [
        ("bert", "cls", "last", ["classifier", "bert.pooler"]),
        ("llama", "last", "cls", ["score"]),
    ],
)
def test_heads_and_poolings(
    kind: str, own: str, other: str, names: list[str], tmp_path: Path
) -> None:
    network = load_with_head(made.folder_of(kind, tmp_path), "sequence", ["a", "b"]).network
    assert head_modules(network, "auto") == names
    assert head_modules(network, "mean") == names[:1]
    check(network, "auto")
    check(network, "mean")
    check(network, own)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="its own way is"):
        check(network, other)  # type: ignore[arg-type]


def test_what_computes_is_said_with_the_reason(tmp_path: Path) -> None:
    for kind, told in (("bert", "kernels are for bfloat16"), ("llama", "no kernels for Llama")):
        network = load_with_head(made.folder_of(kind, tmp_path), "sequence", ["a", "b"]).network
        assert operations(network).startswith("PyTorch: ")
        assert told in operations(network)
