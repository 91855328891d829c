"""The stages of a build, in order: convert, check, optimise, prove, compete, write."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import onnx

from modelet.build import cases, contents, facts, folder, origin
from modelet.build.contents import Contents
from modelet.build.contest.curve import Point
from modelet.build.contest.placed import hold_and_place, require_measurable
from modelet.build.contest.record import Contest
from modelet.build.contest.remake import remake
from modelet.build.contest.ring import hold
from modelet.build.contest.settings import Settings
from modelet.build.conversion import convert
from modelet.build.converters import CONVERTERS
from modelet.build.expectations import expectations
from modelet.build.optimise import Artifact, Candidate, optimise
from modelet.build.origin import Origin
from modelet.build.passport import passport
from modelet.build.pipeline import Report
from modelet.build.plan import Plan
from modelet.build.prove import prove
from modelet.build.quantise.formula import Formula
from modelet.golden import FILE_NAME as GOLDEN_FILE
from modelet.golden import Tolerance
from modelet.repository import PASSPORT_FILE, VERSIONS, sha256
from modelet_runtime import manifest as contract
from modelet_runtime.manifest import FileDigest, Manifest


class Stages:
    """One run through the stages.

    Args:
        todo: What to do.
        staged: An empty folder beside the versions, which becomes the next one.
        report: Called with each stage as it begins.
    """

    def __init__(self, todo: Plan, staged: Path, report: Report) -> None:
        self._todo = todo
        self._recipe = todo.recipe
        self._staged = staged
        self._report = report
        self._notes: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the proof: why the winner won, and which candidates failed."""
        return self._notes

    def run(self) -> tuple[int, Literal["restored", "built"], str]:
        """Restore or build; gives the version, what was done and why.

        Raises:
            Refused: The source or the proof failed; no version was written.
        """
        parts = contents.read(self._recipe, self._todo.model.path)
        with origin.opened(self._recipe, self._todo.model.path) as opened:
            graph, source = convert(self._recipe, parts, opened, self._report)
            reason = self._todo.reason
            if self._todo.action == "restore":
                differing = self._restore(source, graph, parts)
                newest = self._todo.next_number - 1
                if not differing:
                    return newest, "restored", reason
                reason = (
                    f"{differing} of version {newest} cannot be made again with the same bytes here"
                    " (another CPU or other libraries)"
                )
            self._build(source, graph, parts)
        return self._todo.next_number, "built", reason

    def _restore(self, source: Origin, graph: onnx.ModelProto, parts: Contents) -> str:
        """Put the newest version's missing files back; gives those that come out differently."""
        version = self._todo.newest
        assert version is not None
        self._report("optimise")
        parts.copy_to(self._staged)
        samples = self._recipe.golden.samples or cases.RANDOM
        artifact = remake(
            graph,
            Formula.from_dict(version.manifest.graph.formula),
            Settings.of(self._recipe, parts.labels, has_samples=True, target=self._todo.target),
            lambda: cases.inputs(samples, source, version.manifest, self._staged),
            self._staged / "remade",
        )
        _adopt(artifact, self._staged)
        broken = sorted({*version.missing_files(), *version.changed_files()})
        differing = [
            name
            for name in broken
            if not (self._staged / name).is_file()
            or sha256(self._staged / name) != version.manifest.files[name].sha256
        ]
        if not differing:
            self._report("write")
            for name in broken:
                folder.replace(self._staged / name, version.folder / name)
        return ", ".join(differing)

    def _build(self, source: Origin, graph: onnx.ModelProto, parts: Contents) -> None:
        """Make, prove and publish the next version."""
        recipe = self._recipe
        if self._todo.is_open:
            require_measurable(recipe)
        self._report("optimise")
        plain = optimise(Candidate("fp32", graph), self._todo.target, self._staged / "fp32")
        self._report("prove")
        parts.copy_to(self._staged)
        draft = self._manifest(source, graph, parts)
        runs = cases.collect(recipe.golden, source, draft, self._staged)
        tolerance = Tolerance(recipe.golden.rtol, recipe.golden.atol)
        parity = prove(plain, runs.all, tolerance)
        self._report("compete")
        contest, placement = self._compete(graph, plain, runs, parts)
        target = placement.target if placement else draft.target
        self._notes = (*((placement.reason,) if placement else ()), *contest.notes)
        self._report("write")
        expected = expectations(contest.path, runs, tolerance, is_exact=contest.formula == Formula())
        (self._staged / GOLDEN_FILE).write_bytes(expected.to_bytes())
        _adopt(contest.artifact, self._staged)
        manifest = replace(
            draft,
            graph=replace(
                facts.graph(contest.artifact.graph, contest.winner.precision, parts.graft.to_dict()),
                file=contest.winner.file,
                formula=contest.formula.to_dict(),
            ),
            files=_digests(self._staged),
            target=target,
            placement=placement,
            endpoint=recipe.endpoint.to_manifest() if target == "gpu" else None,
            batch=_begun(draft.batch, contest.curve),
            proof=contract.Proof(contest.verdict.passed, "" if contest.verdict.passed else self._todo.accept),
        )
        _write_json(self._staged / PASSPORT_FILE, passport(manifest, contest, parity, runs))
        _write_json(self._staged / contract.FILE_NAME, manifest.to_dict())
        folder.publish(self._staged, self._todo.model.path / VERSIONS / str(self._todo.next_number))

    def _compete(
        self, graph: onnx.ModelProto, plain: Artifact, runs: cases.Runs, parts: Contents
    ) -> tuple[Contest, contract.Placement | None]:
        """Find the winner, and who runs it where the recipe leaves that open."""

        def report(doing: str) -> None:
            self._report(f"compete: {doing}")

        if self._todo.is_open:
            return hold_and_place(graph, plain, runs, self._recipe, parts.labels, report)
        settings = Settings.of(self._recipe, parts.labels, runs.is_real, self._todo.target)
        return hold(graph, plain, runs, settings, report), self._todo.placement

    def _manifest(self, source: Origin, graph: onnx.ModelProto, parts: Contents) -> Manifest:
        """The manifest as far as it is known before the proof."""
        recipe = self._recipe
        return Manifest(
            name=recipe.model.name,
            version=self._todo.next_number,
            description=recipe.model.description,
            target=self._todo.target,
            source=contract.Source(source.original.kind, recipe.model.source, self._todo.source_sha256),
            signature=facts.signature(graph),
            input_steps=parts.input_steps,
            output_steps=parts.output_steps,
            labels=parts.labels,
            graph=facts.graph(graph, "fp32", parts.graft.to_dict()),
            resources=recipe.resources.to_manifest(),
            batch=recipe.batch.to_manifest() if recipe.batch.enabled else None,
            layers=(*parts.layers, *(["aws", "columns"] if recipe.batch.enabled else [])),
            files={},
            tools=CONVERTERS[source.original.kind].versions(),
        )


def _begun(batch: contract.Batch | None, curve: Sequence[Point]) -> contract.Batch | None:
    """Let runs of a batch begin with the fewest rows whose cost per row is within 3% of the least."""
    if batch is None or batch.rows is not None or not curve:
        return batch
    row_ms = {point.rows: point.latency_ms / point.rows for point in curve}
    least = min(row_ms.values())
    return replace(batch, rows=min(rows for rows, cost in row_ms.items() if cost <= 1.03 * least))


def _adopt(artifact: Artifact, staged: Path) -> None:
    """Move an artifact's files to where the version has them."""
    for file in (artifact.ort, artifact.onnx):
        file.rename(staged / file.name)
    artifact.discard()


def _digests(staged: Path) -> dict[str, FileDigest]:
    files = sorted(file for file in staged.iterdir() if file.is_file())
    return {file.name: FileDigest(sha256(file), file.stat().st_size) for file in files}


def _write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
