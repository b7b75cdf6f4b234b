"""What a search over retrieval found, as lines for a terminal."""

from __future__ import annotations

from luthier.rag.measuring.measured import Compared
from luthier.rag.tuning import Figures, Locked, Tuned


def tuned_lines(tuned: Tuned) -> list[str]:
    """The base, the best, what was changed, and what each step gains and costs."""
    done = [t for t in tuned.trials if t.value is not None]
    slow = sum(not t.feasible for t in done)
    failed = sum(bool(t.problem) for t in tuned.trials)
    limit = f", {tuned.limit}" if tuned.limit else ""
    lines = [
        f"{len(done)} trials on {tuned.questions} validation questions{limit}"
        + (f"; {slow} too slow" if slow else "")
        + (f"; {failed} failed" if failed else ""),
        "",
        *_pair(tuned.metric, tuned.base, tuned.best, tuned.compared),
        "",
        *_changes(tuned),
    ]
    if tuned.steps:
        width = max(len("step"), *(len(s.name) for s in tuned.steps))
        lines += ["", f"{'step':{width}}  used  {_HEAD}"]
        lines += [
            f"{s.name:{width}}  {'yes' if s.used else 'no':4}  {_row(s.effect)}"
            for s in tuned.steps
        ]
    return lines


def locked_lines(metric: str, locked: Locked) -> list[str]:
    """The base and the best on locked questions."""
    n = locked.compared.gain.n
    lines = [f"{n} locked questions", "", *_pair(metric, locked.base, locked.best, locked.compared)]
    if locked.looks > 1:
        lines.append(
            f"These questions have judged {locked.looks} configurations: they are no longer fresh."
        )
    return lines


_HEAD = f"{'gain [95 %]':27}  {'p50 ms':>8}  {'p95 ms':>8}  verdict"


def _pair(metric: str, base: Figures, best: Figures, compared: Compared) -> list[str]:
    def row(name: str, one: Figures) -> str:
        slow = "" if one.feasible else "  too slow"
        return f"{name:8}  {one.value:>10.4f}  {one.p50_ms:8.2f}  {one.p95_ms:8.2f}{slow}"

    return [
        f"{'':8}  {metric:>10}  {'p50 ms':>8}  {'p95 ms':>8}",
        row("now", base),
        row("best", best),
        f"gain      {_interval(compared)}: {compared.verdict}",
    ]


def _changes(tuned: Tuned) -> list[str]:
    base, best = tuned.base.settings, tuned.best.settings
    changed = [name for name in best if base.get(name) != best[name]]
    if not changed:
        return ["The settings are the best that was found."]
    width = max(map(len, changed))
    lines = [f"{name:{width}}  {_said(base.get(name))} -> {_said(best[name])}" for name in changed]
    if tuned.settings == base:
        lines.append("The gain is not told from chance: the settings may stay as they are.")
    return lines


def _row(effect: Compared) -> str:
    return f"{_interval(effect):27}  {effect.p50_ms:+8.2f}  {effect.p95_ms:+8.2f}  {effect.verdict}"


def _interval(compared: Compared) -> str:
    gain = compared.gain
    return f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"


def _said(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
