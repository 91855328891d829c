"""The stages of a build, in order: convert, check, optimise, prove, write."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import onnx

from modelet.build import cases, check, contents, facts, folder, origin
from modelet.build.contents import Contents
from modelet.build.converters import CONVERTERS
from modelet.build.normalise import normalise
from modelet.build.optimise import Artifact, Candidate, candidates, optimise
from modelet.build.origin import Origin
from modelet.build.passport import passport
from modelet.build.pipeline import Report
from modelet.build.plan import Plan
from modelet.build.prove import choose, prove
from modelet.golden import FILE_NAME as GOLDEN_FILE
from modelet.golden import Golden, Tolerance
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

    def run(self) -> tuple[int, Literal["restored", "built"], str]:
        """Restore or build; gives the version, what was done and why.

        Raises:
            Refused: The source or the proof failed; no version was written.
        """
        parts = contents.read(self._recipe, self._todo.model.path)
        self._report("convert")
        with origin.opened(self._recipe.model.source, self._todo.model.path) as source:
            graph = self._graph(source)
            source = replace(source, original=parts.graft.apply(graph, source.original))
            reason = self._todo.reason
            if self._todo.action == "restore":
                differing = self._restore(graph, parts)
                newest = self._todo.next_number - 1
                if not differing:
                    return newest, "restored", reason
                reason = (
                    f"{differing} of version {newest} cannot be made again with the same bytes here"
                    " (another CPU or other libraries)"
                )
            self._build(source, graph, parts)
        return self._todo.next_number, "built", reason

    def _graph(self, source: Origin) -> onnx.ModelProto:
        """The checked and normalised graph of the source."""
        graph = source.original.export()
        self._report("check")
        check.check(graph, self._recipe.model.source)
        normalise(graph, self._recipe.model.name)
        facts.settle_outputs(graph)
        return graph

    def _optimised(self, candidate: Candidate) -> Artifact:
        return optimise(candidate, self._recipe.model.target, self._staged / candidate.precision)

    def _restore(self, graph: onnx.ModelProto, parts: Contents) -> str:
        """Put the newest version's missing files back; gives those that come out differently."""
        version = self._todo.newest
        assert version is not None
        self._report("optimise")
        precision = version.manifest.graph.precision
        for candidate in candidates(graph):
            if candidate.precision == precision:
                _adopt(self._optimised(candidate), self._staged)
        parts.copy_to(self._staged)
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
        self._report("optimise")
        artifacts = [self._optimised(candidate) for candidate in candidates(graph)]
        self._report("prove")
        parts.copy_to(self._staged)
        draft = self._manifest(source, graph, parts)
        golden = self._recipe.golden
        runs = cases.collect(golden.samples, source, draft, self._staged)
        tolerance = Tolerance(golden.rtol, golden.atol)
        original = graph.SerializeToString(deterministic=True)
        proofs = [prove(artifact, original, runs, tolerance) for artifact in artifacts]
        winner = choose(proofs)
        self._report("write")
        data = golden.samples or cases.RANDOM
        _adopt(winner.artifact, self._staged)
        (self._staged / GOLDEN_FILE).write_bytes(Golden(data, tolerance, cases.keep(runs)).to_bytes())
        manifest = replace(
            draft,
            graph=facts.graph(winner.artifact.graph, winner.artifact.precision, parts.graft.to_dict()),
            files=_digests(self._staged),
        )
        _write_json(self._staged / PASSPORT_FILE, passport(manifest, proofs, winner, data, runs, tolerance))
        _write_json(self._staged / contract.FILE_NAME, manifest.to_dict())
        for artifact in artifacts:
            artifact.discard()
        folder.publish(self._staged, self._todo.model.path / VERSIONS / str(self._todo.next_number))

    def _manifest(self, source: Origin, graph: onnx.ModelProto, parts: Contents) -> Manifest:
        """The manifest as far as it is known before the proof."""
        recipe = self._recipe
        return Manifest(
            name=recipe.model.name,
            version=self._todo.next_number,
            description=recipe.model.description,
            target=recipe.model.target,
            source=contract.Source(source.original.kind, recipe.model.source, self._todo.source_sha256),
            signature=facts.signature(graph),
            input_steps=parts.input_steps,
            output_steps=parts.output_steps,
            labels=parts.labels,
            graph=facts.graph(graph, recipe.optimize.precision, parts.graft.to_dict()),
            resources=recipe.resources.to_manifest(),
            layers=parts.layers,
            files={},
            tools=CONVERTERS[source.original.kind].versions(),
        )


def _adopt(artifact: Artifact, staged: Path) -> None:
    """Move an artifact's files to where the version has them."""
    for file in (artifact.ort, artifact.onnx):
        file.rename(staged / file.name)


def _digests(staged: Path) -> dict[str, FileDigest]:
    files = sorted(file for file in staged.iterdir() if file.is_file())
    return {file.name: FileDigest(sha256(file), file.stat().st_size) for file in files}


def _write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
