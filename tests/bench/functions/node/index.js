// What a function on Google's framework costs by itself: it reads a payment's request and answers, and does nothing else.
const { randomUUID } = require("node:crypto");
const { http } = require("@google-cloud/functions-framework");

http("pay", (request, response) => {
  const { amount, currency } = request.body;
  response.status(201).json({ id: randomUUID(), amount, currency, status: "AUTHORIZED" });
});
