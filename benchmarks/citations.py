"""How well right answers are told from changed ones, by their passages alone.

    python benchmarks/citations.py [--encoder]

XQuAD-en's 240 paragraphs and 1,190 questions. Right answers are the reference answers, the
sentence of the paragraph that holds one, and the statement that question and answer make ("Who led
the team?", "Von Miller": "Von Miller led the team."). Wrong ones are made from them: another
number, a denial put in or taken out, a name changed for another of the same paragraph or of another
one, and the answer to another question about the same paragraph. A check should support the first
and not the second.

Every second paragraph chose the thresholds; the table is of the others. A defeat would be a rule
that lets more wrong answers pass than that of `luthier.rag.cite` without more right ones.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from _xquad import Question, read

from luthier.rag.abstain import threshold_at
from luthier.rag.cite import cite
from luthier.rag.reading.asked import kind_of
from luthier.rag.reading.sentences import sentences
from luthier.rag.reading.terms import NEGATIONS, Term, stems, terms
from luthier.rag.support import Judge, SupportSpec, check

Case = tuple[str, str, bool, Question]  # kind, text, right, what it answers
Rule = Callable[[str, Question], bool]
_AUXILIARY = re.compile(
    r"^(who|what|which \w+)\s+(\w+(?:ed|s)|led|won|was|is|were|are|had|has)\s+(.+?)\?$", re.I
)
_VERB = re.compile(r"\b(?:is|are|was|were|has|have|had|can|could|will|would|did|does)\b")


def main() -> int:
    """Make the cases, check them by each rule, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="default: $LUTHIER_DATA/xquad_en")
    parser.add_argument("--encoder", action="store_true", help="with MiniLM as a judge too")
    options = parser.parse_args()
    questions = read(options.data)
    if not questions:
        return 0
    rows = cases(questions)
    tuned = [row for row in rows if row[3].paragraph % 2 == 0]
    rows = [row for row in rows if row[3].paragraph % 2 == 1]
    rules: dict[str, Rule] = {
        "cite.py": lambda text, q: bool(cite(text, [q.passage])),
        "checked": lambda text, q: bool(check(text, [q.passage], SPEC, q.text)[2]),
    }
    if options.encoder:
        judge = _judge(tuned)
        print(f"the judge believes a cosine from {judge.least:.3f}")
        rules["checked + MiniLM"] = lambda text, q: bool(
            check(text, [q.passage], SPEC, q.text, judge=judge)[2]
        )
    print(f"thresholds on the half that chose them: {_thresholds(tuned)}")
    table(rows, rules)
    return 0


SPEC = SupportSpec(unsupported="keep")


def cases(questions: Sequence[Question]) -> list[Case]:
    """Right and wrong answers, the same at each run."""
    draw = random.Random(0)
    rows: list[Case] = []
    beside: dict[int, list[Question]] = {}
    for one in questions:
        beside.setdefault(one.paragraph, []).append(one)
    for one in questions:
        sentence = _sentence_of(one)
        told = _declared(one)
        rows.append(("short answer", one.answer, True, one))
        rows += [("sentence", sentence, True, one)] if sentence else []
        rows += [("restated", told, True, one)] if told else []
        for text in (t for t in (sentence, told) if t):
            elsewhere = draw.choice(questions).passage.text
            for kind, changed in (
                ("other number", _other_number(text, draw)),
                ("denial", _denied(text)),
                ("name beside", _other_name(text, one.passage.text, draw)),
                ("name elsewhere", _other_name(text, elsewhere, draw)),
            ):
                if changed and changed not in one.passage.text:
                    rows.append((kind, changed, False, one))
        others = [q for q in beside[one.paragraph] if not _overlap(q.answer, one.answers)]
        same = [q for q in others if kind_of(q.text) == kind_of(one.text)]
        for kind, pool in (("answer beside", others), ("same kind beside", same)):
            if pool:
                rows.append((kind, draw.choice(pool).answer, False, one))
    return rows


def table(rows: Sequence[Case], rules: dict[str, Rule]) -> None:
    """Share supported by kind of case, then precision and recall."""
    kinds = dict.fromkeys((right, kind) for kind, _, right, _ in rows)
    verdicts = {name: [rule(text, q) for _, text, _, q in rows] for name, rule in rules.items()}
    print(f"{'supported, %':24} {'cases':>6} " + " ".join(f"{n:>18}" for n in rules))
    for right, kind in sorted(kinds, reverse=True):
        chosen = [i for i, (k, _, r, _) in enumerate(rows) if (k, r) == (kind, right)]
        shares = [100 * sum(v[i] for i in chosen) / len(chosen) for v in verdicts.values()]
        name = f"{'right' if right else 'wrong'}: {kind}"
        print(f"{name:24} {len(chosen):6} " + " ".join(f"{s:18.1f}" for s in shares))
    for name, verdict in verdicts.items():
        hits = sum(v and r for v, (_, _, r, _) in zip(verdict, rows, strict=True))
        precision = hits / max(1, sum(verdict))
        recall = hits / sum(r for _, _, r, _ in rows)
        print(f"{name}: precision {precision:.3f}, recall {recall:.3f}, n = {len(rows)}")


def _thresholds(rows: Sequence[Case]) -> str:
    """Balanced accuracy of some thresholds: how `support.LEAST` was chosen."""
    told = []
    scores = [(check(t, [q.passage], SPEC, q.text)[1][0].score, r) for _, t, r, q in rows]
    for least in (0.4, 0.5, 0.6, 0.7, 0.8):
        right = [s >= least for s, r in scores if r]
        wrong = [s < least for s, r in scores if not r]
        told.append(f"{least}: {(sum(right) / len(right) + sum(wrong) / len(wrong)) / 2:.3f}")
    return ", ".join(told)


def _judge(rows: Sequence[Case]) -> Judge:
    """MiniLM's cosine, believed where at most 5 % of wrong claims of the first half pass."""
    from luthier.models.encode import load_encoder
    from luthier.rag.extract import similarity

    cosines = similarity(load_encoder("minilm"))

    def score(pairs: Sequence[tuple[str, str]]) -> list[float]:
        by_claim: dict[str, list[str]] = {}
        for claim, place in pairs:
            by_claim.setdefault(claim, []).append(place)
        told = {c: dict(zip(p, cosines(c, p), strict=True)) for c, p in by_claim.items()}
        return [told[claim][place] for claim, place in pairs]

    wrong = [
        max(score([(text, q.passage.text[a:b]) for a, b in sentences(q.passage.text)]))
        for kind, text, right, q in rows
        if not right and kind != "denial"
    ]
    return Judge(score, threshold_at(wrong, 0.05))


def _sentence_of(one: Question) -> str:
    text = one.passage.text
    return next((text[a:b] for a, b in sentences(text) if a <= one.start < b), "")


def _declared(one: Question) -> str:
    """The question as a statement with its answer, where its form is simple; else ""."""
    found = _AUXILIARY.match(one.text.strip())
    if found is None:
        return ""
    answer = one.answer[0].upper() + one.answer[1:]
    return f"{answer} {found[2]} {found[3]}."


def _other_number(text: str, draw: random.Random) -> str:
    places = [t for t in terms(text) if t.number and text[t.start].isdigit()]
    if not places:
        return ""
    one = draw.choice(places)
    digits = re.match(r"\d+", text[one.start :])
    value = digits[0] if digits else "7"
    return text[: one.start] + str(int(value) + draw.randint(1, 9)) + text[one.start + len(value) :]


def _denied(text: str) -> str:
    denials = [t for t in terms(text) if t.stem in NEGATIONS]
    if denials:
        return text[: denials[0].start] + text[denials[0].end + 1 :]
    found = _VERB.search(text)
    return f"{text[: found.end()]} not{text[found.end() :]}" if found else ""


def _other_name(text: str, source: str, draw: random.Random) -> str:
    """The text with one of its names changed for one of another text."""
    own = [t for t in terms(text) if t.name]
    pool = [t for t in terms(source) if t.name and t.stem not in stems(text)]
    if not own or not pool:
        return ""
    one: Term = draw.choice(own)
    new: Term = draw.choice(pool)
    return text[: one.start] + source[new.start : new.end] + text[one.end :]


def _overlap(answer: str, others: Sequence[str]) -> bool:
    return any(stems(answer) & stems(o) or answer in o or o in answer for o in others)


if __name__ == "__main__":
    sys.exit(main())
