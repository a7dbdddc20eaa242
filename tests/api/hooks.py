"""What schemathesis makes otherwise than it would by itself, for scripts/try-api. Only what is well formed is touched: what is wrong on
purpose stays wrong."""

import itertools
import re
from urllib.parse import urlsplit

import schemathesis

# So that requests get past the first gate, and payments come to every end. Every third is left as it was made.
TOKENS = {
    "stripe": ["pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_threeDSecure2Required"],
    "paypal": ["vault-ok", "vault-declined", "vault-needs-approval"],
    "bank": ["debtor-ok", "debtor-no-funds", "debtor-needs-consent"],
}
CURRENCIES = ["JPY", "EUR", "USD", "GBP"]
turns = itertools.count()


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
    body = whole(body)
    if not isinstance(body, dict):
        return body
    turn = next(turns)
    tokens = body.get("payment_method")
    if isinstance(tokens, dict) and turn % 3:
        for provider, known in TOKENS.items():
            if isinstance(tokens.get(provider), str) and tokens[provider]:
                tokens[provider] = known[turn % len(known)]
        if re.fullmatch("[A-Z]{3}", str(body.get("currency"))):
            body["currency"] = CURRENCIES[turn % len(CURRENCIES)]
    if isinstance(body.get("url"), str):
        body["url"] = nowhere(body["url"])
    return body


def nowhere(url):
    """Webhooks of a try go to nobody: `.example` names no host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    if parts.scheme not in ("http", "https") or not parts.netloc or len(url) > 2000:
        return url
    return parts._replace(netloc="shop.example").geturl()


@schemathesis.hook
def map_headers(context, headers):
    """Keys repeat each other when they are shrunk to their simplest: then nothing is ever done but the first request."""
    if headers:
        for name, key in headers.items():
            if name.lower() == "idempotency-key" and isinstance(key, str) and re.fullmatch("[!-~]([ -~]*[!-~])?", key):
                turn = next(turns)
                if turn % 4 and len(key) < 200:
                    headers[name] = f"{turn}-{key}"
    return headers
