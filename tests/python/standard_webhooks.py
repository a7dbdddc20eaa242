"""Verifies a webhook with the official Python library of Standard Webhooks, and sees that nothing changed passes.

Reads JSON from standard input: {"secrets": ["whsec_…"], "headers": {…}, "body": "…"}.
"""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

sent = json.load(sys.stdin)
body, headers = sent["body"], sent["headers"]
STRANGER = "whsec_c3RyYW5nZXJzdHJhbmdlcnN0cmFuZ2Vy"


def refused(name, secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        print(f"{name}: refused")
        return
    raise AssertionError(f"{name} was accepted")


for secret in sent["secrets"]:
    assert Webhook(secret).verify(body, headers) == json.loads(body)
    print("as sent: accepted")
    later = str(int(headers["webhook-timestamp"]) + 1)
    long_ago = str(int(headers["webhook-timestamp"]) - 301)
    signature = headers["webhook-signature"]
    # Still base64: the library lets an error of its decoder through otherwise, which is a refusal, but not its own.
    flipped = " ".join("v1," + ("B" if part[3] == "A" else "A") + part[4:] for part in signature.split(" "))
    refused("another body", secret, body.replace("captured", "refunded"), headers)
    refused("a longer body", secret, body + " ", headers)
    refused("another id", secret, body, {**headers, "webhook-id": headers["webhook-id"] + "0"})
    refused("another timestamp", secret, body, {**headers, "webhook-timestamp": later})
    refused("an old timestamp", secret, body, {**headers, "webhook-timestamp": long_ago})
    refused("another signature", secret, body, {**headers, "webhook-signature": flipped})
    refused("another version", secret, body, {**headers, "webhook-signature": signature.replace("v1,", "v2,")})
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        refused(f"no {name}", secret, body, {key: value for key, value in headers.items() if key != name})
refused("another secret", STRANGER, body, headers)
print("all as Standard Webhooks would")
