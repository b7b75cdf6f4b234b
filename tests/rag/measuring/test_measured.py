"""Settings are measured once, indexes built once, and comparisons made in pairs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from luthier.core.errors import DataError, StoreError
from luthier.rag.measuring.measured import Bench, Measured, Settings, compare


class Fake:
    """Remembers what it was asked to build and to evaluate."""

    def __init__(self, folder: Path) -> None:
        self.built: list[Settings] = []
        self.asked: list[Settings] = []
        self.bench = Bench(
            self.evaluate, folder, "documents", "questions", self.build, ("size", "encoder")
        )

    def build(self, settings: Settings, folder: Path) -> None:
        self.built.append(settings)
        (folder / "index").write_text(str(settings["size"]))

    def evaluate(self, settings: Settings, folder: Path) -> Measured:
        self.asked.append(settings)
        size = float((folder / "index").read_text())
        return Measured((size, float(settings["k"])), (1.0, 3.0))


def test_an_index_is_built_once_for_what_decides_it(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    assert fake.bench.measure({"size": 3, "k": 1}).values == (3.0, 1.0)
    assert fake.bench.measure({"size": 3, "k": 2}).values == (3.0, 2.0)
    assert fake.bench.measure({"size": 4, "k": 2}).values == (4.0, 2.0)
    assert [one["size"] for one in fake.built] == [3, 4]


def test_settings_are_measured_once_also_by_another_process(tmp_path: Path) -> None:
    first, again = Fake(tmp_path), Fake(tmp_path)
    made = first.bench.measure({"size": 3, "k": 1})
    assert again.bench.measure({"k": 1, "size": 3}) == made
    assert again.asked == again.built == []


def test_other_questions_are_measured_on_the_same_index(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    fake.bench.measure({"size": 3, "k": 1})
    locked = Bench(fake.evaluate, tmp_path, "documents", "locked", fake.build, ("size", "encoder"))
    locked.measure({"size": 3, "k": 1})
    other = Bench(fake.evaluate, tmp_path, "others", "locked", fake.build, ("size", "encoder"))
    other.measure({"size": 3, "k": 1})
    assert (len(fake.asked), len(fake.built)) == (3, 2)


def test_other_settings_that_are_not_told_are_measured_anew_and_count_as_the_same_questions(
    tmp_path: Path,
) -> None:
    fake = Fake(tmp_path)
    fake.bench.measure({"size": 3, "k": 1})
    changed = dataclasses.replace(fake.bench, rest="other rules")
    changed.measure({"size": 3, "k": 1})
    assert (len(fake.asked), len(fake.built)) == (2, 1)
    assert changed.about == fake.bench.about


def test_a_build_that_fails_leaves_no_index(tmp_path: Path) -> None:
    fake = Fake(tmp_path)

    def fail(settings: Settings, folder: Path) -> None:
        (folder / "index").write_text("half")
        raise DataError("no documents")

    broken = Bench(fake.evaluate, tmp_path, "documents", "questions", fail, ("size",))
    with pytest.raises(DataError, match="no documents"):
        broken.measure({"size": 3, "k": 1})
    assert not list((tmp_path / "indexes").iterdir())
    assert fake.bench.measure({"size": 3, "k": 1}).values == (3.0, 1.0)


def test_a_damaged_measurement_is_named(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    fake.bench.measure({"size": 3, "k": 1})
    (path,) = (tmp_path / "measured").rglob("*.json")
    path.write_text("{}")
    with pytest.raises(StoreError, match="cannot be read") as caught:
        fake.bench.measure({"size": 3, "k": 1})
    assert caught.value.where == str(path)


def test_a_measurement_needs_a_figure_and_a_time_for_each_question() -> None:
    with pytest.raises(DataError):
        Measured((), ())
    with pytest.raises(DataError):
        Measured((1.0,), (1.0, 2.0))
    made = Measured((0.0, 1.0), (1.0, 3.0))
    assert (made.value, made.latency_ms(50)) == (0.5, 2.0)


def test_pairs_tell_a_gain_from_chance() -> None:
    base = Measured(tuple([0.0, 1.0] * 50), tuple([1.0] * 100))
    better = Measured(tuple([0.5, 1.0] * 50), tuple([4.0] * 100))
    told = compare(better, base)
    assert told.verdict == "better"
    assert told.gain.mean == pytest.approx(0.25)
    assert (told.p50_ms, told.p95_ms) == (3.0, 3.0)
    assert compare(base, better).verdict == "worse"
    assert compare(base, base).verdict == "cannot tell apart"
    one_group = [str(n // 50) for n in range(100)]  # two groups cannot tell anything
    assert compare(better, base, one_group).verdict == "cannot tell apart"


def test_other_questions_cannot_be_paired() -> None:
    with pytest.raises(DataError, match="2 and 1 questions"):
        compare(Measured((1.0, 1.0), (1.0, 1.0)), Measured((1.0,), (1.0,)))
