"""The stage as a whole: a tuned model folder that loads, a ledger, and a summary that adds up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_models import CHATML, ask, example, examples, logits, plan, tiny

from luthier.core.errors import ConfigError, LeakageError, ModelError, TuneError
from luthier.core.ledger import read_ledger
from luthier.core.progress import Quiet
from luthier.core.records import Document, Message
from luthier.models.generate import LocalModel, Sampling
from luthier.models.load import load
from luthier.tune.methods import Lora, Prefix
from luthier.tune.objectives import Pretrain
from luthier.tune.tune import TuneSpec, tune

SPEC = TuneSpec(lr=0.01, batch_tokens=512, max_length=64, epochs=3.0)
IDS = [10, 20, 30, 40]


def run(folder: Path, spec: TuneSpec = SPEC, kind: str = "llama", **parts: Any) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    given = {"train": examples(40), "validation": examples(8, begin=100), "documents": (), **parts}
    return tune(
        tiny(kind),
        given["train"],
        given["validation"],
        given["documents"],
        spec,
        plan(),
        folder,
        Quiet(),
    )


def changed(**changes: Any) -> TuneSpec:
    return SPEC.model_copy(update=changes)


def test_a_tuned_model_is_a_model_folder(tmp_path: Path) -> None:
    summary = run(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "history.json",
        "ledger.parquet",
        "log.jsonl",
        "model",
        "runs",
    ]
    history = json.loads((tmp_path / "history.json").read_text())
    assert summary["steps"] == history["step"] == len(history["train"])
    assert (summary["rows"], summary["rows_validation"], summary["rows_refused"]) == (40, 8, 0)
    assert summary["validation_loss"] < summary["validation_loss_before"]
    assert summary["loss_last"] < summary["loss_first"]
    assert summary["trainable"] == tiny().parameters
    assert summary["validation_loss"] == pytest.approx(history["best"], rel=1e-4)
    per_byte = summary["validation_bits_per_byte"] / summary["validation_loss"]
    before = summary["validation_bits_per_byte_before"] / summary["validation_loss_before"]
    assert per_byte == pytest.approx(before)
    json.dumps(summary)
    assert load(tmp_path / "model").renderer.digest == tiny().renderer.digest


@pytest.mark.parametrize("kind", ["gpt2", "gemma2", "mistral", "qwen3"])
def test_other_architectures_are_tuned(kind: str, tmp_path: Path) -> None:
    summary = run(tmp_path, changed(epochs=2.0), kind)
    assert summary["validation_loss"] < summary["validation_loss_before"]
    assert type(load(tmp_path / "model").network) is type(tiny(kind).network)


def test_it_learns_answers_and_to_stop(tmp_path: Path) -> None:
    rows = [example("How many strings?", "Four."), example("And a guitar?", "It has six.")]
    run(tmp_path, changed(epochs=80.0), train=rows, validation=())
    answerer = LocalModel(load(tmp_path / "model"))
    replies = answerer.generate([ask("How many strings?"), ask("And a guitar?")], Sampling())
    assert [(r.text, r.finish_reason) for r in replies] == [
        ("Four.", "stop"),
        ("It has six.", "stop"),
    ]


def test_lora_leaves_the_base_alone_and_its_merged_model_is_adapter_on_base(tmp_path: Path) -> None:
    base = tiny()
    base.network.save_pretrained(tmp_path / "base")
    base.tokenizer.save_pretrained(tmp_path / "base")
    model = load(tmp_path / "base")
    out = tmp_path / "out"
    out.mkdir()
    spec = changed(method=Lora(r=4))
    summary = tune(model, examples(40), (), (), spec, plan(), out, Quiet())
    assert 0 < summary["trainable"] < base.parameters / 4
    assert all("lora_" in n for n in load_file(out / "adapter" / "adapter_model.safetensors"))
    merged, beside = load(out / "model"), load(tmp_path / "base", adapter=out / "adapter")
    wanted = logits(merged.network, IDS)
    torch.testing.assert_close(logits(beside.network, IDS), wanted, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(logits(base.network, IDS), wanted, atol=0.01)
    embedding = "model.embed_tokens.weight"
    assert torch.equal(merged.network.state_dict()[embedding], base.network.state_dict()[embedding])


def test_rows_too_long_are_in_the_ledger_and_can_fail_the_run(tmp_path: Path) -> None:
    rows = [*examples(40), example("How many?", "Four. " * 60, number=77)]
    summary = run(tmp_path, train=rows)
    assert (summary["rows"], summary["rows_refused"]) == (40, 1)
    assert summary["reasons"] == {"longer than max_length 64": 1}
    assert [e.origin for e in read_ledger(tmp_path).entries] == ["rows.csv:77"]
    with pytest.raises(LeakageError, match=r"1 of 49 rows .*rows.csv:77 \(128 tokens") as caught:
        run(tmp_path / "strict", changed(max_refused=0.0), train=rows)
    assert "`tune.max_refused`" in caught.value.mend


def test_validation_rows_that_are_all_too_long_are_as_good_as_none(tmp_path: Path) -> None:
    long = [example("How many?", "Four. " * 60)]
    summary = run(tmp_path, changed(max_refused=0.5), validation=long)
    assert (summary["rows_validation"], summary["validation_loss"]) == (0, None)
    (history,) = tmp_path.rglob("history.json")
    assert json.loads(history.read_text(), parse_constant=pytest.fail)["best"] is None


def test_nothing_to_learn(tmp_path: Path) -> None:
    with pytest.raises(TuneError, match="nothing to learn") as caught:
        run(tmp_path, train=())
    assert "data.sources" in caught.value.mend


def test_rows_that_are_all_dropped_are_named_where_nothing_is_left(tmp_path: Path) -> None:
    long = [example("How many strings? " * 20, "Four.")] * 5
    with pytest.raises(TuneError, match="5 x longer than max_length 64") as caught:
        run(tmp_path, changed(truncation="drop"), train=long, validation=())
    assert caught.value.mend == "Change what refuses them."


def test_virtual_tokens_that_fill_the_context_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TuneError, match="128 virtual tokens leave no room in a context of 128"):
        run(tmp_path, changed(method=Prefix(num_virtual_tokens=128)))


def test_a_figure_that_is_not_measured_cannot_decide(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="instruction measures no 'acuracy'") as caught:
        run(tmp_path, changed(metric_for_best_model="acuracy"))
    assert "loss" in caught.value.mend


def test_an_unfit_template_is_found_before_any_step(tmp_path: Path) -> None:
    model = tiny(template=CHATML.replace("<|end|>", ""))
    with pytest.raises(ModelError, match="without a stop token"):
        tune(model, examples(4), (), (), SPEC, plan(), tmp_path, Quiet())
    assert not list(tmp_path.iterdir())


def test_pretraining_learns_documents_and_conversations(tmp_path: Path) -> None:
    text = "def wrap(text, width=70): the text is wrapped. " * 20
    documents = [Document("d", "wrap", text, "wrap.py:1", "function", "g")]
    summary = run(tmp_path, changed(objective=Pretrain()), documents=documents)
    model = tiny()
    words = len(model.renderer.text_ids(f"wrap\n{text}")) + 1
    chats = sum(len(model.renderer.render(e.messages).ids) - 1 for e in examples(40))
    assert summary["learned_tokens"] == words + chats
    assert summary["rows"] > 41
    instruction = run(tmp_path / "other", documents=documents)
    assert instruction["rows"] == 40


def test_conversations_of_several_turns(tmp_path: Path) -> None:
    first = examples(1)[0]
    turns = (*first.messages, Message("user", "And a lute?"), Message("assistant", "Many more."))
    import dataclasses

    row = dataclasses.replace(first, messages=turns)
    summary = run(tmp_path, train=[row] * 8)
    answers = [m.content for m in turns if m.role == "assistant"]
    count = tiny().renderer.text_ids
    assert summary["learned_tokens"] == 8 * sum(len(count(a)) + 1 for a in answers)


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tiny_models import examples, plan, tiny
from luthier.core.progress import Quiet
from luthier.tune.tune import TuneSpec, tune
spec = TuneSpec(lr=0.01, batch_tokens=64, max_length=64, epochs=12.0, checkpoint_every_s=0.0)
tune(tiny(), examples(40), examples(8, begin=100), (), spec, plan(), Path(sys.argv[2]), Quiet())
"""


def test_a_run_killed_between_checkpoints_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    spec = TuneSpec(lr=0.01, batch_tokens=64, max_length=64, epochs=12.0, checkpoint_every_s=0.0)
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    killed.mkdir()
    expected = run(straight, spec)
    source = Path(sys.modules[tune.__module__].__file__ or "").parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(Path(__file__).parents[1]), str(killed)],
        env={**os.environ, "PYTHONPATH": str(source)},
    )
    checkpoint = killed / "checkpoint.pt"
    try:
        while not checkpoint.is_file() and process.poll() is None:
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert checkpoint.is_file(), "the run ended before it could be killed"
    done = torch.load(checkpoint)["history"]["step"]
    assert 0 < done < expected["steps"]
    summary = run(killed, spec)
    one, two = (json.loads((f / "history.json").read_text()) for f in (straight, killed))
    assert [line[1] for line in two["train"]] == [line[1] for line in one["train"]]
    assert two["validation"] == one["validation"]
    assert summary["validation_loss"] == expected["validation_loss"]
    ours, theirs = (load_file(f / "model" / "model.safetensors") for f in (straight, killed))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert not checkpoint.exists()
