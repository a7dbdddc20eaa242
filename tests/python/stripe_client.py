"""Drives the simulated Stripe with Stripe's official client.

Usage: stripe_client.py http://HOST:PORT
"""

import http.client
import http.server
import json
import sys
import threading
import time
import urllib.parse
import urllib.request
import uuid

import stripe

BASE = sys.argv[1]
SECRET = "whsec_" + uuid.uuid4().hex
RECEIVED = []


def client(retries=0):
    return stripe.StripeClient(
        "sk_test_" + "a" * 24, base_addresses={"api": BASE + "/stripe"}, max_network_retries=retries
    )


stripe_api = client()
intents = stripe_api.v1.payment_intents
refunds = stripe_api.v1.refunds


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE + path, data=data, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def fault(kind, **more):
    call("POST", "/sandbox/providers/stripe/faults", {"kind": kind, "times": 1, **more})


def key():
    return {"idempotency_key": str(uuid.uuid4())}


def params(card="pm_card_visa", **more):
    return {
        "amount": 1000,
        "currency": "jpy",
        "payment_method": card,
        "payment_method_types": ["card"],
        "capture_method": "manual",
        "confirm": True,
        "metadata": {"tollgate_payment_id": "pay_1", "tollgate_request_id": str(uuid.uuid4())},
        **more,
    }


def expect(kind, action):
    try:
        action()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}")


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        RECEIVED.append((body, self.headers["Stripe-Signature"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def listen():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/webhooks"
    call("PUT", "/control/webhook-endpoint", {"provider": "stripe", "url": url, "secret": SECRET})


def lifecycle():
    held = intents.create(params(expand=["latest_charge"]), key())
    assert held.status == "requires_capture" and held.amount_capturable == 1000
    card = held.latest_charge.payment_method_details.card
    assert card.capture_before == held.latest_charge.created + 7 * 24 * 3600
    taken = intents.capture(held.id, {"amount_to_capture": 600}, key())
    assert taken.status == "succeeded" and taken.amount_received == 600
    assert intents.retrieve(held.id).amount_received == 600

    part = refunds.create({"payment_intent": held.id, "amount": 100, "metadata": {"request": "r1"}}, key())
    assert part.status == "succeeded" and part.metadata["request"] == "r1"
    over = expect(stripe.InvalidRequestError, lambda: refunds.create({"payment_intent": held.id, "amount": 501}))
    assert over.http_status == 400 and over.param == "amount"
    refunds.create({"payment_intent": held.id}, key())
    gone = expect(stripe.InvalidRequestError, lambda: refunds.create({"payment_intent": held.id}))
    assert gone.code == "charge_already_refunded"
    listed = refunds.list({"payment_intent": held.id}).data
    assert [refund.amount for refund in listed] == [500, 100]
    assert refunds.retrieve(part.id).id == part.id
    assert stripe_api.v1.charges.retrieve(taken.latest_charge).amount_captured == 600

    released = intents.create(params(), key())
    cancelled = intents.cancel(released.id, {"cancellation_reason": "requested_by_customer"}, key())
    assert cancelled.status == "canceled"
    late = expect(stripe.InvalidRequestError, lambda: intents.capture(released.id))
    assert late.code == "payment_intent_unexpected_state"
    assert late.error.payment_intent.status == "canceled"


def lists():
    start = int(time.time())
    made = [intents.create(params(), key()).id for _ in range(5)]
    page = intents.list({"created": {"gte": start}, "limit": 2})
    assert [intent.id for intent in page.data] == made[:-3:-1] and page.has_more
    rest = intents.list({"created": {"gte": start}, "limit": 100, "starting_after": made[3]}).data
    assert [intent.id for intent in rest][:3] == made[2::-1]
    walked = [intent.id for intent in intents.list({"limit": 2, "created": {"gte": start}}).auto_paging_iter()]
    assert walked[:5] == made[::-1]
    assert intents.list({"created": {"gte": start + 3600}}).data == []


def idempotency():
    once, options = params(), key()
    first = intents.create(once, options)
    again = intents.create(once, options)
    assert first.id == again.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert again.last_response.headers["Idempotency-Key"] == options["idempotency_key"]
    other = expect(stripe.IdempotencyError, lambda: intents.create({**once, "amount": 2000}, options))
    assert other.http_status == 400

    options = key()
    fault("error_500")
    for _ in range(2):
        error = expect(stripe.APIError, lambda: intents.create(once, options))
        assert error.http_status == 500
    assert error.headers["Idempotent-Replayed"] == "true"

    options = key()
    fault("slow", ms=600)
    answers = []
    slow = threading.Thread(target=lambda: answers.append(client().v1.payment_intents.create(once, options)))
    slow.start()
    time.sleep(0.2)
    busy = expect(stripe.StripeError, lambda: intents.create(once, options))
    assert busy.http_status == 409 and busy.error.code == "idempotency_key_in_use"
    slow.join()
    assert intents.create(once, options).id == answers[0].id

    # What was refused before it began, and what was never taken in, does not use the key up.
    options = key()
    wrong = expect(stripe.InvalidRequestError, lambda: intents.create(params("pm_card_unheard_of"), options))
    assert wrong.code == "resource_missing"
    fault("rate_limit")
    limited = expect(stripe.RateLimitError, lambda: intents.create(once, options))
    assert limited.headers["Retry-After"] == "1"
    assert "Idempotent-Replayed" not in intents.create(once, options).last_response.headers

    # The client's own retries find the payment that a lost answer left behind.
    options = key()
    fault("charge_then_timeout", ms=50)
    found = client(retries=2).v1.payment_intents.create(once, options)
    assert found.last_response.headers["Idempotent-Replayed"] == "true"


def errors():
    for card, code, decline in [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
    ]:
        error = expect(stripe.CardError, lambda card=card: intents.create(params(card), key()))
        assert (error.http_status, error.code, error.error.decline_code) == (402, code, decline)
        intent = error.error.payment_intent
        assert intent.status == "requires_payment_method"
        assert intents.retrieve(intent.id).last_payment_error.decline_code == decline
    missing = expect(stripe.InvalidRequestError, lambda: intents.retrieve("pi_nothing"))
    assert (missing.http_status, missing.code) == (404, "resource_missing")
    unknown = expect(stripe.AuthenticationError, stripe.StripeClient(
        "sk_live_x", base_addresses={"api": BASE + "/stripe"}).v1.payment_intents.list)
    assert unknown.http_status == 401
    fault("html_502")
    expect(stripe.APIError, lambda: intents.list())
    fault("timeout", ms=50)
    expect(stripe.APIConnectionError, lambda: intents.list())
    fault("malformed_json")
    expect(stripe.APIError, lambda: intents.list())
    fault("truncated_body")
    expect(stripe.APIConnectionError, lambda: intents.list())


def post(url):
    """Submits one of the page's forms; answers where it leads."""
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=10)
    connection.request("POST", address.path)
    answer = connection.getresponse()
    assert answer.status == 303, answer.status
    return urllib.parse.parse_qs(urllib.parse.urlsplit(answer.getheader("Location")).query)


def three_d_secure():
    for button, status, outcome in [
        ("approve", "requires_capture", "succeeded"),
        ("fail", "requires_payment_method", "failed"),
    ]:
        asked = intents.create(
            params("pm_card_threeDSecure2Required", return_url="https://shop.example/back?cart=7"), key()
        )
        assert asked.status == "requires_action" and asked.next_action.type == "redirect_to_url"
        page = asked.next_action.redirect_to_url.url
        with urllib.request.urlopen(page, timeout=10) as shown:
            assert "Approve" in shown.read().decode()
        query = post(f"{page}/{button}")
        assert query["payment_intent"] == [asked.id] and query["redirect_status"] == [outcome]
        assert query["payment_intent_client_secret"] == [asked.client_secret] and query["cart"] == ["7"]
        assert intents.retrieve(asked.id).status == status


def webhooks():
    assert call("GET", "/control/quiet?timeout_ms=10000")["quiet"]
    kinds = set()
    for body, signature in RECEIVED:
        event = stripe_api.construct_event(body, signature, SECRET)
        kinds.add(event.type)
        assert event.data.object.object in {"payment_intent", "charge", "refund"}
    expected = {
        "payment_intent.created",
        "payment_intent.amount_capturable_updated",
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "payment_intent.requires_action",
        "charge.captured",
        "charge.refunded",
        "refund.created",
    }
    assert expected <= kinds, expected - kinds
    body, signature = RECEIVED[0]
    expect(stripe.SignatureVerificationError, lambda: stripe_api.construct_event(body, signature, SECRET + "x"))
    event = json.loads(body)
    assert stripe_api.v1.events.retrieve(event["id"]).type == event["type"]
    listed = {event.id for event in stripe_api.v1.events.list({"limit": 100}).auto_paging_iter()}
    assert {json.loads(body)["id"] for body, _ in RECEIVED} == listed
    print(f"{len(RECEIVED)} webhooks verified")


listen()
for step in (lifecycle, lists, idempotency, errors, three_d_secure, webhooks):
    step()
    print(step.__name__, "ok")
print("all as Stripe would")
