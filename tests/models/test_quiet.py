"""Bars and reports of weights are hushed inside, and come as before outside; so is kernel news."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import transformers
from tiny_models import masked_vocabulary, tiny_masked
from transformers.utils import logging as bars

from luthier.core.errors import ModelError
from luthier.models._pretrained import pretrained
from luthier.models._quiet import no_kernel_news, quietly
from luthier.models.encode import load_encoder


@pytest.fixture
def shown() -> Iterator[list[str]]:
    """What transformers tells the user."""
    told: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("transformers")
    logger.addHandler(handler)
    yield told
    logger.removeHandler(handler)


def test_bars_are_off_inside_and_as_they_were_outside() -> None:
    was = bars.is_progress_bar_enabled()
    with quietly():
        assert not bars.is_progress_bar_enabled()
    assert bars.is_progress_bar_enabled() is was


def test_news_of_kernels_are_hushed_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    no_kernel_news()
    logger = logging.getLogger("torchao")
    logger.warning("Failed to load %s: no such file", "_C_cutlass.so")
    logger.warning("Something else is wrong")
    assert [record.message for record in caplog.records] == ["Something else is wrong"]


def test_reports_of_weights_are_hushed_and_handed_over(tmp_path: Path, shown: list[str]) -> None:
    tiny_masked().save_pretrained(tmp_path)
    load = transformers.BertForSequenceClassification.from_pretrained
    with quietly() as reports:
        load(tmp_path)
        logging.getLogger("transformers.modeling_utils").warning("Something else is wrong")
    assert shown == ["Something else is wrong"]
    assert len(reports) == 1
    assert "classifier.weight" in reports[0]
    load(tmp_path)
    assert "LOAD REPORT" in shown[1]


def test_weights_of_other_shapes_are_named_in_our_own_words(
    tmp_path: Path, shown: list[str]
) -> None:
    network = tiny_masked()
    network.save_pretrained(tmp_path)
    masked_vocabulary().save_pretrained(tmp_path)
    network.config.intermediate_size = 64
    network.config.save_pretrained(tmp_path)
    told = r"6 weights have other shapes .* is 48 and would have to be 64"
    with pytest.raises(ModelError, match=told) as caught:
        pretrained(tmp_path, "masked", "float32", "none")
    assert (caught.value.where, "config.json" in caught.value.mend) == (str(tmp_path), True)
    assert shown == []


def test_an_encoder_that_lacks_weights_is_refused(
    tiny_encoder: Path, tmp_path: Path, shown: list[str]
) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_encoder, tmp_path / "encoder")
    weights = load_file(folder / "model.safetensors")
    gone = sorted(name for name in weights if "layer.0" in name)[0]
    kept = {name: tensor for name, tensor in weights.items() if name != gone}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="would be random"):
        load_encoder(str(folder)).encode(["wrap"])
    assert shown == []
