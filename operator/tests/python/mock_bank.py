"""Plays days at PyPI's mock-bank, an ISO 20022 bank, over HTTP, and prints the camt.053 statements of our account as JSON.

Usage: mock_bank.py < PLAN, a JSON object: `days` is a list of days, each with what arrives (`in`) and what we send by
pain.001 (`out`), both lists of {"id": END-TO-END-ID, "amount": YEN}; `behaviour` and `parameters` are the account's, as
the bank knows them. The bank lives in this process, on a free port, and ends with it.
"""

import json
import sys
import threading
import urllib.request
from xml.sax.saxutils import escape

from mockbank.server import Config, make_server

ACCOUNT = "TOLLGATE"
IBAN = "NL02ABNA0123456789"
PAYER = "NL91ABNA0417164300"
# A Monday, so that the days after it are the bank's, too.
STARTS = "2026-11-23T09:00"


def call(method, path, body=None, content_type="application/json"):
    data = body if body is None or isinstance(body, str) else json.dumps(body)
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", method=method,
        data=None if data is None else data.encode(), headers={"Content-Type": content_type})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def pain_001(number, payments):
    """One file with these payments, in one batch."""
    total = sum(payment["amount"] for payment in payments)
    transfers = "".join(
        f"<CdtTrfTxInf><PmtId><EndToEndId>{escape(payment['id'])}</EndToEndId></PmtId>"
        f"<Amt><InstdAmt Ccy=\"JPY\">{payment['amount']}</InstdAmt></Amt>"
        f"<CdtrAgt><FinInstnId><BICFI>ABNANL2A</BICFI></FinInstnId></CdtrAgt><Cdtr><Nm>A payer</Nm></Cdtr>"
        f"<CdtrAcct><Id><IBAN>{PAYER}</IBAN></Id></CdtrAcct></CdtTrfTxInf>" for payment in payments)
    count = f"<NbOfTxs>{len(payments)}</NbOfTxs><CtrlSum>{total}</CtrlSum>"
    return (
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.001.001.09\">"
        f"<CstmrCdtTrfInitn><GrpHdr><MsgId>M{number}</MsgId><CreDtTm>2026-11-23T09:00:00</CreDtTm>{count}"
        f"<InitgPty><Nm>Tollgate</Nm></InitgPty></GrpHdr><PmtInf><PmtInfId>P{number}</PmtInfId><PmtMtd>TRF</PmtMtd>{count}"
        f"<ReqdExctnDt><Dt>2026-11-23</Dt></ReqdExctnDt><Dbtr><Nm>Tollgate</Nm></Dbtr>"
        f"<DbtrAcct><Id><IBAN>{IBAN}</IBAN></Id></DbtrAcct><DbtrAgt><FinInstnId><BICFI>MOCKNL2A</BICFI></FinInstnId></DbtrAgt>"
        f"{transfers}</PmtInf></CstmrCdtTrfInitn></Document>")


def play(plan):
    account = {"id": ACCOUNT, "name": "Tollgate", "iban": IBAN, "currency": "JPY", "balance": 100_000}
    account["behaviour"] = plan.get("behaviour", "accept")
    account["parameters"] = plan.get("parameters", {})
    call("POST", "/_mock/accounts", account)
    for number, day in enumerate(plan["days"]):
        for credit in day.get("in", []):
            body = {"account": ACCOUNT, "amount": credit["amount"], "debtor": {"name": "A payer"}}
            call("POST", "/_mock/credits", body | ({"end_to_end_id": credit["id"]} if credit["id"] else {}))
        if day.get("out"):
            answer = call("POST", "/payments", pain_001(number, day["out"]), "application/xml")
            assert answer["status"] == "ACCP", answer
        call("POST", "/_mock/advance?days=1")
    messages = call("GET", "/_mock/mailbox?type=camt.053")
    return [message["body"] for message in messages if message["account"] == ACCOUNT]


server = make_server(Config(host="127.0.0.1", port=0, quiet=True, clock=STARTS))
port = server.server_address[1]
threading.Thread(target=server.serve_forever, daemon=True).start()
json.dump(play(json.load(sys.stdin)), sys.stdout)
server.shutdown()
server.server_close()
