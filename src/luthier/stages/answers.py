"""Stages 5 and 6 of a run: the index, the comparison, the bundle and the report."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luthier.stages import living
from luthier.stages.work import Work

if TYPE_CHECKING:
    from luthier.evaluate.routes import Route
    from luthier.models.generate import Generate


def index(work: Work) -> None:
    """Index the documents, if any route retrieves."""
    from luthier.evaluate.routes import RETRIEVE

    told, spec = work.project.rag, work.rag
    measured = work.project.evaluate.routes if work.project.evaluate else ()
    if told is None or spec is None:
        return
    if not any(route in RETRIEVE for route in (*measured, work.project.serve.route)):
        return
    from luthier.models.embed import open_encoder
    from luthier.rag.abstain import VERSION as ABSTAIN_VERSION
    from luthier.rag.calibration import calibrate_index, searched_with
    from luthier.rag.index import BUILD_VERSION, build
    from luthier.rag.spec import index_settings

    inputs: dict[str, Any] = {"texts": work.texts, "settings": index_settings(told)}
    if getattr(spec.encoder, "name", "minilm") != "minilm":
        inputs["encoder"] = open_encoder(spec.encoder).digest
    if calibrated := spec.abstain.policy != "off":
        inputs["rows"] = work.made["prepare"]
        inputs["abstain"] = [
            ABSTAIN_VERSION, spec.abstain.target, searched_with(told), work.project.seed,
        ]  # fmt: skip

    def fill(folder: Path) -> dict[str, Any]:
        made = build(spec, work.documents(), folder, work.progress)
        if calibrated:
            questions = living.as_sought(work.examples("validation"))
            found = calibrate_index(folder, spec, questions, work.project.seed)
            made["abstention"] = {
                "answered": found.answered,
                "false_answers": found.false_answers,
                "questions": found.answerable,
            }
        return made

    work.make("index", BUILD_VERSION, inputs, fill, resumable=True)


def compare(work: Work) -> None:
    """Measure all routes on the same locked questions."""
    spec = work.project.evaluate
    if spec is None:
        return
    from luthier.evaluate.compare import COMPARE_VERSION, compare
    from luthier.rag.spec import named_files

    def fill(folder: Path) -> dict[str, Any]:
        items = work.items()
        routes: dict[str, Generate] = {name: work.answerer(name) for name in spec.routes}
        return compare(spec, items, routes, folder, work.progress, work.project.seed)

    inputs: dict[str, Any] = {
        "prepare": work.made["prepare"],
        "model": work.made["model"],
        "evaluate": spec,
        "rag": work.project.rag,
        "rag_files": work.rag and named_files(work.rag),
        "seed": work.project.seed,
        **work.held(),
        **{name: work.made[name] for name in ("classify", "tune", "index") if name in work.made},
    }
    work.make("compare", COMPARE_VERSION, inputs, fill)


def bundle(work: Work) -> None:
    """Put together what is served."""
    from luthier.evaluate.labels import gives_labels
    from luthier.evaluate.routes import RETRIEVE
    from luthier.models.generate import Sampling
    from luthier.models.load import load_tokenizer
    from luthier.models.render import Renderer
    from luthier.rag.spec import named_files
    from luthier.serve.bundle import BUNDLE_VERSION, LATEST, BundleInfo, write_bundle
    from luthier.tune.retrieval import KINDS

    project, route = work.project, best_route(work)
    if project.tune and isinstance(project.tune.objective, KINDS) and "fine-tuned" in route:
        return  # an encoder or a reranker answers nothing
    rag = work.rag if route in RETRIEVE else None
    labels = route == "classifier"
    answering = "classify" if labels else "tune" if "fine-tuned" in route else "model"
    parts = {"model": work.made[answering], "data": work.made["prepare"]}
    if rag is not None:
        parts["index"] = work.made["index"]
    sampling = Sampling(max_new_tokens=project.serve.max_new_tokens)
    chats = not labels and not gives_labels(work.weights(route))

    def fill(folder: Path) -> dict[str, Any]:
        info = BundleInfo(
            template=Renderer(load_tokenizer(work.weights(route))).digest if chats else "",
            sampling=sampling,
            questions=tuple(e.question for e in work.examples("test")),
            inputs={role: artifact.name for role, artifact in parts.items()},
            rag=rag,
            shots=tuple(work.shots()) if route == "few-shot" else (),
            precision=work.precision(work.plan.device),
            quantisation=work.project.model.quantisation,
            facts={"encoder": project.data.encoder}
            if labels
            else {"base_model": project.model.name},
        )
        return write_bundle(
            folder,
            name=project.name,
            route=route,
            model_folder=work.weights(route),
            index_folder=work.made["index"].path if rag else None,
            encoder_folder=work.encoder.folder if labels else None,
            info=info,
        )

    inputs = {
        **parts,
        "name": project.name,
        "route": route,
        "rag": project.rag if rag else None,
        "rag_files": rag and named_files(rag),
        "sampling": sampling,
        **work.held(),
        "few_shot": project.evaluate.few_shot if project.evaluate else 0,
        **({"encoder": work.encoder.digest} if labels else {}),
    }
    work.keep(LATEST, work.make("bundle", BUNDLE_VERSION, inputs, fill))


def report(work: Work) -> None:
    """Write the HTML report."""
    if work.project.evaluate is None:
        return
    from luthier.evaluate.assemble import from_artifacts
    from luthier.evaluate.report import REPORT_VERSION, render

    made, plan = dict(work.made), dataclasses.asdict(work.plan)

    def fill(folder: Path) -> dict[str, int]:
        return render(from_artifacts(work.project.name, made, plan), folder / "report.html")

    inputs = {**made, "name": work.project.name, "plan": plan["precision"]}
    work.keep("report", work.make("report", REPORT_VERSION, inputs, fill))


def best_route(work: Work) -> Route:
    """The route to serve: the one asked for, else the best measured, else what was trained last."""
    wanted = work.project.serve.route
    if wanted != "best":
        return wanted
    if "compare" in work.made:
        best: Route = work.finished(work.made["compare"]).summary["ranking"]["overall"][0]
        return best
    if "classify" in work.made and "tune" not in work.made:
        return "classifier"
    if "tune" in work.made:
        return "rag+fine-tuned" if "index" in work.made else "fine-tuned"
    return "rag" if "index" in work.made else "base"
