"""What a check says, for a person."""

from __future__ import annotations

from fast_sse.cli.doctor.findings import Finding


def test_a_finding_is_a_line_and_what_to_do() -> None:
    """A word in its colour, the name, what was seen; the advice stands on a line of its own."""
    assert Finding("x", "green", "fine").text() == f"\x1b[32mok  \x1b[0m  {'x':15} fine"
    first, second = Finding("x", "red", "broken", "mend it").text().splitlines()
    assert first.startswith("\x1b[31m\x1b[1mBAD ")
    assert second.strip() == "-> mend it"


def test_what_was_seen_cannot_shape_the_terminal() -> None:
    """A path or a message of somebody else's is shown with its control characters visible."""
    assert "\\x1b[2J" in Finding("x", "yellow", "\x1b[2J", "\x07").text()
