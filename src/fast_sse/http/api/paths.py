"""The paths of the public routes, for all that dispatch them, write them down or ask for them.

`{event_id}`, `{event_type}` and `{id}` stand for one segment each, still percent-encoded.
"""

from __future__ import annotations

from typing import Final

#: What follows the prefix of a path that names its channel.
CHANNEL: Final = "/events/{event_id}/types/{event_type}"

#: A segment that is the id of a message.
MESSAGE: Final = "{id}"

PUBLISH: Final = f"/v1/sse{CHANNEL}"
BATCH: Final = "/v1/sse/batch"
#: The load route.
LOAD: Final = "/v1/sse/events"
SUBSCRIBE: Final = f"/v1/subscribe{CHANNEL}"
#: Several channels on one stream.
SUBSCRIBE_SEVERAL: Final = "/v1/subscribe"
#: What is retained, as JSON.
HISTORY: Final = "/v1/messages"
#: Of one message, by its id.
DELIVERY: Final = f"/v1/messages/{MESSAGE}/delivery"
ACK: Final = f"/v1/messages/{MESSAGE}/ack"
