"""The whole product in one function, in the order of the stages."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luthier import config
from luthier.config import Project
from luthier.core.errors import ConfigError
from luthier.core.progress import Progress
from luthier.core.records import Example, Side
from luthier.core.store import Artifact, Store
from luthier.data import prepare as data
from luthier.evaluate.compare import EvaluateSpec
from luthier.setup.plan import answering_precision
from luthier.tune.methods import trainable
from luthier.tune.tune import TuneSpec

if TYPE_CHECKING:
    from luthier.evaluate.routes import Route
    from luthier.models.generate import Generate
    from luthier.models.load import Model
    from luthier.setup.plan import Plan


@dataclasses.dataclass(frozen=True, slots=True)
class RunResult:
    """What a run made or found already made.

    Attributes:
        artifacts: By stage: collect, prepare, leakage, model, contexts, tune, index, compare,
            bundle, report; those that the project asks for.
        plan: The training plan (see ``setup.plan.Plan``).
        seconds_s: Of the whole run.
    """

    artifacts: dict[str, Artifact]
    plan: dict[str, Any]
    seconds_s: float

    def as_json(self) -> dict[str, Any]:
        """Plain data for programs."""
        stages = {
            name: {
                "artifact": a.name,
                "path": str(a.path),
                "reused": a.reused,
                "wall_s": a.wall_s,
                "summary": a.summary,
            }
            for name, a in self.artifacts.items()
        }
        return {"stages": stages, "plan": self.plan, "seconds_s": self.seconds_s}


def run(project: Project, base: Path, progress: Progress, *, dry_run: bool = False) -> RunResult:
    """Make everything a project asks for; what is already made from the same inputs is reused.

    Args:
        project: The settings.
        base: Folder of the project file.
        progress: Shows bars and lines.
        dry_run: Stop after the training plan.

    Raises:
        LuthierError: A stage failed; finished stages are kept.
    """
    work = _Work(project, base, progress)
    work.collect()
    work.prepare()
    work.leakage()
    work.model()
    if not dry_run:
        work.contexts()
        work.tune()
        work.index()
        work.compare()
        work.bundle()
        work.report()
    return work.result()


class _Work:
    """One run: the artifacts so far, and for each stage how it is made from them."""

    def __init__(self, project: Project, base: Path, progress: Progress) -> None:
        self.project, self.base, self.progress = project, base, progress
        self.store = Store(config.store_root(project, base))
        self.made: dict[str, Artifact] = {}
        self.started = time.monotonic()
        self._model_folder = Path()
        self._plan: Plan | None = None

    def collect(self) -> None:
        spec = self.project.data
        sources = [data.source_digest(s, self.base) for s in spec.sources]
        self._make(
            "collect",
            data.COLLECT_VERSION,
            {"sources": sources, "max_refused": spec.max_refused},
            lambda folder: data.collect(spec, self.base, folder, self.progress),
        )

    def prepare(self) -> None:
        spec, seed = self.project.data, self.project.seed
        collected = self.made["collect"]
        settings = spec.model_dump(mode="json", exclude={"sources"})
        self._make(
            "prepare",
            data.PREPARE_VERSION,
            {"collect": collected, "settings": settings, "seed": seed},
            lambda folder: data.prepare(spec, collected.path, folder, self.progress, seed),
        )

    def leakage(self) -> None:
        if self.project.evaluate is None:
            return
        from luthier.evaluate.leakage import LEAKAGE_VERSION, require_clean

        collected, prepared = self.made["collect"], self.made["prepare"]
        self._make(
            "leakage",
            LEAKAGE_VERSION,
            {"collect": collected, "prepare": prepared},
            lambda folder: require_clean(collected.path, prepared.path, folder, self.progress),
        )

    def model(self) -> None:
        from luthier.models import load
        from luthier.setup.plan import inspect_machine, make_plan

        spec = self.project.model
        if spec.name == "scratch":
            self._scratch()
        else:
            folder = self._model_folder = load.find(spec, self.base)
            inputs = {"digest": load.folder_digest(folder)}
            self._make("model", load.MODEL_VERSION, inputs, lambda _: load.fit_for_chat(folder))
        facts = self.made["model"].summary
        machine = inspect_machine(self.project.setup.device)
        tune = self.project.tune or TuneSpec()
        self._plan = make_plan(
            self.project.setup,
            machine,
            parameters=facts["parameters"],
            trainable=trainable(tune.method, facts),
            hidden_size=facts["hidden_size"],
            layers=facts["layers"],
            batch_tokens=tune.batch_tokens,
            max_length=tune.max_length,
        )

    def _scratch(self) -> None:
        from luthier.models.scratch import MODEL_VERSION, make

        spec, seed = self.project.model.scratch, self.project.seed
        if spec is None:
            raise ConfigError("a new model needs its shape", where="model.scratch")

        def fill(folder: Path) -> dict[str, Any]:
            documents = data.read_documents(self.made["collect"].path)
            asked = [m.content for e in self._examples("train") for m in e.messages]
            texts = [f"{d.title}\n{d.text}" for d in documents] + asked
            return make(spec, texts, folder / "model", self.progress, seed=seed)

        inputs = {"scratch": spec, "prepare": self.made["prepare"], "seed": seed}
        self._model_folder = self._make("model", MODEL_VERSION, inputs, fill).path / "model"

    def contexts(self) -> None:
        tune, rag, seed = self.project.tune, self.project.rag, self.project.seed
        if tune is None or rag is None or tune.with_passages == 0:
            return
        from luthier.models.load import load_tokenizer
        from luthier.rag.contexts import CONTEXTS_VERSION, context_settings, give_contexts

        share, prepared, collected = tune.with_passages, self.made["prepare"], self.made["collect"]
        inputs = {
            "prepare": prepared,
            "collect": collected,
            "model": self.made["model"],
            "settings": {"share": share, **context_settings(rag)},
            "seed": seed,
        }

        def fill(folder: Path) -> dict[str, Any]:
            tokenizer = load_tokenizer(self._model_folder)
            return give_contexts(
                rag,
                self._examples("train") + self._examples("validation"),
                data.read_documents(collected.path),
                folder,
                self.progress,
                share=share,
                count_tokens=lambda text: len(tokenizer(text, verbose=False)["input_ids"]),
                seed=seed,
            )

        self._make("contexts", CONTEXTS_VERSION, inputs, fill)

    def tune(self) -> None:
        spec = self.project.tune
        if spec is None:
            return
        from luthier.tune.tune import TUNE_VERSION, tune

        rows = self.made.get("contexts") or self.made["prepare"]

        texts = spec.objective == "pretrain"

        def fill(folder: Path) -> dict[str, Any]:
            return tune(
                self._load(self._model_folder),
                data.read_examples(rows.path, "train"),
                data.read_examples(rows.path, "validation"),
                data.read_documents(self.made["collect"].path) if texts else [],
                spec,
                self._planned,
                folder,
                self.progress,
            )

        inputs: dict[str, Any] = {
            "model": self.made["model"],
            "rows": rows,
            "tune": spec,
            "precision": self._planned.precision,
        }
        if texts:
            inputs["documents"] = self.made["collect"]
        recorded = {"plan": dataclasses.asdict(self._planned)}
        self._make("tune", TUNE_VERSION, inputs, fill, recorded=recorded, resumable=True)

    def index(self) -> None:
        spec = self.project.rag
        measured = self.project.evaluate.routes if self.project.evaluate else ()
        if spec is None or not any("rag" in r for r in (*measured, self.project.serve.route)):
            return
        from luthier.rag.index import BUILD_VERSION, build, index_settings

        collected = self.made["collect"]
        self._make(
            "index",
            BUILD_VERSION,
            {"collect": collected, "settings": index_settings(spec)},
            lambda folder: build(spec, data.read_documents(collected.path), folder, self.progress),
        )

    def compare(self) -> None:
        spec = self.project.evaluate
        if spec is None:
            return
        from luthier.evaluate.compare import COMPARE_VERSION, compare, select_items

        def fill(folder: Path) -> dict[str, Any]:
            items = select_items(self._examples("test"), spec.max_items)
            routes: dict[str, Generate] = {name: self._answerer(name) for name in spec.routes}
            return compare(spec, items, routes, folder, self.progress, self.project.seed)

        inputs: dict[str, Any] = {
            "prepare": self.made["prepare"],
            "model": self.made["model"],
            "evaluate": spec,
            "rag": self.project.rag,
            "seed": self.project.seed,
            **{name: self.made[name] for name in ("tune", "index") if name in self.made},
        }
        self._make("compare", COMPARE_VERSION, inputs, fill)

    def bundle(self) -> None:
        from luthier.models.generate import Sampling
        from luthier.models.load import load_tokenizer
        from luthier.models.render import Renderer
        from luthier.serve.bundle import BUNDLE_VERSION, LATEST, BundleInfo, write_bundle

        route = self._best_route()
        rag = self.project.rag if "rag" in route else None
        model = self.made["tune" if "fine-tuned" in route else "model"]
        parts = {"model": model, "data": self.made["prepare"]}
        if rag is not None:
            parts["index"] = self.made["index"]
        sampling = Sampling(max_new_tokens=self.project.serve.max_new_tokens)

        def fill(folder: Path) -> dict[str, Any]:
            info = BundleInfo(
                template=Renderer(load_tokenizer(self._weights(route))).digest,
                sampling=sampling,
                questions=tuple(e.question for e in self._examples("test")),
                inputs={role: artifact.name for role, artifact in parts.items()},
                rag=rag,
                shots=self._shots() if route == "few-shot" else (),
                precision=answering_precision(self._planned.device),
                facts={"base_model": self.project.model.name},
            )
            return write_bundle(
                folder,
                name=self.project.name,
                route=route,
                model_folder=self._weights(route),
                index_folder=self.made["index"].path if rag else None,
                info=info,
            )

        inputs = {
            **parts,
            "name": self.project.name,
            "route": route,
            "rag": rag,
            "sampling": sampling,
            "few_shot": self.project.evaluate.few_shot if self.project.evaluate else 0,
        }
        self.store.keep(LATEST, self._make("bundle", BUNDLE_VERSION, inputs, fill))

    def report(self) -> None:
        if self.project.evaluate is None:
            return
        from luthier.evaluate.assemble import from_artifacts
        from luthier.evaluate.report import REPORT_VERSION, render

        made, plan = dict(self.made), dataclasses.asdict(self._planned)

        def fill(folder: Path) -> dict[str, int]:
            return render(from_artifacts(self.project.name, made, plan), folder / "report.html")

        inputs = {**made, "name": self.project.name, "plan": plan["precision"]}
        self.store.keep("report", self._make("report", REPORT_VERSION, inputs, fill))

    def result(self) -> RunResult:
        plan = dataclasses.asdict(self._plan) if self._plan else {}
        return RunResult(dict(self.made), plan, round(time.monotonic() - self.started, 2))

    def _make(
        self,
        stage: str,
        version: int,
        inputs: Mapping[str, Any],
        fill: Callable[[Path], Mapping[str, Any]],
        **options: Any,
    ) -> Artifact:
        self.made[stage] = self.store.make(stage, version, inputs, fill, **options)
        return self.made[stage]

    def _weights(self, route: Route) -> Path:
        """The model folder a route answers with."""
        return self.made["tune"].path / "model" if "fine-tuned" in route else self._model_folder

    def _examples(self, side: Side) -> list[Example]:
        return data.read_examples(self.made["prepare"].path, side)

    @property
    def _planned(self) -> Plan:
        if self._plan is None:
            raise AssertionError("the model stage makes the plan")
        return self._plan

    def _load(self, folder: Path, *, answering: bool = False) -> Model:
        from luthier.models.load import load

        plan = self._planned
        return load(
            folder,
            device=plan.device,
            precision=answering_precision(plan.device) if answering else plan.precision,
        )

    def _answerer(self, route: Route) -> Generate:
        from luthier.evaluate.routes import answerer
        from luthier.models.generate import LocalModel

        index = self.made.get("index")
        return answerer(
            route,
            LocalModel(self._load(self._weights(route), answering=True)),
            shots=self._shots() if route == "few-shot" else (),
            index_folder=index.path if index else None,
            rag=self.project.rag,
        )

    def _shots(self) -> tuple[Example, ...]:
        from luthier.evaluate.few_shot import choose_shots

        spec = self.project.evaluate or EvaluateSpec()
        return choose_shots(self._examples("train"), spec.few_shot)

    def _best_route(self) -> Route:
        """The route to serve: the one asked for, else the best measured, else the fullest."""
        wanted = self.project.serve.route
        if wanted != "best":
            return wanted
        if "compare" in self.made:
            best: Route = self.made["compare"].summary["ranking"]["overall"][0]
            return best
        if "tune" in self.made:
            return "rag+fine-tuned" if "index" in self.made else "fine-tuned"
        return "rag" if "index" in self.made else "base"
