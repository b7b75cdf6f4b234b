"""What fits into memory is worked out, not found by crashing."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from luthier.core.errors import ResourceError
from luthier.core.spec import digest_of
from luthier.setup import memory, trained
from luthier.setup.machine import Machine
from luthier.setup.optimizers import AdamW, GradientDescent, Sgd
from luthier.setup.plan import Plan, SetupSpec, Workload, answering_precision, make_plan
from luthier.setup.shape import shape_of

GIB = 1 << 30
LAPTOP = Machine(4, 8 * GIB, "cpu", "A laptop", fast_bfloat16=False)
GPU = Machine(16, 80 * GIB, "cuda", "A GPU", fast_bfloat16=True)
SHAPE = shape_of(
    {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "vocab_size": 49152,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
    }
)
FULL = Workload(SHAPE, trained.full(SHAPE), AdamW(), 8192, 512)
LORA = dataclasses.replace(FULL, trained=trained.low_rank(SHAPE, 16))


def planned(
    machine: Machine = LAPTOP, setup: SetupSpec | None = None, work: Workload = FULL, **changes: Any
) -> Plan:
    return make_plan(setup or SetupSpec(), machine, dataclasses.replace(work, **changes))


def smaller(gib: float, machine: Machine = LAPTOP) -> Machine:
    return dataclasses.replace(machine, memory_bytes=int(gib * GIB))


def test_a_machine_with_room_for_all() -> None:
    plan = planned()
    assert (plan.device, plan.precision, plan.threads) == ("cpu", "float32", 4)
    assert (plan.micro_batch_tokens, plan.accumulation) == (2048, 4)
    assert not plan.activation_checkpointing
    assert plan.memory_needed_bytes == plan.needs.peak <= 0.8 * plan.memory_bytes
    on_gpu = planned(GPU)
    assert (on_gpu.precision, on_gpu.micro_batch_tokens) == ("bfloat16", 8192)
    assert on_gpu.needs.best == 0, "the best weights lie in main memory, not in the GPU's"


def test_the_items_are_those_of_the_memory_model() -> None:
    plan = planned()
    wanted = memory.to_tune(
        SHAPE, FULL.trained, AdamW(), "float32", tokens=2048, row_tokens=512, checkpointing=False
    )
    assert plan.needs == wanted


def test_lora_needs_much_less_than_full_tuning() -> None:
    same = SetupSpec(micro_batch_tokens=512)
    full, lora = planned(setup=same), planned(setup=same, work=LORA)
    assert lora.needs.optimizer < full.needs.optimizer / 20
    assert lora.memory_needed_bytes < 0.5 * full.memory_needed_bytes


def test_what_full_tuning_cannot_hold_lora_can() -> None:
    with pytest.raises(ResourceError, match=r"needs \d\.\d GB, 2\.7 GB are free") as caught:
        planned(smaller(2.5))
    assert "LoRA" in caught.value.mend
    assert "optimizer" in str(caught.value), "it says what takes the most"
    assert planned(smaller(2.5), work=LORA).memory_needed_bytes < 2 * GIB
    with pytest.raises(ResourceError) as caught:
        planned(smaller(0.3), work=LORA)
    assert "QLoRA" in caught.value.mend, "it is LoRA already"


def test_checkpointing_is_switched_on_only_where_nothing_fits_without() -> None:
    roomy, tight = planned(smaller(5.5)), planned(smaller(4.3))
    assert not roomy.activation_checkpointing
    assert tight.activation_checkpointing
    assert tight.reasons["activation_checkpointing"].startswith("not even one row")
    never = SetupSpec(activation_checkpointing=False)
    with pytest.raises(ResourceError) as caught:
        planned(smaller(4.3), never)
    assert "activation_checkpointing to auto" in caught.value.mend
    always = planned(setup=SetupSpec(activation_checkpointing=True))
    assert always.activation_checkpointing
    assert always.micro_batch_tokens > planned().micro_batch_tokens


@pytest.mark.parametrize("gib", [4.3, 5, 5.5, 6, 8, 12, 40])
def test_the_micro_batch_grows_with_memory_and_holds_a_row(gib: float) -> None:
    plan = planned(smaller(gib))
    assert 512 <= plan.micro_batch_tokens <= 4096
    assert plan.micro_batch_tokens % 512 == 0
    assert plan.memory_needed_bytes <= 0.8 * gib * GIB
    assert planned(smaller(gib + 2)).micro_batch_tokens >= (
        0 if plan.activation_checkpointing else plan.micro_batch_tokens
    )


@pytest.mark.parametrize("asked", [16, 512, 1000, 2048])
def test_a_micro_batch_asked_for_holds_a_row_and_counts_its_passes(asked: int) -> None:
    plan = planned(setup=SetupSpec(micro_batch_tokens=asked))
    assert plan.micro_batch_tokens == max(512, asked)
    rows_at_once = plan.micro_batch_tokens // 512
    assert plan.accumulation * rows_at_once >= 8192 // 512 > (plan.accumulation - 1) * rows_at_once


def test_a_micro_batch_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ResourceError, match="tuning needs") as caught:
        planned(setup=SetupSpec(micro_batch_tokens=10_000_000))
    assert "micro_batch_tokens" in caught.value.mend


def test_rows_are_never_longer_than_the_context() -> None:
    short = dataclasses.replace(SHAPE, context_length=128)
    plan = planned(smaller(4.8), shape=short, max_length=100_000)
    assert plan.micro_batch_tokens >= 128


def test_passes_where_a_step_reads_one_row_or_all() -> None:
    assert planned(optimizer=Sgd()).accumulation == 1
    assert planned(optimizer=GradientDescent()).accumulation == 0


def test_processes_share_the_memory_of_a_machine_but_not_that_of_gpus() -> None:
    two = SetupSpec(processes=2, micro_batch_tokens=512)
    assert planned(smaller(16), two).threads == 2
    with pytest.raises(ResourceError):
        planned(smaller(6), two)
    assert planned(smaller(6)).memory_needed_bytes < 5 * GIB
    assert planned(GPU, SetupSpec(processes=2)).memory_needed_bytes < 80 * GIB


def test_quantised_weights_take_less() -> None:
    plain, four = planned(GPU, work=LORA), planned(GPU, work=LORA, quantisation="4bit")
    assert four.needs.weights < 0.7 * plain.needs.weights
    assert (plain.arithmetic, four.arithmetic) == ("bfloat16", "bfloat16, 4bit")


def test_what_the_user_says_goes_and_each_choice_has_a_reason() -> None:
    plan = planned(setup=SetupSpec(precision="bfloat16", threads=3))
    assert (plan.precision, plan.threads) == ("bfloat16", 3)
    assert plan.reasons["precision"] == plan.reasons["threads"] == "as set"
    told = {f.name for f in dataclasses.fields(Plan)}
    assert set(plan.reasons) <= told


def test_a_plan_survives_json() -> None:
    plan = planned()
    assert Plan.read(json.loads(json.dumps(dataclasses.asdict(plan)))) == plan


def test_only_precision_names_artifacts() -> None:
    plain = digest_of(SetupSpec())
    free = {"device": "cpu", "threads": 2, "micro_batch_tokens": 64}
    assert digest_of(SetupSpec(**free, activation_checkpointing=True)) == plain
    assert digest_of(SetupSpec(precision="float32")) != plain


def test_answers_are_generated_in_bfloat16_on_gpus_only() -> None:
    assert (answering_precision("cpu"), answering_precision("cuda")) == ("float32", "bfloat16")
