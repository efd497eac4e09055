r"""How fast a training step on images is: this package's against the course notebook's.

    python benchmarks/train_images.py

Both sides train MobileNetV1 and V2 (course variant, ReLU, 32x32 pixels, batches of 128) with Adam
from the same weights on the same batches, which are cropped, mirrored and scaled before the clock
runs. The notebook's step is eager PyTorch as it comes: channels first, the C library's memory. Ours
is the package's loop: channels last, memory kept between layers. Each side has a process of its
own, for kept memory is the process's, and they take turns, a few steps each; the first step of a
turn is not timed. The ratio is the median of the turns'. The images are scikit-learn's digits at
four times their size: what they show does not matter to the clock, and both sides learn them.

That both train the same is shown in float64, where the loss curves agree to many digits. In float32
the two layouts round differently, and Adam, whose first step is the gradient's sign, makes it grow.

Takes 3 minutes on two cores; on a machine with other work to do the two disturb each other.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from records import Record, Repeat, Values, write_record
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import spectrolite as sl
from spectrolite.hashing import array_sha256
from spectrolite.machine import kept_memory
from spectrolite.models import build_image_model
from spectrolite.samples.augmentation import channel_statistics, pad_crop, random_flip, standardise
from spectrolite.training.image_loop import ImageBatch
from spectrolite.training.keywords import settings
from spectrolite.training.loop import fit
from spectrolite.training.recipes import read_recipe

MODELS = ("mobilenet_v1", "mobilenet_v2")
RECIPE = "course-10-epochs"
BATCH, SCALE = 128, 4
TURNS, STEPS, PROFILED = 6, 5, 2
SETTLE_S = 0.3  # in which the idle side's threads fall asleep
SHOWN = 8  # operators of a profile
EXACT_STEPS, EXACT_BATCH = 3, 8  # in float64, which is a hundred times slower


def main() -> None:
    """Measure and write."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    rows = [measure(model) for model in MODELS]
    path = write_record(
        "train_images",
        {
            "batch": BATCH,
            "turns": TURNS,
            "timed_steps_a_turn": STEPS - 1,
            "times_faster": {row["model"]: row["times_faster"] for row in rows},
            "models": rows,
        },
        data={"digits/train": sl.load("digits")[0].sha256},
        split="nothing is scored: every image may train",
        weights={f"{row['model']} at the start": row["weights_at_the_start"] for row in rows},
    )
    print(path)


def measure(model: str) -> dict[str, Any]:
    """Both sides in turns: seconds, losses, profiles."""
    exact = {name: _Side(name, model, torch.float64) for name in SIDES}
    curves = {name: side.ask("time", EXACT_STEPS)[1] for name, side in exact.items()}
    starts = {side.end() for side in exact.values()}
    sides = {name: _Side(name, model, torch.float32) for name in SIDES}
    seconds: dict[str, list[list[float]]] = {name: [] for name in SIDES}
    losses: dict[str, list[float]] = {name: [] for name in SIDES}
    for turn in range(TURNS):
        for name in list(SIDES)[:: 1 if turn % 2 else -1]:
            took, lost = sides[name].ask("time", STEPS)
            seconds[name].append(took[1:])
            losses[name] += lost
    profiles = {name: sides[name].ask("profile", PROFILED) for name in SIDES}
    starts |= {side.end() for side in sides.values()}
    if len(starts) > 1:
        raise SystemExit(f"{model}: the sides began with other weights: {starts}")
    medians = {k: [statistics.median(turn) for turn in turns] for k, turns in seconds.items()}
    ratios = [b / a for a, b in zip(medians["ours"], medians["notebook"], strict=True)]
    row = {
        "model": model,
        "seconds_a_step": {k: statistics.median(v) for k, v in medians.items()},
        "images_a_second": {k: BATCH / statistics.median(v) for k, v in medians.items()},
        "times_faster": statistics.median(ratios),
        "times_faster_by_turn": ratios,
        "loss_apart": {
            f"float64, {EXACT_STEPS} steps": max(apart(curves)),
            f"float32, {EXACT_STEPS} steps": max(apart(losses)[:EXACT_STEPS]),
            f"float32, last of {len(losses['ours'])} steps": apart(losses)[-1],
        },
        "losses": losses,
        "losses_float64": curves,
        "profiles": profiles,
        "weights_at_the_start": starts.pop(),
    }
    print({k: row[k] for k in ("model", "images_a_second", "times_faster", "loss_apart")})
    return row


def apart(losses: dict[str, list[float]]) -> list[float]:
    """How far the two loss curves are apart at each step, as a share of the notebook's."""
    pairs = zip(losses["ours"], losses["notebook"], strict=True)
    return [abs(one - other) / other for one, other in pairs]


class _Side:
    """A process that steps when it is asked to."""

    def __init__(self, name: str, model: str, dtype: torch.dtype) -> None:
        spawn = multiprocessing.get_context("spawn")  # forked, it would have torch's threads
        self.pipe, there = spawn.Pipe()
        args = (name, model, dtype, there, torch.get_num_threads())
        self.process = spawn.Process(target=_work, args=args, daemon=True)
        self.process.start()
        there.close()
        self.pipe.recv()  # ready

    def ask(self, kind: str, steps: int) -> Any:
        """What it says of so many steps."""
        time.sleep(SETTLE_S)
        self.pipe.send((kind, steps))
        return self.pipe.recv()

    def end(self) -> Any:
        """Stop it; the hash of the weights that it began with."""
        self.pipe.send(("end", 0))
        start = self.pipe.recv()
        self.process.join()
        return start


def _work(name: str, model: str, dtype: torch.dtype, pipe: Connection, threads: int) -> None:
    torch.set_num_threads(threads)
    net: Any = build_image_model(
        model, variant="course", activation="relu", generator=torch.Generator().manual_seed(0)
    )
    start = array_sha256(*(value.numpy() for value in net.state_dict().values()))
    batches = prepared(TURNS * STEPS + PROFILED)
    if dtype == torch.float64:
        net.to(dtype)
        batches = [(x[:EXACT_BATCH].to(dtype), y[:EXACT_BATCH]) for x, y in batches[:EXACT_STEPS]]
    pipe.send("ready")
    SIDES[name](net, batches, pipe)
    pipe.send(start)


def prepared(count: int) -> list[tuple[Tensor, Tensor]]:
    """Batches of images and targets, changed as the recipe says."""
    digits, _ = sl.load("digits")
    large = digits.pixels.repeat(SCALE, 2).repeat(SCALE, 3).repeat(3, 1)  # (N, 3, 32, 32)
    pixels, targets = torch.from_numpy(large), torch.from_numpy(digits.targets.copy())
    statistics_of = channel_statistics(pixels)
    generator = torch.Generator().manual_seed(0)
    batches = []
    for _ in range(count):
        chosen = torch.randint(len(pixels), (BATCH,), generator=generator)
        images = random_flip(pad_crop(pixels[chosen], generator, fill="zero"), generator)
        batches.append((standardise(images, *statistics_of), targets[chosen]))
    return batches


def ours(net: nn.Module, batches: list[tuple[Tensor, Tensor]], pipe: Connection) -> None:
    """The package's loop, which is asked for as many steps as the other side wants."""
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    chosen = settings(**{**read_recipe(RECIPE), "model": "mobilenet_v1", "epochs": 1}).training
    given = iter(batches)

    def shown() -> Iterator[ImageBatch]:
        for kind, steps in iter(pipe.recv, ("end", 0)):
            report = _Clock(kind)
            for _ in range(steps):
                images, targets = next(given)
                report.begin()
                batch = _Watched(images.contiguous(memory_format=torch.channels_last), targets)
                yield batch  # the loop steps, and asks for the next one
                report.stop(batch.said[0], targets)
            pipe.send(report.found())

    with kept_memory():
        fit(net, shown, len(batches), torch.bincount(batches[0][1], minlength=10), chosen)


class _Watched(ImageBatch):
    """A batch that remembers what the network said, for the loss curve."""

    @property
    def said(self) -> list[Tensor]:
        """The logits of the step."""
        kept: list[Tensor] = self.__dict__.setdefault("kept", [])
        return kept

    def logits(self, net: Any, device: torch.device) -> Tensor:
        """`(N, classes)`."""
        logits = super().logits(net, device)
        self.said.append(logits.detach())
        return logits


def notebook(net: nn.Module, batches: list[tuple[Tensor, Tensor]], pipe: Connection) -> None:
    """The course's step, with PyTorch's defaults."""
    net.train()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    given = iter(batches)
    for kind, steps in iter(pipe.recv, ("end", 0)):
        report = _Clock(kind)
        for _ in range(steps):
            images, targets = next(given)
            report.begin()
            optimizer.zero_grad()
            outputs = net(images).float()  # as ours does; in float32 they are the same
            loss = criterion(outputs, targets)
            loss.backward()
            optimizer.step()
            loss.item()  # printed now and then
            report.stop(outputs.detach(), targets)
        pipe.send(report.found())


class _Clock:
    """Seconds and losses of steps, or where their time goes."""

    def __init__(self, kind: str) -> None:
        self.seconds: list[float] = []
        self.losses: list[float] = []
        self.profile: Any = None
        if kind == "profile":
            self.profile = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])
            self.profile.start()

    def begin(self) -> None:
        """A step begins."""
        self.start = time.perf_counter()

    def stop(self, logits: Tensor, targets: Tensor) -> None:
        """It is over."""
        self.seconds.append(time.perf_counter() - self.start)
        if self.profile is None:
            self.losses.append(float(cross_entropy(logits, targets)))

    def found(self) -> Any:
        """Seconds and losses; or the share of each of the dearest operators, by itself."""
        if self.profile is None:
            return self.seconds, self.losses
        self.profile.stop()
        events = {e.key: e.self_cpu_time_total for e in self.profile.key_averages()}
        dearest = sorted(events, key=lambda key: -events[key])[:SHOWN]
        return {key: round(events[key] / sum(events.values()), 4) for key in dearest}


SIDES: dict[str, Callable[[nn.Module, list[tuple[Tensor, Tensor]], Connection], None]] = {
    "ours": ours,
    "notebook": notebook,
}


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """One network on both sides, and the ratio: a clock's figure, a third either way."""
    row = record["models"][generator.integers(len(record["models"]))]
    model = row["model"]
    stored: Values = {
        "times_faster": row["times_faster"],
        "weights_at_the_start": row["weights_at_the_start"],
    }

    def make() -> Values:
        made = measure(model)
        return {k: made[k] for k in stored}

    what = f"times that our step of {model} is faster than the notebook's (2 minutes)"
    return Repeat(what, stored, make, {"times_faster": row["times_faster"] / 3}, exact=False)


if __name__ == "__main__":
    main()
