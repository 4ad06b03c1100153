"""Sizes for people: KiB and MiB. Machines get bytes."""

from __future__ import annotations

from fast_sse.model.limits import KIB, MIB


def size(count: float) -> str:
    """Bytes, in the unit that keeps the number short: `14 B`, `1.6 KiB`, `63.1 MiB`."""
    if count < KIB:
        return f"{count:.0f} B"
    number, unit = (count / KIB, "KiB") if count < MIB else (count / MIB, "MiB")
    return f"{number:,.1f} {unit}"
