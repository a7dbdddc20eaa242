"""What schemathesis makes otherwise than it would by itself, for scripts/try-api."""

import schemathesis


def whole(value):
    """JSON Schema takes 100.0 for an integer. The API does not, on purpose: what two readers could understand differently is refused.
    No schema can say so; so integers are written as integers."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [whole(inner) for inner in value]
    return value


@schemathesis.hook
def map_body(context, body):
    return whole(body)
