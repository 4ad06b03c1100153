"""What a run of `fast-sse bench` means, in words: what was found, whether anything was lost, and what to make of it."""

from __future__ import annotations

from fast_sse.cli.bench.rows import DELAY, Figures
from fast_sse.cli.sizes import size

#: A core that others use for more than this share of a window is not the server's or the generator's own.
WAITED_SHARE_MAX = 0.05
#: How many idle subscribers the sum is made for.
CROWD = 10_000


def passed(figures: Figures) -> bool:
    """True when there was something to deliver, and each of it came once."""
    wrong = figures["lost"] or figures["duplicates"] or not figures["expected"]
    return not wrong and figures.get("witness_agrees", True)


def verdict(name: str, options: Figures, figures: Figures) -> str:
    """Some sentences on a run of the scenario `name`: passed or failed, what was measured, loss, and who set the pace."""
    if not figures["expected"]:
        return "FAILED. Nothing was there to be delivered: this run proves nothing."
    found = _FOUND[name](options, figures)
    return " ".join(["passed." if passed(figures) else "FAILED.", *found, *_loss(figures), *_pace(figures)])


def _loss(figures: Figures) -> list[str]:
    """What became of the deliveries."""
    owed, lost, twice = figures["expected"], figures["lost"], figures["duplicates"]
    said = [
        f"{lost:,} of {owed:,} deliveries were lost." if lost else f"None of {owed:,} deliveries was lost."
    ]
    said += [f"{twice:,} came twice."] if twice else []
    if figures.get("refused"):
        said.append(f"The hub refused {figures['refused']:,} publishes, which are not counted as lost.")
    if figures.get("witness_agrees") is False:
        said.append("One stream was counted again by its ids, and disagrees: do not believe the count.")
    return said


def _pace(figures: Figures) -> list[str]:
    """Whose speed was measured: the hub's, the generator's, or that of whatever else ran on the machine."""
    share = figures.get("generator_share", 0.0)
    if figures.get("generator_was_limit"):
        return [f"The generator was the limit ({share:.0%} of its core): the hub may be faster than this."]
    waited = max(figures.get(f"{who}_waited_share", 0.0) for who in ("server", "generator"))
    if waited > WAITED_SHARE_MAX:
        return ["Other work took the cores meanwhile: measure again on a quiet machine."]
    return [f"The generator was not the limit ({share:.0%} of its core)."]


def _delays(figures: Figures) -> list[str]:
    if not figures.get("latency_samples"):
        return []
    return [
        (
            f"Half of the messages arrived within {figures['latency_p50_ms']:.1f} ms, "
            f"and 99 of 100 within {figures['latency_p99_ms']:.1f} ms."
        )
    ]


def _steady(options: Figures, figures: Figures) -> list[str]:
    said = _delays(figures)
    cost_us = figures.get("cpu_us_per_delivery")
    if cost_us:
        said.append(
            f"A delivery of {size(options['size'])} took {cost_us:.1f} us of the hub's CPU, so one core would make "
            f"some {_round(1e6 / cost_us)} deliveries a second of this kind."
        )
    return said


def _burst(options: Figures, figures: Figures) -> list[str]:
    return [
        (
            f"At full speed the hub made {_round(figures['deliveries_per_s'])} deliveries a second, "
            f"to {options['subscribers']:,} subscribers."
        )
    ]


def _publish(options: Figures, figures: Figures) -> list[str]:
    many = options["publishers"]
    turns = [
        ("single_1_publishes_per_s", "one connection"),
        (f"single_{many}_publishes_per_s", f"{many} connections"),
        (f"batch_{many}_publishes_per_s", f"{many} connections with batches"),
    ]
    rates = {said: figures[key] for key, said in turns if key in figures}
    told = ", ".join(f"{_round(rate)} from {said}" for said, rate in rates.items())
    return [f"The hub stored this many publishes a second: {told}."]


def _idle(options: Figures, figures: Figures) -> list[str]:
    each = figures.get("rss_bytes_per_subscriber")
    if each is None:
        return [f"{options['subscribers']:,} subscribers waited, and each then got its message."]
    return [f"A subscriber that waits takes {size(each)} of memory: {CROWD:,} take {size(CROWD * each)}."]


def _resume(options: Figures, figures: Figures) -> list[str]:
    crowd, missed = options["subscribers"], options["missed"]
    return [
        f"One client that comes back reads {_round(figures['replay_messages_per_s'])} messages a second.",
        f"When {crowd:,} come back at once, who missed {missed:,} each, all have them after {figures['storm_level_s']:.2f} s.",
    ]


def _slow(options: Figures, figures: Figures) -> list[str]:
    beside, alone = figures.get("latency_p99_ms"), figures.get("alone_latency_p99_ms")
    if beside is None or alone is None:
        return []
    words = "noticed" if beside > (1 + DELAY.noise) * alone else "did not notice"
    return [
        (
            f"Healthy clients {words} {options['stuck']:,} that do not read: 99 of 100 messages arrived within "
            f"{beside:.1f} ms beside them, and within {alone:.1f} ms without."
        )
    ]


def _original(_options: Figures, figures: Figures) -> list[str]:
    return [f"Consumers got {figures['delivered']:,} messages while they were connected.", *_delays(figures)]


def _round(value: float) -> str:
    """Two digits that mean something, and a comma for each thousand."""
    return f"{float(f'{value:.2g}'):,.0f}"


_FOUND = {
    "original": _original,
    "fanout": _steady,
    "burst": _burst,
    "channels": _steady,
    "publish": _publish,
    "idle": _idle,
    "resume": _resume,
    "slow": _slow,
    "large": _steady,
}
