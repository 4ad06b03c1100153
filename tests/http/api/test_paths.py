"""Rules of `http.api.paths`."""

from __future__ import annotations

from tests.http.rig import Rig

from fast_sse.http.api import paths


async def test_every_path_is_a_route_and_every_route_has_a_path(rig: Rig) -> None:
    """The constants are the paths of the table: none is dispatched that is not here, and none is here in vain."""
    named = {value for name, value in vars(paths).items() if name.isupper()} - {paths.CHANNEL, paths.MESSAGE}
    assert named == {route.path for route in rig.endpoints.routes}
