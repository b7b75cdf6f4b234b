"""A sound data set is green; spoilt on purpose in one point, that point's light turns."""

from __future__ import annotations

import dataclasses
import json
import random
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.core.records import Document, Example, Message, Side, write_table
from luthier.data.readiness.readiness import Needs, ReadinessSpec, digest_readiness, readiness
from luthier.models.encode import Vectors

TOPICS = {
    "billing": "invoice payment charged twice refund account amount price receipt monthly bill "
    "card bank transfer overdue balance discount voucher subscription fee",
    "delivery": "parcel courier package arrived late tracking address street door shipment broken "
    "box driver neighbour waiting morning evening depot missing returned",
}
COMMON = "please tell about why when would could there with from again still never today after"
THINGS = (
    "house garden window table chair kitchen river mountain forest summer winter music guitar "
    "piano picture mirror camera engine bicycle train ticket station airport hotel breakfast "
    "coffee sugar butter cheese apple orange potato doctor teacher porter lawyer farmer baker "
    "painter soldier library museum theatre market bridge tower castle cellar school college "
    "office factory island ocean harbour weather thunder lightning blanket pillow jacket "
    "trousers button needle hammer ladder basket bottle candle pencil paper letter envelope "
    "stamp newspaper magazine dictionary "
)
GERMAN = (
    "können bitte sagen warum Rechnung Paket noch immer nicht angekommen gestern Fahrer Nachbarin "
    "hätte schon lange geliefert Straße Küche Fenster Garten Schule Brücke Wetter Blitz Kerze "
    "Brief Zeitung Wörterbuch Hafen Kirche Müller Bäcker Ärztin Käse Frühstück Flughafen"
)
WOMEN = "the woman said that she would ask her mother"


def encode(texts: Sequence[str]) -> Vectors:
    """Words counted in 512 buckets: texts with the same words are alike."""
    vectors = np.zeros((len(texts), 512), np.float32)
    for row, text in enumerate(texts):
        for word in text.lower().split():
            vectors[row, zlib.crc32(word.encode()) % 512] += 1
    vectors[:, 0] += 1e-3
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def sentence(label: str, seed: int) -> str:
    choose = random.Random(f"{label} {seed}")
    words = [*choose.sample(TOPICS[label].split(), 4), *choose.sample(COMMON.split(), 2)]
    words += choose.sample(THINGS.split(), 7)
    return " ".join(choose.sample(words, len(words)))


def row(number: int, label: str, side: Side = "train", text: str = "") -> Example:
    turns = (Message("user", text or sentence(label, number)), Message("assistant", label))
    name = f"{label}.csv:{number}"
    return Example(name, turns, name, name, "row", side=side, label=label)


@dataclasses.dataclass
class World:
    """All that readiness reads; a test spoils a part of it."""

    rows: list[Example]
    documents: list[Document]
    spec: ReadinessSpec
    ledger: Ledger
    tokens: int = 30
    annotated: dict[str, Any] | None = None
    files: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def train(self) -> list[int]:
        return [i for i, r in enumerate(self.rows) if r.side == "train"]

    def say(self, where: Iterable[int], text: str) -> None:
        for i in where:
            turns = (
                Message("user", f"{text} {i} {self.rows[i].question}"),
                self.rows[i].messages[1],
            )
            self.rows[i] = dataclasses.replace(self.rows[i], messages=turns)


def sound() -> World:
    rows = [row(i, "billing") for i in range(130)] + [row(i, "delivery") for i in range(120)]
    rows += [row(1000 + i, label, "test") for i in range(55) for label in TOPICS]
    documents = [
        Document(f"d{i}", "Help", sentence(label, 5000 + i), f"help.md:{i}", "text", f"d{i}")
        for i in range(100) for label in TOPICS
    ]  # fmt: skip
    return World(rows, documents, ReadinessSpec(min_rows=250), Ledger())


def judge(world: World, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The summary, and the lights of the JSON file by name."""
    for name in ("rows", "texts", "out", "annotate"):
        (folder / name).mkdir()
    write_table(folder / "rows" / "examples.parquet", world.rows, Example)
    write_table(folder / "texts" / "documents.parquet", world.documents, Document)
    write_table(folder / "texts" / "rows.parquet", world.rows, Example)
    world.ledger.write(folder / "texts")
    if world.annotated is not None:
        (folder / "annotate" / "annotate.json").write_text(json.dumps(world.annotated))
    for name, text in world.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    summary = readiness(
        world.spec,
        folder / "rows",
        folder / "texts",
        folder / "out",
        Quiet(),
        base=folder,
        needs=Needs(lambda _: world.tokens, 64, 128, encode),
        earlier={"collect": folder / "texts", "annotate": folder / "annotate"},
        seed=0,
        name="shop",
    )
    told = json.loads((folder / "out" / "readiness.json").read_text(), parse_constant=pytest.fail)
    return summary, {light["name"]: light for light in told["lights"]}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    _, lights = judge(sound(), tmp_path_factory.mktemp("sound"))
    return {name: light["colour"] for name, light in lights.items()}


GREY = {"representation", "label agreement"}  # nobody is named, nobody labelled


def test_a_sound_data_set_is_green(good: dict[str, str]) -> None:
    assert {name for name, colour in good.items() if colour != "green"} == GREY
    assert len(good) == 17


def small(w: World) -> None:
    w.spec = ReadinessSpec(min_rows=2501)


def without_test(w: World) -> None:
    w.rows = [r for r in w.rows if r.side == "train"]


def one_class_rare(w: World) -> None:
    w.rows = [r for r in w.rows if r.side == "test" or r.label == "billing"] + w.rows[130:136]


def long_rows(w: World) -> None:
    w.tokens = 65


def holes(w: World) -> None:
    for i in range(150):
        w.ledger.refuse("missing value", f"a.csv:{i}", "price")


def two_minds(w: World) -> None:
    again = [w.rows[0], w.rows[1], w.rows[2]]
    w.rows += [
        dataclasses.replace(r, id=f"{r.id}~", label="delivery",
                            messages=(r.messages[0], Message("assistant", "delivery")))
        for r in again
    ]  # fmt: skip


def copies(w: World) -> None:
    again = [w.rows[i] for i in w.train]
    w.rows += [dataclasses.replace(r, id=f"{r.id}~") for r in again]


def german(w: World) -> None:
    for i in range(250):
        text = " ".join(random.Random(i).sample(GERMAN.split(), 20))
        w.rows[i] = row(i, w.rows[i].label, text=f"{text} {w.rows[i].label}")


def personal(w: World) -> None:
    w.say(range(20), "write to anna.schmidt@kunde-mail.de")


def threats(w: World) -> None:
    w.say(range(8), "I will kill you")


def women_only(w: World) -> None:
    w.say(range(30), WOMEN)


def quarrel(w: World) -> None:
    w.annotated = {"agreement": {"Krippendorff's alpha": {"value": 0.2, "low": None}}}


def wrong_labels(w: World) -> None:
    for i in range(0, 250, 6):
        w.rows[i] = dataclasses.replace(
            w.rows[i], label="delivery" if w.rows[i].label == "billing" else "billing"
        )


def parrots(w: World) -> None:
    for i in w.train:
        w.rows[i] = row(i, w.rows[i].label, text=f"n{i} {sentence(w.rows[i].label, 0)}")


def elsewhere(w: World) -> None:
    w.files["domain.txt"] = "\n\n".join(f"gouge spruce maple varnish bridge {i}" for i in range(9))
    w.spec = w.spec.model_copy(update={"domain": ("domain.txt",)})


SPOILT: list[tuple[Callable[[World], None], dict[str, str]]] = [
    (small, {"size": "red"}),
    (without_test, {"test items": "red"}),
    (one_class_rare, {"size": "yellow", "balance": "red", "rare classes": "red"}),
    (long_rows, {"lengths": "red"}),
    (holes, {"missing values": "red"}),
    (copies, {"duplicates": "red"}),
    (two_minds, {"contradictory labels": "yellow"}),
    (german, {"languages": "red", "diversity": "red", "domain relevance": "red"}),
    (personal, {"personal data": "red"}),
    (threats, {"harmful content": "red"}),
    (women_only, {"representation": "yellow"}),
    (quarrel, {"label agreement": "red"}),
    (wrong_labels, {"label errors": "red"}),
    (parrots, {"duplicates": "red", "diversity": "red"}),
    (elsewhere, {"domain relevance": "red"}),
]


@pytest.mark.parametrize(("spoil", "amiss"), SPOILT, ids=[s[0].__name__ for s in SPOILT])
def test_what_is_spoilt_turns_its_light_and_no_other(
    spoil: Callable[[World], None], amiss: dict[str, str], good: dict[str, str], tmp_path: Path
) -> None:
    world = sound()
    spoil(world)
    summary, lights = judge(world, tmp_path)
    changed = {n: v["colour"] for n, v in lights.items() if v["colour"] != good[n]}
    assert changed == amiss
    for name in amiss:
        assert lights[name]["mend"]
        assert summary["lights"][name]["light"] == amiss[name]
        assert f'<section class="{amiss[name]}"' in (tmp_path / "out/readiness.html").read_text()


def test_nothing_at_all_is_judged_and_not_a_crash(tmp_path: Path) -> None:
    world = World([], [], ReadinessSpec(), Ledger())
    summary, lights = judge(world, tmp_path)
    assert len(lights) == 17
    assert summary["colours"]["red"] == 2
    assert {lights[n]["colour"] for n in ("lengths", "diversity", "domain relevance")} == {"grey"}


def test_the_order_of_rows_makes_no_difference(tmp_path: Path) -> None:
    told = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        world = sound()
        if name == "other":
            world.rows.reverse()
        told.append(judge(world, tmp_path / name)[1])
    assert told[0] == told[1]


def test_copies_do_not_vouch_for_a_wrong_label(tmp_path: Path) -> None:
    world = sound()
    wrong_labels(world)
    made = [world.rows[i] for i in world.train for _ in range(3)]
    world.rows += [
        dataclasses.replace(r, id=f"{r.id}~{i}", parent=r.id) for i, r in enumerate(made)
    ]
    lights = judge(world, tmp_path)[1]
    assert lights["label errors"]["colour"] == "red"
    assert "of 250 labels" in lights["label errors"]["said"]
    assert lights["duplicates"]["colour"] == "green", "made rows are copies on purpose"


def test_labels_of_classes_too_small_to_judge_are_not_called_right(tmp_path: Path) -> None:
    world = sound()
    world.rows = [
        dataclasses.replace(
            row, label=f"{row.label} {number // 3}" if number % 10 > 2 else row.label
        )
        for number, row in enumerate(world.rows)
    ]
    light = judge(world, tmp_path)[1]["label errors"]
    assert light["colour"] == "grey"
    assert "labels are of classes with 5 rows or more" in light["said"]


def test_suspects_are_shown_with_the_label_they_should_have(tmp_path: Path) -> None:
    world = sound()
    world.rows[3] = dataclasses.replace(
        world.rows[3],
        label="delivery",
        messages=(world.rows[3].messages[0], Message("assistant", "delivery")),
    )
    (first,) = judge(world, tmp_path)[1]["label errors"]["facts"]["suspects"]
    assert (first["origin"], first["label"], first["rather"]) == (
        "billing.csv:3", "delivery", "billing",
    )  # fmt: skip


def test_relevance_by_language_models(tmp_path: Path) -> None:
    world = sound()
    world.spec = world.spec.model_copy(update={"general": ("general.txt",)})
    choose = random.Random(1)
    words = ["minister", "told", "press", "that", "vote", "on", "budget", "was", "near", "court"]
    world.files["general.txt"] = "\n\n".join(
        " ".join(choose.choices(words, k=12)) for _ in range(99)
    )
    world.rows[7] = row(7, "billing", text=world.files["general.txt"].split("\n\n")[0])
    light = judge(world, tmp_path)[1]["domain relevance"]
    assert light["facts"]["cross_entropy_difference_median"] < 0
    assert light["facts"]["farthest"][0]["origin"] == "billing.csv:7"
    assert light["colour"] == "green"


@pytest.mark.parametrize("content", [None, b"", b" \n\n ", b"caf\xe9"])
def test_a_domain_file_that_cannot_be_used_is_named(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "domain.txt").write_bytes(content)
    with pytest.raises(DataError, match=r"domain\.txt"):
        digest_readiness(ReadinessSpec(domain=("domain.txt",)), tmp_path)


def test_the_digest_follows_the_files(tmp_path: Path) -> None:
    spec = ReadinessSpec(domain=("domain.txt",))
    (tmp_path / "domain.txt").write_text("one")
    before = digest_readiness(spec, tmp_path)
    assert digest_readiness(spec, tmp_path) == before
    (tmp_path / "domain.txt").write_text("two")
    assert digest_readiness(spec, tmp_path) != before
