"""Makes payments in every state in a sandbox with a simulated clock, and writes their ids where schemathesis.toml looks for them.
Usage: seed.py SANDBOX_FOLDER INTO_FOLDER"""

import json
import pathlib
import sys
import urllib.request
import uuid

data, into = map(pathlib.Path, sys.argv[1:])
who = json.loads((data / "sandbox.json").read_text())


def call(method, path, body=None):
    headers = {"X-API-Key": who["api_key"], "Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    request = urllib.request.Request(
        who["url"] + path, None if body is None else json.dumps(body).encode(), headers, method=method
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read() or b"null")


def pay(provider, token, currency="JPY"):
    return call("POST", "/v1/payments", {"amount": 5000, "currency": currency, "payment_method": {provider: token}})["id"]


settled = [pay("stripe", "pm_card_visa") for _ in range(4)] + [pay("paypal", "vault-ok"), pay("bank", "debtor-ok", "GBP")]
for payment in settled:
    call("POST", f"/v1/payments/{payment}/capture", {})
call("POST", "/sandbox/clock", {"advance_seconds": 24 * 3600})
shown = [call("GET", f"/v1/payments/{payment}") for payment in settled]
assert all(payment["status"] == "SETTLED" for payment in shown), shown
refunds = [call("POST", f"/v1/payments/{payment}/refund", {"amount": 100})["id"] for payment in settled[:2]]
refunds += [call("POST", f"/v1/payments/{settled[2]}/refund")["id"]]
others = [pay("stripe", "pm_card_visa") for _ in range(4)]
others += [pay("stripe", "pm_card_visa_chargeDeclined"), pay("stripe", "pm_card_threeDSecure2Required")]
others += [pay("paypal", "vault-ok"), pay("paypal", "vault-needs-approval"), pay("bank", "debtor-needs-consent", "GBP")]
call("POST", f"/v1/payments/{others[0]}/capture", {"amount": 1000})
call("POST", f"/v1/payments/{others[1]}/void")

for name, ids in {
    "payments": settled + others,
    "refunds": refunds,
    "settlements": sorted({payment["settlement_id"] for payment in shown}),
    "dates": [call("GET", f"/v1/settlements/{payment['settlement_id']}")["date"] for payment in shown[:1]],
    "events": [event["id"] for event in call("GET", "/v1/events")["data"]],
}.items():
    (into / f"{name}.txt").write_text("".join(f'"{one}"\n' for one in ids))
