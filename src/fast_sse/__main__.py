"""`python -m fast_sse` and `fast-sse`: the first lines of the process, before the rest is imported."""

import signal
import sys

#: Commands that a manager reloads by SIGHUP. It may do so as soon as it has started one.
_RELOADED = ("serve", "demo")


def main() -> None:
    """Run the command line. Until a hub can reload its settings SIGHUP means nothing: they have not been read yet."""
    if sys.argv[1:2] and sys.argv[1] in _RELOADED:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from fast_sse.cli.main import app_main  # noqa: PLC0415  takes half a second

    app_main()


if __name__ == "__main__":
    main()
