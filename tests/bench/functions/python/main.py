"""What a function on Google's framework costs by itself: it reads a payment's request and answers, and does nothing else."""

import uuid

import functions_framework


@functions_framework.http
def pay(request):
    asked = request.get_json()
    return {"id": str(uuid.uuid4()), "amount": asked["amount"], "currency": asked["currency"], "status": "AUTHORIZED"}, 201
