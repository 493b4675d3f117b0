"""What schemathesis does not know by itself: JSON lines."""
import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def ndjson(_context, value):
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()
