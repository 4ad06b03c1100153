"""`python -m fast_sse` is `fast-sse`."""

from fast_sse.cli.main import app_main

app_main()
