"""Drives the simulated PayPal with PayPal's official client, and checks its webhooks with Python's own means.

Usage: paypal_client.py http://HOST:PORT
"""

import base64
import http.client
import http.server
import json
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import urllib.request
import uuid
import zlib

from paypalserversdk.configuration import Configuration, Environment, Server
from paypalserversdk.exceptions.api_exception import ApiException
from paypalserversdk.exceptions.error_exception import ErrorException
from paypalserversdk.http.auth.o_auth_2 import ClientCredentialsAuthCredentials
from paypalserversdk.models.amount_with_breakdown import AmountWithBreakdown
from paypalserversdk.models.capture_request import CaptureRequest
from paypalserversdk.models.checkout_payment_intent import CheckoutPaymentIntent
from paypalserversdk.models.money import Money
from paypalserversdk.models.order_application_context import OrderApplicationContext
from paypalserversdk.models.order_authorize_request import OrderAuthorizeRequest
from paypalserversdk.models.order_authorize_request_payment_source import OrderAuthorizeRequestPaymentSource
from paypalserversdk.models.order_request import OrderRequest
from paypalserversdk.models.paypal_wallet import PaypalWallet
from paypalserversdk.models.purchase_unit_request import PurchaseUnitRequest
from paypalserversdk.models.refund_request import RefundRequest
from paypalserversdk.paypal_serversdk_client import PaypalServersdkClient

BASE = sys.argv[1]
WEBHOOK_ID = "8PT597110X687430L"
WHOLE = "return=representation"
RECEIVED = []

Configuration.environments[Environment.SANDBOX][Server.DEFAULT] = BASE + "/paypal"
client = PaypalServersdkClient(
    client_credentials_auth_credentials=ClientCredentialsAuthCredentials(
        o_auth_client_id="tollgate", o_auth_client_secret="any"
    ),
    environment=Environment.SANDBOX,
)
orders = client.orders
payments = client.payments


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE + path, data=data, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def fault(kind, **more):
    call("POST", "/sandbox/providers/paypal/faults", {"kind": kind, "times": 1, **more})


def key():
    return str(uuid.uuid4())


def expect(kind, action):
    try:
        action()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}")


def refused(status, issue, action):
    error = expect(ErrorException, action)
    assert (error.response_code, error.details[0].issue) == (status, issue), (error.response_code, error.details)
    assert error.debug_id and error.message
    return error


def create(value="100.00", currency="USD", intent=CheckoutPaymentIntent.AUTHORIZE, request_id=None):
    body = OrderRequest(
        intent=intent,
        purchase_units=[
            PurchaseUnitRequest(
                amount=AmountWithBreakdown(currency_code=currency, value=value), custom_id="pay_1", description="A book"
            )
        ],
        application_context=OrderApplicationContext(
            return_url="https://shop.example/back?cart=7", cancel_url="https://shop.example/cancelled"
        ),
    )
    return orders.create_order({"body": body, "paypal_request_id": request_id or key(), "prefer": WHOLE})


def authorize(order_id, token="vault-ok", request_id=None):
    source = OrderAuthorizeRequestPaymentSource(paypal=PaypalWallet(vault_id=token)) if token else None
    return orders.authorize_order(
        {
            "id": order_id,
            "body": OrderAuthorizeRequest(payment_source=source),
            "paypal_request_id": request_id or key(),
            "prefer": WHOLE,
        }
    )


def capture(authorization_id, request_id=None, **body):
    return payments.capture_authorized_payment(
        {
            "authorization_id": authorization_id,
            "body": CaptureRequest(**body),
            "paypal_request_id": request_id or key(),
            "prefer": WHOLE,
        }
    )


def refund(capture_id, **body):
    return payments.refund_captured_payment(
        {"capture_id": capture_id, "body": RefundRequest(**body), "paypal_request_id": key(), "prefer": WHOLE}
    )


def held_of(order):
    return order.purchase_units[0].payments.authorizations[0]


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        RECEIVED.append((body, dict(self.headers.items())))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def listen():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/webhooks"
    call("PUT", "/control/webhook-endpoint", {"provider": "paypal", "url": url, "secret": WEBHOOK_ID})


def lifecycle():
    made = create()
    assert made.status_code == 201 and made.body.status == "CREATED"
    order = authorize(made.body.id).body
    assert order.status == "COMPLETED"
    held = held_of(order)
    assert (held.status, held.amount.value, held.custom_id) == ("CREATED", "100.00", "pay_1")
    assert held_of(orders.get_order({"id": order.id}).body).id == held.id
    assert payments.get_authorized_payment({"authorization_id": held.id}).body.status == "CREATED"

    taken = capture(held.id, amount=Money("USD", "60.00"), final_capture=True).body
    assert (taken.status, taken.amount.value, taken.final_capture) == ("COMPLETED", "60.00", True)
    assert taken.seller_receivable_breakdown.net_amount.value == "57.84"
    assert taken.supplementary_data.related_ids.order_id == order.id
    assert payments.get_authorized_payment({"authorization_id": held.id}).body.status == "CAPTURED"

    part = refund(taken.id, amount=Money("USD", "10.00"), custom_id="ref_1", invoice_id=key()).body
    assert (part.status, part.custom_id) == ("COMPLETED", "ref_1")
    assert payments.get_captured_payment({"capture_id": taken.id}).body.status == "PARTIALLY_REFUNDED"
    refused(422, "REFUND_AMOUNT_EXCEEDED", lambda: refund(taken.id, amount=Money("USD", "50.01")))
    refund(taken.id)
    refused(422, "CAPTURE_FULLY_REFUNDED", lambda: refund(taken.id))
    assert payments.get_refund({"refund_id": part.id}).body.seller_payable_breakdown.total_refunded_amount.value == "10.00"

    released = held_of(authorize(create("1000", "JPY").body.id).body)
    assert released.amount.value == "1000"
    assert payments.void_payment({"authorization_id": released.id, "prefer": WHOLE}).body.status == "VOIDED"
    refused(422, "PREVIOUSLY_VOIDED", lambda: payments.void_payment({"authorization_id": released.id}))
    quiet = held_of(authorize(create().body.id).body)
    assert payments.void_payment({"authorization_id": quiet.id}).status_code == 204

    books = {row["provider_transaction_id"]: row for row in call("GET", "/sandbox/providers/paypal/transactions")}
    row = books[order.id]
    assert (row["captured"], row["refunded"], row["status"]) == (6000, 6000, "REFUNDED"), row


def idempotency():
    request_id = key()
    first = create(request_id=request_id)
    again = create(request_id=request_id)
    assert (first.status_code, again.status_code) == (201, 200) and first.body.id == again.body.id
    refused(422, "DUPLICATE_REQUEST_ID", lambda: create("1.00", request_id=request_id))

    fault("error_500")
    request_id = key()
    failed = expect(ErrorException, lambda: create(request_id=request_id))
    assert (failed.response_code, failed.name) == (500, "INTERNAL_SERVER_ERROR")
    assert create(request_id=request_id).status_code == 201

    order_id = create().body.id
    request_id = key()
    fault("charge_then_timeout", ms=50)
    expect(Exception, lambda: authorize(order_id, request_id=request_id))
    found = authorize(order_id, request_id=request_id)
    assert found.status_code == 200 and found.body.status == "COMPLETED"
    held = held_of(found.body)
    request_id = key()
    taken = capture(held.id, request_id, final_capture=True).body
    assert capture(held.id, request_id, final_capture=True).body.id == taken.id
    refused(422, "AUTHORIZATION_ALREADY_CAPTURED", lambda: capture(held.id))


def errors():
    order_id = create().body.id
    refused(422, "INSTRUMENT_DECLINED", lambda: authorize(order_id, "vault-declined"))
    refused(422, "ORDER_NOT_APPROVED", lambda: authorize(order_id, None))
    authorize(order_id)
    refused(422, "ORDER_ALREADY_AUTHORIZED", lambda: authorize(order_id))
    refused(422, "DECIMALS_NOT_SUPPORTED", lambda: create("10.00", "JPY"))
    refused(422, "INVALID_CURRENCY_CODE", lambda: create("10.00", "KWD"))
    refused(404, "INVALID_RESOURCE_ID", lambda: orders.get_order({"id": "NOTHING"}))
    fault("rate_limit")
    limited = expect(ApiException, lambda: orders.get_order({"id": order_id}))
    assert limited.response_code == 429
    fault("html_502")
    expect(Exception, lambda: orders.get_order({"id": order_id}))


def submit(url):
    """Submits one of the page's forms; answers where it leads."""
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=10)
    connection.request("POST", address.path)
    answer = connection.getresponse()
    assert answer.status == 303, answer.status
    return urllib.parse.parse_qs(urllib.parse.urlsplit(answer.getheader("Location")).query)


def approval():
    order = create().body
    refused(422, "PAYER_ACTION_REQUIRED", lambda: authorize(order.id, "vault-needs-approval"))
    shown = orders.get_order({"id": order.id}).body
    assert shown.status == "PAYER_ACTION_REQUIRED"
    [page] = [link.href for link in shown.links if link.rel == "payer-action"]
    with urllib.request.urlopen(page, timeout=10) as answer:
        assert "Approve" in answer.read().decode()
    assert submit(page + "/cancel") == {"token": [order.id]}
    query = submit(page + "/approve")
    assert query["token"] == [order.id] and query["PayerID"] and query["cart"] == ["7"]
    assert orders.get_order({"id": order.id}).body.status == "APPROVED"
    assert authorize(order.id, None).body.status == "COMPLETED"


def verified(body, headers, folder):
    """Checks a signature as PayPal says, with the certificate that it names; by way of openssl."""
    headers = {name.lower(): value for name, value in headers.items()}
    with urllib.request.urlopen(headers["paypal-cert-url"], timeout=10) as answer:
        certificate = answer.read()
    text = f"{headers['paypal-transmission-id']}|{headers['paypal-transmission-time']}|{WEBHOOK_ID}|{zlib.crc32(body)}"
    files = {
        "certificate": certificate,
        "signature": base64.b64decode(headers["paypal-transmission-sig"]),
        "text": text.encode(),
    }
    for name, content in files.items():
        with open(f"{folder}/{name}", "wb") as file:
            file.write(content)
    key = ["openssl", "x509", "-in", f"{folder}/certificate", "-pubkey", "-noout", "-out", f"{folder}/key"]
    subprocess.run(key, check=True)
    check = ["openssl", "dgst", "-sha256", "-verify", f"{folder}/key", "-signature", f"{folder}/signature", f"{folder}/text"]
    return subprocess.run(check, capture_output=True, check=False).returncode == 0


def webhooks():
    assert call("GET", "/control/quiet?timeout_ms=30000")["quiet"]
    kinds = {json.loads(body)["event_type"] for body, _ in RECEIVED}
    expected = {
        "PAYMENT.AUTHORIZATION.CREATED",
        "PAYMENT.AUTHORIZATION.VOIDED",
        "PAYMENT.CAPTURE.COMPLETED",
        "PAYMENT.CAPTURE.REFUNDED",
        "CHECKOUT.ORDER.APPROVED",
        "CHECKOUT.ORDER.COMPLETED",
    }
    assert expected <= kinds, expected - kinds
    with tempfile.TemporaryDirectory() as folder:
        body, headers = RECEIVED[0]
        assert verified(body, headers, folder)
        assert not verified(body + b" ", headers, folder)
    print(f"{len(RECEIVED)} webhooks received")


listen()
for step in (lifecycle, idempotency, errors, approval, webhooks):
    step()
    print(step.__name__, "ok")
print("all as PayPal would")
