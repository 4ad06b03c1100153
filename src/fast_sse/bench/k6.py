"""The figures of `original` in the words of the report that it answers: a k6 run in the original's README."""

from __future__ import annotations

from typing import Any

from fast_sse.model.limits import KIB, MIB

ARTEFACT = (
    "The original's report shows a loss of 4.73 %: an artefact of its script. It numbers consumers by virtual user, two "
    "of the numbers belong to the producers, so two of the fifty channels have no consumer."
)
NOT_THERE = "n/a (no message was compressed: --compression payload)"


def report(figures: dict[str, Any]) -> str:
    """As k6 prints it. What was not measured is n/a, a share names what it is a share of."""
    owed, lost, seconds = figures["expected"], figures["lost"], max(figures["wall_s"], 1e-9)
    answers = figures["accepted"] + figures["refused"]
    lines = [
        "CUSTOM",
        _line("decompress_latency_ms", _trend(figures, "unpack", NOT_THERE)),
        _line("message_latency_ms", _trend(figures, "latency")),
        _line("produced_message_count", _rate(figures["accepted"], seconds)),
        _line("produced_message_size_bytes", _size_rate(figures["produced_bytes"], seconds)),
        _line("received_message_count", _rate(figures["delivered"], seconds)),
        _line("received_message_size_bytes", _size_rate(figures["received_bytes"], seconds)),
        _line("sse_connection_ok", _share(figures["connections_ok"], figures["connections"])),
        "",
        "HTTP",
        _line("http_req_duration", _trend(figures, "post")),
        _line("http_req_failed", _share(figures["refused"], answers)),
        _line("http_reqs", _rate(answers, seconds)),
        "",
        "=" * 64,
        f"{'SSE Message Loss Report':^64}",
        "-" * 64,
        f"  Messages Produced : {figures['accepted']}  (through {figures['way']})",
        f"  To a Consumer     : {owed}  (published while it was connected: the denominator)",
        f"  To Nobody         : {figures['unheard']}  (published while no consumer was connected: not loss)",
        f"    but received    : {figures['unheard_received']}  (its consumer was just coming or going)",
        f"  Messages Received : {figures['delivered']}",
        f"  Duplicates        : {figures['duplicates']}",
        f"  Messages Lost     : {lost}",
        f"  Message Loss Rate : {_share(lost, owed)}",
        "=" * 64,
        ARTEFACT,
    ]
    return "\n".join(lines)


def _line(name: str, value: str) -> str:
    return f"    {name:.<31}: {value}"


def _rate(count: int, seconds: float) -> str:
    return f"{count:<12} {count / seconds:.6g}/s"


def _size_rate(count: int, seconds: float) -> str:
    """Bytes, as k6 counts them, and in the units of people."""
    return f"{_rate(count, seconds)}  ({count / MIB:.1f} MiB, {count / seconds / KIB:.1f} KiB/s)"


def _trend(figures: dict[str, Any], name: str, absent: str = "n/a (no samples)") -> str:
    if not figures.get(f"{name}_samples"):
        return absent
    keys = {"avg": "avg", "min": "min", "med": "p50", "max": "max", "p(90)": "p90", "p(95)": "p95"}
    shown = (f"{word}={figures[f'{name}_{key}_ms']:.2f}ms" for word, key in keys.items())
    return " ".join([*shown, f"of {figures[f'{name}_samples']}"])


def _share(part: int, whole: int) -> str:
    """A share of nothing is not 0 %."""
    return f"{part / whole:.2%}    {part} out of {whole}" if whole else f"n/a    {part} out of {whole}"
