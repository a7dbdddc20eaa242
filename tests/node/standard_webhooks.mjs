// Verifies a webhook with the official JavaScript library of Standard Webhooks, and sees that nothing changed passes.
//
// Usage: standard_webhooks.mjs FOLDER, where FOLDER holds node_modules. Reads JSON from standard input:
// {"secrets": ["whsec_…"], "headers": {…}, "body": "…"}.

import assert from "node:assert";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const library = createRequire(join(resolve(process.argv[2]), "package.json"))("standardwebhooks");
const { Webhook, WebhookVerificationError } = library;
const STRANGER = "whsec_c3RyYW5nZXJzdHJhbmdlcnN0cmFuZ2Vy";
const { secrets, headers, body } = JSON.parse(readFileSync(0, "utf8"));

function refused(name, secret, body, headers) {
  const verify = () => new Webhook(secret).verify(body, headers);
  assert.throws(verify, (error) => error instanceof WebhookVerificationError, `${name} was accepted`);
  console.log(`${name}: refused`);
}

function without(name) {
  return Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));
}

for (const secret of secrets) {
  assert.deepStrictEqual(new Webhook(secret).verify(body, headers), JSON.parse(body));
  console.log("as sent: accepted");
  const later = String(Number(headers["webhook-timestamp"]) + 1);
  const longAgo = String(Number(headers["webhook-timestamp"]) - 301);
  const signature = headers["webhook-signature"];
  const flip = (part) => `v1,${part[3] === "A" ? "B" : "A"}${part.slice(4)}`;
  const flipped = signature.split(" ").map(flip).join(" ");
  refused("another body", secret, body.replace("captured", "refunded"), headers);
  refused("a longer body", secret, `${body} `, headers);
  refused("another id", secret, body, { ...headers, "webhook-id": `${headers["webhook-id"]}0` });
  refused("another timestamp", secret, body, { ...headers, "webhook-timestamp": later });
  refused("an old timestamp", secret, body, { ...headers, "webhook-timestamp": longAgo });
  refused("another signature", secret, body, { ...headers, "webhook-signature": flipped });
  refused("another version", secret, body, { ...headers, "webhook-signature": signature.replaceAll("v1,", "v2,") });
  for (const name of ["webhook-id", "webhook-timestamp", "webhook-signature"]) {
    refused(`no ${name}`, secret, body, without(name));
  }
}
refused("another secret", STRANGER, body, headers);
console.log("all as Standard Webhooks would");
