// What scripts/try-console plays after the console: the guide's checkout (docs/guide/checkout.md), its page and its server as they stand there, by a
// payer in a browser. Stripe's own script is out of reach; one with the same calls takes its place, whose field takes a token.
// Usage: node try-checkout.mjs SANDBOX_JSON FOLDER_FOR_SCREENSHOTS
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [identityFile, shots] = process.argv.slice(2);
const { chromium } = createRequire(join(process.env.TOLLGATE_NODE_MODULES, 'node_modules', 'x'))('playwright-core');
const { url, api_key: key } = JSON.parse(readFileSync(identityFile, 'utf8'));

const guide = readFileSync(new URL('../docs/guide/checkout.md', import.meta.url), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'checkout-'));
for (const [language, name] of [['html', 'checkout.html'], ['python', 'checkout.py']]) {
  const block = guide.match(new RegExp(`\`\`\`${language}\\n(?:# |<!-- )${name}[^\\n]*\\n[^]*?\`\`\``));
  writeFileSync(join(folder, name), block[0].split('\n').slice(1, -1).join('\n') + '\n');
}

const port = await new Promise((found) => {
  const listener = createServer().listen(0, '127.0.0.1', () => { const { port } = listener.address(); listener.close(() => found(port)); });
});
const open = () => spawn('python3', ['checkout.py', String(port), identityFile], { cwd: folder, stdio: ['ignore', 'ignore', 'ignore'] });
let shop = open();
const here = `http://127.0.0.1:${port}`;

// Stripe's calls that the page makes.
const STRIPE = `window.Stripe = (key) => {
  if (!key.startsWith('pk_test_')) throw new Error('no publishable key');
  const field = document.createElement('input');
  field.setAttribute('aria-label', 'Card');
  return {
    elements: () => ({ create: (kind) => ({ mount: (at) => document.querySelector(at).append(field) }) }),
    createPaymentMethod: async ({ type }) => field.value ? { paymentMethod: { id: field.value, type } } : { error: { message: 'Your card number is incomplete.' } },
  };
};`;

async function payments() {
  const answer = await fetch(`${url}/v1/payments?merchant_reference=order%2017`, { headers: { 'x-api-key': key } });
  return (await answer.json()).data;
}

const browser = await chromium.launch({ executablePath: process.env.TOLLGATE_CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'] });
try {
  const page = await (await browser.newContext({ viewport: { width: 390, height: 844 } })).newPage();
  page.setDefaultTimeout(20_000);
  await page.route('https://js.stripe.com/**', (route) => route.fulfill({ contentType: 'text/javascript', body: STRIPE }));
  const visit = async () => {
    for (let tries = 0; ; tries += 1) {
      try { return await page.goto(here); } catch (error) { if (tries > 50) throw error; await new Promise((done) => setTimeout(done, 100)); }
    }
  };
  await visit();
  const press = async (token) => {
    await page.getByLabel('Card').fill(token);
    await page.getByRole('button', { name: 'Pay' }).click();
  };
  const says = (text) => page.getByRole('alert').filter({ hasText: text }).waitFor();

  await press('');
  await says('incomplete');
  await press('pm_card_visa_chargeDeclined');
  await says('Please try another card.');
  // The server takes it, and its answer is lost on the way.
  await page.route('**/pay', async (route) => { await route.fetch(); await route.abort(); }, { times: 1 });
  await press('pm_card_threeDSecure2Required');
  await says('No answer came');
  await page.screenshot({ path: join(shots, 'checkout.png') });
  await page.getByRole('button', { name: 'Pay' }).click();
  await page.getByRole('button', { name: 'Approve' }).click();
  await page.waitForURL(`${here}/thanks?payment_id=pay_*`);
  await page.getByText('Thank you, it is paid.').waitFor();
  // Somebody goes back and pays with another card: it is paid already.
  await page.goto(here);
  await press('pm_card_mastercard');
  await page.getByText('Thank you, it is paid.').waitFor();
  assert.deepEqual((await payments()).map((payment) => payment.status).sort(), ['AUTHORIZED', 'FAILED']);
  // A shop that has lost its book does not know what it sent with its keys: it charges nothing.
  const closed = new Promise((done) => shop.on('exit', done));
  shop.kill();
  await closed;
  rmSync(join(folder, 'shop.sqlite'));
  shop = open();
  await visit();
  await press('pm_card_amex');
  await says('We have to look at this order first.');
  await press('pm_card_jcb');
  await says('We have to look at this order first.');
  // A try of long ago, whose key may be forgotten, is not sent again: its payment is found by the order.
  const old = "import sqlite3; book = sqlite3.connect('shop.sqlite'); book.execute('UPDATE tries SET made_at = 0'); book.commit()";
  assert.equal(spawnSync('python3', ['-c', old], { cwd: folder, stdio: 'inherit' }).status, 0);
  await press('pm_card_visa');
  await page.getByText('Thank you, it is paid.').waitFor();
  assert.equal((await payments()).length, 2);
  console.log("✓ the guide's checkout: declined, an answer lost, 3-D Secure, paid once, and not again by a shop that lost its book or an answer long ago");
} finally {
  await browser.close();
  shop.kill();
  rmSync(folder, { recursive: true });
}
