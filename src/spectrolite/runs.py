"""What one does with a run: train, evaluate, report, map."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spectrolite import costs, pages, readers
from spectrolite.bands import Bands, fit_bands
from spectrolite.baselines import Baselines, measure_baselines
from spectrolite.bundles import FORMAT as BUNDLE_FORMAT
from spectrolite.bundles import Bundle, Config, HasBundle, as_bundle
from spectrolite.errors import RunError, SceneError, SettingsError, SplitError
from spectrolite.files import naming, whole_file
from spectrolite.mapping import SceneMap, classify, files_of_map, read_map
from spectrolite.models import SceneNetwork, build_scene_model
from spectrolite.reports import Report, flip_figures, make_report
from spectrolite.resuming import load_progress, save_progress
from spectrolite.run_folders import Run, open_run, threads_of, what_is_known, write_json
from spectrolite.scene import Labels, Scene, check_pair
from spectrolite.settings import Settings, TrainingSettings, settings
from spectrolite.splits import Split
from spectrolite.training import Epoch, Progress, fit_scene
from spectrolite.unfinished import StoppedRun, growing

EpochListener = Callable[[Epoch, int], None]


def train(
    scene: Scene,
    labels: Labels,
    split: Split,
    *,
    model: str = "hybridsn",
    seed: int = 0,
    out: str | Path,
    overwrite: bool = False,
    resume: bool = False,
    on_epoch: EpochListener = lambda _epoch, _all: None,
    on_stage: Callable[[str], None] = lambda _: None,
    **flags: Any,
) -> Run:
    """Train a network on a scene, score it on the split's test pixels, map the scene.

    The run grows in `OUT.part`. Whatever stops it, `resume` goes on from there, and the end has the
    bits of a run that was never stopped.

    Args:
        scene: the scene.
        labels: its label map.
        split: from `split(labels, ...)`.
        model: name of the network.
        seed: of weights, order, orientations and dropout. The same seed on the same machine, with
            the same versions and thread count, gives the same bits.
        out: folder of the run; made, and only under this name once complete.
        overwrite: replace a run that is there, and discard a stopped one.
        resume: go on with a stopped run; data, split, seed and settings must be those it began
            with.
        on_epoch: called after each epoch with its log entry and the number of epochs.
        on_stage: called with a few words as each stage begins.
        **flags: any field of `BandSettings`, `ModelSettings` and `TrainingSettings`.

    Raises:
        InputError: data, split or settings that do not fit or are not those of the stopped run, a
            folder in the way, or nothing to resume.
        OSError: a full disk and the like; the stopped run stays.
        TrainingError: the loss became NaN or infinite.
    """
    chosen = settings(model=model, **flags)
    check_pair(scene, labels)
    if split.labels is not labels and split.labels.sha256 != labels.sha256:
        raise SplitError("split: drawn from other labels than those given; draw it from these")
    weights, order, dropout, judge = _seeds(seed)
    known = what_is_known(scene, labels, split, chosen, seed)
    with growing(Path(out), known, split, overwrite=overwrite, resume=resume) as stopped:
        folder = stopped.path
        on_stage("reducing bands")
        net = build_scene_model(
            model,
            bands=chosen.bands.components or scene.shape[2],
            classes=len(labels.class_ids),
            variant=chosen.model.variant,
            generator=torch.Generator().manual_seed(weights),
        )
        patch = 2 * net.halo + 1
        if min(scene.shape[:2]) < patch:
            raise SceneError(
                f"{scene.name}: {scene.shape[0]} x {scene.shape[1]} pixels are smaller than the "
                f"{patch} x {patch} patch of {model}"
            )
        bands = fit_bands(
            scene, split, chosen.bands.components, chosen.bands.bands_from,
            chosen.bands.standardise, patch,
        )  # fmt: skip
        reduced = bands.reduce(scene.cube)
        on_stage("training")
        log = _fit(stopped, net, reduced, split, chosen.training, (order, dropout), on_epoch)
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
        _judge(Run(folder, manifest), scene, split, baselines, baselines_s)
    return open_run(out)


def _fit(
    stopped: StoppedRun,
    net: SceneNetwork,
    reduced: NDArray[np.float32],
    split: Split,
    chosen: TrainingSettings,
    seeds: tuple[int, int],
    on_epoch: EpochListener,
) -> list[Epoch]:
    """Train from where the run stands, writing the log and the state into its folder."""
    name = stopped.name
    progress = load_progress(stopped.state, net, name) if stopped.state.exists() else None
    path = stopped.path / "log.jsonl"

    def write(epochs: Iterable[Epoch], mode: str) -> None:
        with naming(path), path.open(mode, encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(epoch)) + "\n" for epoch in epochs)

    def listen(epoch: Epoch) -> None:
        write([epoch], "a")
        on_epoch(epoch, chosen.epochs)

    def keep(progress: Progress) -> None:
        save_progress(stopped.state, progress, name)

    write(progress.log if progress else (), "w")
    return fit_scene(net, reduced, split, chosen, *seeds, listen, progress, keep)


def evaluate(
    run: Run | str | Path,
    scene: Scene | None = None,
    labels: Labels | None = None,
    *,
    flips: bool = False,
) -> Report:
    """Map a run's scene anew, score the split's test pixels, rewrite report and map.

    As many threads compute as when the run was trained, so that the bits are the same.

    Args:
        run: a run or its folder.
        scene: the run's scene, where it was not loaded from a file or by name.
        labels: the run's labels, likewise.
        flips: map the scene in its eight orientations too, and report what the average of the
            softmax scores, as figures of its own beside those of the one pass.

    Raises:
        RunError: a damaged run, or other data than the run's.
    """
    opened, scene, labels = _with_data(run, scene, labels)
    split = opened.split(labels)
    bundle = opened.bundle
    leakage = split.leakage(bundle.config.patch)
    judge = _seeds(opened.manifest["seed"])[3]
    with threads_of(opened.manifest):
        start = time.perf_counter()
        baselines = measure_baselines(
            bundle.bands.reduce(scene.cube), split, leakage, np.random.default_rng(judge)
        )
        baselines_s = time.perf_counter() - start
        return _judge(opened, scene, split, baselines, baselines_s, flips=flips)


def report(run: Run | str | Path, scene: Scene | None = None, labels: Labels | None = None) -> Path:
    """Write a run's `report.html` anew from its figures and its map.

    Args:
        run: a run or its folder.
        scene: the run's scene, where it was not loaded from a file or by name.
        labels: the run's labels, likewise.

    Returns:
        Path of the page.
    """
    opened, scene, labels = _with_data(run, scene, labels)
    made = read_map(opened.path / "map.tif", opened.bundle)
    return _write_page(opened, scene, opened.split(labels), made)


def map_scene(
    model: Run | Bundle | HasBundle | str | Path,
    scene: str | Path | Scene | None = None,
    *,
    out: str | Path,
    scene_key: str | None = None,
    drop_bands: tuple[int, ...] = (),
    overwrite: bool = False,
    on_window: Callable[[int, int], None] = lambda _done, _all: None,
) -> SceneMap:
    """Classify a scene file into a GeoTIFF, with a picture and the confidence beside it.

    Args:
        model: a run, a bundle, or the folder of either.
        scene: a file, or a scene in memory; without it the scene of the run.
        out: the GeoTIFF to write, ending in `.tif`; `NAME.png` and `NAME_confidence.tif` appear
            beside it.
        scene_key: name of the array in the file, where several fit.
        drop_bands: bands of the file to leave out, counted from 0.
        overwrite: replace a map that is there.
        on_window: called after each window with how many are done, and how many there are.

    Raises:
        RunError: no model, no scene to map, or a file in the way.
        ReadError: the scene cannot be read.
        SceneError: other bands than the model's.
    """
    out = Path(out)
    if out.suffix.lower() not in (".tif", ".tiff"):
        raise RunError(f"--out: wanted a name that ends in .tif, got {out}")
    there = [path for path in files_of_map(out) if path.exists()]
    if there and not overwrite:
        raise RunError(f"{there[0]} exists; take another --out, or --overwrite")
    bundle = as_bundle(model)
    if scene is None:
        opened = model if isinstance(model, Run) else None
        if isinstance(model, str | Path):
            opened = open_run(model)
        if opened is None:
            raise RunError("map: a bundle has no scene of its own; name one with --scene")
        scene, _ = opened.data()
    elif not isinstance(scene, Scene):
        scene = readers.read_scene(scene, scene_key, drop_bands)
    made = classify(bundle, scene, on_window=on_window)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        made.write_geotiff(out)
        made.write_png(out.with_suffix(".png"))
    except PermissionError as error:
        raise RunError(f"{out}: no permission to write there; take another --out") from error
    return made


def _judge(
    run: Run,
    scene: Scene,
    split: Split,
    baselines: Baselines,
    baselines_s: float,
    flips: bool = False,
) -> Report:
    """Map the scene with the stored model, score it, and write report, page, map and manifest."""
    bundle = run.bundle
    start = time.perf_counter()
    made = classify(bundle, scene, device=run.settings.training.device)
    map_s = time.perf_counter() - start
    turned = None
    if flips:
        start = time.perf_counter()
        averaged = classify(bundle, scene, device=run.settings.training.device, flips=True)
        turned = flip_figures(averaged.classes, split, time.perf_counter() - start)
    times_s = {"training": run.manifest["training_s"], "baselines": baselines_s, "map": map_s}
    made_report = make_report(
        made.classes,
        split,
        bundle.bands,
        split.leakage(bundle.config.patch),
        baselines,
        run.settings,
        np.random.default_rng(_seeds(run.manifest["seed"])[3]),
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
    made_report.save(run.path / "report.json")
    made.write_geotiff(run.path / "map.tif")
    made.write_png(run.path / "map.png")
    _write_page(run, scene, split, made)
    hashes = {"map_sha256": made.sha256, "figures_sha256": made_report.figures_sha256}
    write_json(run.path / "manifest.json", {**run.manifest, **hashes})
    return made_report


def _write_page(run: Run, scene: Scene, split: Split, made: SceneMap) -> Path:
    path = run.path / "report.html"
    with whole_file(path) as part:
        part.write_text(
            pages.report_page(run.report, scene, split, made, run.log()), encoding="utf-8"
        )
    return path


def _with_data(
    run: Run | str | Path, scene: Scene | None, labels: Labels | None
) -> tuple[Run, Scene, Labels]:
    opened = run if isinstance(run, Run) else open_run(run)
    if scene is None or labels is None:
        scene, labels = opened.data()
    else:
        opened.check_data(scene, labels)
    return opened, scene, labels


def _config(scene: Scene, labels: Labels, bands: Bands, chosen: Settings, patch: int) -> Config:
    return Config(
        format=BUNDLE_FORMAT,
        model=chosen.model.model,
        variant=chosen.model.variant,
        patch=patch,
        class_ids=labels.class_ids,
        class_names=dict(labels.class_names),
        class_colours=dict(labels.class_colours),
        fitted_on=bands.fitted_on,
        pixels=bands.pixels,
        explained=bands.explained,
        wavelengths_nm=scene.wavelengths_nm,
    )


def _seeds(seed: int) -> list[int]:
    """Independent seeds of weights, order, dropout and judgement from the one of the user."""
    if seed < 0:
        raise SettingsError(f"--seed: wanted a whole number from 0 up, got {seed}")
    return [int(s) for s in np.random.SeedSequence(seed).generate_state(4)]
