"""What a benchmark shows of its figures: for each the title, how the value is written, and which way is better."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from fast_sse.cli.sizes import size

Figures = dict[str, Any]


class Measure(NamedTuple):
    """How two values of one kind compare.

    `better` and `worse` are the words for the later one. Values that differ by less than `noise` (a share) are the
    same: two runs of one version on one quiet machine differ by so much (the ranges in benchmarks/README.md).
    """

    better: str
    worse: str
    noise: float
    more_is_better: bool = False


SPEED = Measure("faster", "slower", 0.20, more_is_better=True)
DELAY = Measure("faster", "slower", 0.30)
CPU = Measure("less CPU", "more CPU", 0.20)
MEMORY = Measure("smaller", "larger", 0.10)


class Row(NamedTuple):
    """One figure. `*` in `key`, and `{publishers}` in `title`, stand for the number of publishers.

    `form` is a format and a unit, or `size`. A row without a measure is shown, and never compared.
    """

    key: str
    title: str
    form: str
    measure: Measure | None = None

    def shown(self, value: float) -> str:
        """The value with its unit."""
        if self.form == "size":
            return size(value)
        number, _, unit = self.form.partition(" ")
        return f"{value:{number}} {unit}".rstrip()


_PUBLISHES = [
    Row(f"{kind}_{many}_{key}", f"{title}, {said}", form, measure)
    for kind, title in (("single", "one a request"), ("batch", "batches"))
    for many, said in (("1", "1 connection"), ("*", "{publishers} connections"))
    for key, form, measure in (
        ("publishes_per_s", ",.0f publishes/s", SPEED),
        ("post_p50_ms", ".2f ms a request (p50)", DELAY),
        ("cpu_us_per_publish", ".1f us of server CPU each", CPU),
    )
]

ROWS = [
    Row("cpu_us_per_delivery", "server CPU per delivery", ".2f us", CPU),
    Row("deliveries_per_s", "deliveries", ",.0f /s", SPEED),
    Row("publishes_per_s", "publishes accepted meanwhile", ",.0f /s", SPEED),
    Row("latency_p50_ms", "latency p50", ".2f ms", DELAY),
    Row("latency_p99_ms", "latency p99", ".2f ms", DELAY),
    Row("latency_max_ms", "latency max", ".2f ms"),
    Row("alone_latency_p50_ms", "without the stuck ones: p50", ".2f ms"),
    Row("alone_latency_p99_ms", "without the stuck ones: p99", ".2f ms"),
    Row("post_p50_ms", "POST p50", ".2f ms", DELAY),
    Row("post_p95_ms", "POST p95", ".2f ms"),
    Row("post_p99_ms", "POST p99", ".2f ms", DELAY),
    Row("bytes_per_delivery", "size on the wire per delivery", "size", MEMORY),
    *_PUBLISHES,
    Row("rss_bytes_per_subscriber", "RSS per idle subscriber", "size", MEMORY),
    Row("cpu_us_per_subscribe", "server CPU per subscription set up", ".1f us", CPU),
    Row("connects_per_s", "subscriptions set up", ",.0f /s", SPEED),
    Row("replay_messages_per_s", "replay by one client", ",.0f messages/s", SPEED),
    Row("storm_level_s", "until all that reconnected are level", ".3f s", DELAY),
    Row("server_share", "server's share of a core", ".0%"),
    Row("server_rss_bytes", "server RSS", "size", MEMORY),
    Row("generator_share", "generator's share of its core (busiest process)", ".0%"),
]


def rows_of(options: Figures) -> Iterator[Row]:
    """Every row, with the number of publishers in its place."""
    many = str(options.get("publishers", ""))
    for row in ROWS:
        yield row._replace(key=row.key.replace("*", many), title=row.title.replace("{publishers}", many))


def options_text(options: Figures) -> str:
    """What a run was asked for: `subscribers 1000, rate 30, size 50.0 KiB`."""
    return ", ".join(
        f"{name} {size(value) if name == 'size' else f'{value:g}'}" for name, value in options.items()
    )
