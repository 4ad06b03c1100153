"""Ask the hub of this container how it is: exit status 0 when it answers 200, 1 when it does not, within 3 seconds.

The path is `/healthz` (the process answers), or the argument, such as `/readyz/subscribe`. It does not use urllib, which would
ask a proxy that the container's environment names.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

port = int(os.environ.get("FAST_SSE_ADMIN_PORT") or 30001)
path = sys.argv[1] if len(sys.argv) > 1 else "/healthz"
try:
    connection = HTTPConnection("127.0.0.1", port, timeout=3)
    connection.request("GET", path)
    status = connection.getresponse().status
except (OSError, HTTPException) as error:
    sys.exit(f"{path} of port {port}: {error}")
if status != 200:
    sys.exit(f"{path} of port {port}: {status}")
