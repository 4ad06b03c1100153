"""Rules of `hub.send_time`."""

import time

from fast_sse.hub.send_time import SendTime


def test_send_time_is_local_time_with_milliseconds() -> None:
    """`%Y-%m-%d %H:%M:%S.mmm` of the server's local time, as the original writes it."""
    now = 1_795_000_000.045
    local = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(int(now)))
    assert SendTime().text(now) == f"{local}.045"


def test_the_second_is_never_stale() -> None:
    """A cached second is used for that second only, forwards and backwards."""
    clock = SendTime()
    fresh = [SendTime().text(at) for at in (1000.999, 1001.0, 1000.5)]
    assert [clock.text(at) for at in (1000.999, 1001.0, 1000.5)] == fresh
    assert len(set(fresh)) == 3
