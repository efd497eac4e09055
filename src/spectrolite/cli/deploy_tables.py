"""What the verbs of delivery show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from spectrolite.cli.tables import right, table_of, unwrapped

if TYPE_CHECKING:
    from spectrolite.deploy.benchmark_result import Benchmark
    from spectrolite.deploy.prune import Pruning
    from spectrolite.deploy.quantize import Quantization


def quantization_table(quantization: Quantization) -> Table:
    """Before beside after: accuracy, size, speed."""
    per = f" per {quantization.per}" if quantization.per else ""
    table = table_of(
        f"{quantization.backend} on {quantization.processor}, the run's own data and split",
        "",
        *right("float32", f"{quantization.precision}{per}", "change"),
    )
    before, after = quantization.accuracy
    large, small = quantization.bytes
    slow, fast = quantization.seconds
    table.add_row(
        "overall accuracy, %",
        f"{100 * before:.2f}",
        f"{100 * after:.2f}",
        f"{0 - quantization.drop:+.2f}",
    )
    table.add_row("same class, %", "", f"{100 * quantization.agreement:.2f}", "")
    table.add_row(
        "size, MB", f"{large / 1e6:.2f}", f"{small / 1e6:.2f}", f"{large / small:.2f} × smaller"
    )
    table.add_row(
        "milliseconds", f"{1e3 * slow:.1f}", f"{1e3 * fast:.1f}", f"{slow / fast:.2f} × faster"
    )
    return table


def noise_table(quantization: Quantization) -> Table:
    """Signal to quantization noise of each layer."""
    table = table_of("what each layer gives, signal to noise", "layer", *right("dB"))
    for name, value in quantization.sqnr_db.items():
        table.add_row(escape(name), "exact" if value is None else f"{value:.1f}")
    return table


def pruning_table(pruning: Pruning) -> Table:
    """Before beside after: kernels, size, work, speed, accuracy."""
    table = table_of("Depthwise kernels removed", "", *right("before", "after", "change"))
    for name, (before, after) in (
        *pruning.layers.items(),
        ("kernels in all", pruning.kernels),
        ("parameters", pruning.parameters),
        ("multiply-accumulates", pruning.macs),
    ):
        change = f"{after / before - 1:+.1%}" if after < before else ""
        table.add_row(name, f"{before:,}", f"{after:,}", change)
    slow, fast = pruning.seconds
    table.add_row(
        "milliseconds", f"{1e3 * slow:.2f}", f"{1e3 * fast:.2f}", f"{fast / slow - 1:+.1%}"
    )
    for name, figures in (("validation", pruning.validation), ("test", pruning.accuracy)):
        if figures:
            was, *rest = (100 * figure for figure in figures)
            titles = (f"{name} accuracy, %", "  before fine-tuning")
            for title, now in zip(titles, reversed(rest), strict=False):
                table.add_row(title, f"{was:.2f}", f"{now:.2f}", f"{now - was:+.2f}")
    return table


def benchmark_table(benchmark: Benchmark) -> Table:
    """A row a model: size, loading, latency, throughput, memory."""
    latencies = ("one: p50, ms", "p95", "many: p50, ms", "p95")
    table = table_of(
        f"{benchmark.threads} thread(s), {benchmark.repeats} calls each, in turns; int8 on "
        f"{benchmark.machine['int8']}",
        *unwrapped("model", "network", "backend", "precision"),
        *right("MB", "load, ms", *latencies, "a second", "peak, MiB", no_wrap=True),
    )
    for m in benchmark.models:
        times = [1e3 * t for t in (m.load_s, m.one.p50_s, m.one.p95_s, m.many.p50_s, m.many.p95_s)]
        table.add_row(
            escape(m.model),
            m.network,
            m.backend,
            m.precision,
            f"{m.bytes / 1e6:.2f}",
            *(f"{t:.1f}" for t in times),
            f"{m.many.per_second:,.0f} {m.works_on}",
            f"{m.peak_mib:.0f}",
        )
    return table
