"""Runs on scenes: what `runs` does with them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spectrolite.bundles.scene_bundle import FORMAT as BUNDLE_FORMAT
from spectrolite.bundles.scene_bundle import Bundle, Config
from spectrolite.data.scene_sets import (
    AnyLabels,
    AnyScenes,
    LabelSet,
    SceneSet,
    bands_of,
    scenes_of,
)
from spectrolite.errors import SceneError, SettingsError, SplitError
from spectrolite.evaluation.baselines import Baselines, measure_baselines
from spectrolite.evaluation.reports import Report
from spectrolite.evaluation.scene_report import flip_figures, make_report
from spectrolite.files import whole_file, write_json
from spectrolite.machine import threads_of
from spectrolite.mapping.scene_inference import classify
from spectrolite.mapping.scene_map import SceneMap, maps_sha256, read_map
from spectrolite.models import build_scene_model, costs
from spectrolite.pages import scene_page
from spectrolite.pages.model_card import write_card
from spectrolite.runs.resumable_run import EpochListener, fit_resumably, new_run, seeds
from spectrolite.runs.run_folder import Run, open_run, what_is_known
from spectrolite.samples.band_reduction import Bands, fit_bands, reduce_scenes
from spectrolite.samples.leakage import Leakage
from spectrolite.samples.split_scene import Split
from spectrolite.training.scene_loop import fit_scene
from spectrolite.training.settings import Settings, settings


def train_scene(
    scene: AnyScenes,
    labels: AnyLabels,
    split: Split,
    *,
    model: str,
    seed: int,
    out: str | Path,
    overwrite: bool,
    resume: bool,
    on_epoch: EpochListener,
    on_stage: Callable[[str], None],
    **flags: Any,
) -> Run:
    """`train` of a scene; see there."""
    chosen: Settings = settings(model=model, **flags)
    if len(labels.parts) != len(scenes_of(scene)):
        raise SettingsError(
            f"train: wanted labels for each of {len(scenes_of(scene))} scenes, got those of "
            f"{len(labels.parts)}; take both from several(scenes, labels)"
        )
    if _on(labels, scene) is not labels:
        raise SplitError(
            f"{labels.name}: labels on pixels without a spectrum in {scene.name}; leave them out "
            "before the split is drawn: labels = labels.on(scene)"
        )
    if split.labels is not labels and split.labels.sha256 != labels.sha256:
        raise SplitError("split: drawn from other labels than those given; draw it from these")
    weights, order, dropout, judge = seeds(seed)
    known = what_is_known(scene, labels, split, chosen, seed)
    with new_run(Path(out), known, split, overwrite=overwrite, resume=resume) as stopped:
        folder = stopped.path
        on_stage("reducing bands")
        net = build_scene_model(
            model,
            bands=chosen.bands.components or bands_of(scene),
            classes=len(labels.class_ids),
            **chosen.model.shape,
            generator=torch.Generator().manual_seed(weights),
        )
        patch = 2 * net.halo + 1
        for one in scenes_of(scene):
            if min(one.shape[:2]) < patch:
                raise SceneError(
                    f"{one.name}: {one.shape[0]} x {one.shape[1]} pixels are smaller than the "
                    f"{patch} x {patch} patch of {model}"
                )
        bands = fit_bands(
            scene,
            split,
            chosen.bands.components,
            chosen.bands.bands_from,
            chosen.bands.standardise,
            patch,
            chosen.bands.reduction,
        )
        reduced = reduce_scenes(bands, scene)
        on_stage("training")
        fit = partial(fit_scene, net, reduced, split, chosen.training, order, dropout)
        log = fit_resumably(stopped, net, fit, chosen.training.epochs, on_epoch)
        bundle = Bundle(_config(scene, labels, bands, chosen, patch), bands, net.cpu())
        bundle.save(folder / "bundle")
        on_stage("baselines")
        start = time.perf_counter()
        leakage = split.leakage(patch)
        baselines = measure_baselines(reduced, split, leakage, np.random.default_rng(judge))
        baselines_s = time.perf_counter() - start
        manifest = {k: v for k, v in stopped.manifest.items() if k != "overwrite"}
        manifest |= {"weights_sha256": bundle.sha256, "training_s": round(log[-1].elapsed_s, 3)}
        on_stage("mapping")
        _judge(Run(folder, manifest), scene, split, leakage, baselines, baselines_s)
    return open_run(out)


def evaluate_scene(opened: Run, scene: AnyScenes, labels: AnyLabels, *, flips: bool) -> Report:
    """`evaluate` of a run on a scene; see there."""
    split = opened.split(labels)
    bundle = opened.bundle
    leakage = split.leakage(bundle.config.patch)
    judge = seeds(opened.manifest["seed"])[3]
    with threads_of(opened.manifest):
        start = time.perf_counter()
        baselines = measure_baselines(
            reduce_scenes(bundle.bands, scene), split, leakage, np.random.default_rng(judge)
        )
        baselines_s = time.perf_counter() - start
        return _judge(opened, scene, split, leakage, baselines, baselines_s, flips=flips)


def report_scene(opened: Run, scene: AnyScenes, labels: AnyLabels) -> Path:
    """`report` of a run on a scene; see there."""
    return _write_page(opened, scene, opened.split(labels), read_maps(opened))


def map_places(run: Run, names: Sequence[str]) -> list[Path]:
    """Where the maps of a run lie: `map.tif`, or of several scenes `maps/NAME.tif`."""
    return [run.path / "maps" / f"{name}.tif" for name in names] or [run.path / "map.tif"]


def read_maps(run: Run) -> list[SceneMap]:
    """The maps of a run's scenes, in their order.

    Raises:
        ReadError: a file is missing or damaged.
        RunError: the report is, which names the scenes.
    """
    places = map_places(run, [scene.name for scene in run.report.scenes])
    return [read_map(place, run.bundle) for place in places]


def _on(labels: AnyLabels, scene: AnyScenes) -> AnyLabels:
    if isinstance(labels, LabelSet):
        assert isinstance(scene, SceneSet)
        return labels.on(scene)
    assert not isinstance(scene, SceneSet)
    return labels.on(scene)


def _judge(
    run: Run,
    scene: AnyScenes,
    split: Split,
    leakage: Leakage,
    baselines: Baselines,
    baselines_s: float,
    flips: bool = False,
) -> Report:
    """Map the scenes with the stored model, score them, and write report, page, maps, manifest."""
    bundle = run.bundle
    scenes, device = scenes_of(scene), run.settings.training.device
    start = time.perf_counter()
    made = [classify(bundle, one, device=device) for one in scenes]
    map_s = time.perf_counter() - start
    turned = None
    if flips:
        start = time.perf_counter()
        averaged = [classify(bundle, one, device=device, flips=True) for one in scenes]
        turned = flip_figures(_classes(averaged), split, time.perf_counter() - start)
    times_s = {"training": run.manifest["training_s"], "baselines": baselines_s, "map": map_s}
    made_report = make_report(
        _classes(made),
        split,
        bundle.bands,
        leakage,
        baselines,
        run.settings,
        np.random.default_rng(seeds(run.manifest["seed"])[3]),
        data=scene.name,
        seed=run.manifest["seed"],
        parameters=costs.parameters(bundle.network),
        macs_per_pixel=costs.macs_per_pixel(bundle.network, len(bundle.bands.matrix)),
        macs_per_patch=costs.macs_per_patch(bundle.network, len(bundle.bands.matrix)),
        times_s={k: round(v, 3) for k, v in times_s.items()},
        versions=run.manifest["versions"],
        machine=run.manifest["machine"],
        flips=turned,
    )
    made_report = made_report.model_copy(update={"notes": (*made_report.notes, *run.pruning_notes)})
    made_report.save(run.path / "report.json")
    write_card(made_report, bundle.sha256, run.path / "bundle")
    if isinstance(scene, SceneSet):  # its files may be called otherwise than before
        shutil.rmtree(run.path / "maps", ignore_errors=True)
    for one, place in zip(made, map_places(run, [s.name for s in made_report.scenes]), strict=True):
        place.parent.mkdir(exist_ok=True)
        one.write_geotiff(place)
        one.write_png(place.with_suffix(".png"))
    _write_page(run, scene, split, made)
    hashes = {"map_sha256": maps_sha256(made), "figures_sha256": made_report.figures_sha256}
    write_json(run.path / "manifest.json", {**run.manifest, **hashes})
    return made_report


def _classes(maps: Sequence[SceneMap]) -> NDArray[np.unsignedinteger]:
    """`(pixels,)` class ids of all scenes, in their order."""
    return np.concatenate([made.classes.ravel() for made in maps])


def _write_page(run: Run, scene: AnyScenes, split: Split, made: list[SceneMap]) -> Path:
    path = run.path / "report.html"
    with whole_file(path) as part:
        part.write_text(
            scene_page.report_page(run.report, scene, split, made, run.log()), encoding="utf-8"
        )
    return path


def _config(
    scene: AnyScenes, labels: AnyLabels, bands: Bands, chosen: Settings, patch: int
) -> Config:
    return Config(
        format=BUNDLE_FORMAT,
        model=chosen.model.model,
        variant=chosen.model.variant,
        width=chosen.model.width,
        patch=patch,
        class_ids=labels.class_ids,
        class_names=dict(labels.class_names),
        class_colours=dict(labels.class_colours),
        fitted_on=bands.fitted_on,
        pixels=bands.pixels,
        explained=bands.explained,
        wavelengths_nm=scene.wavelengths_nm,
        scaled="scale" in scenes_of(scene)[0].source,
    )
