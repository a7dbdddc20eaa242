// What scripts/try-console plays: a person at the console. Usage: node try-console.mjs SANDBOX_JSON FOLDER_FOR_SCREENSHOTS
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [identityFile, shots] = process.argv.slice(2);
const require = createRequire(join(process.env.TOLLGATE_NODE_MODULES, 'node_modules', 'x'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const { url, api_key: key } = JSON.parse(readFileSync(identityFile, 'utf8'));

const browser = await chromium.launch({
  executablePath: process.env.TOLLGATE_CHROMIUM,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const said = [];

// A browser of its own. What the browser's console says is kept; nothing but the sandbox is asked for anything.
async function browse(options) {
  // (axe-core is put into pages by the test, which the pages' policy would not let anybody else do.)
  const context = await browser.newContext({ ...options, bypassCSP: options.bypassCSP ?? false });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) said.push(`${page.url()}: ${message.text()}`); });
  page.on('pageerror', (error) => said.push(`${page.url()}: ${error}`));
  page.on('request', (request) => { if (!request.url().startsWith(url)) said.push(`asked for ${request.url()}`); });
  return page;
}

async function see(page, text) {
  await page.getByText(text).first().waitFor();
}

async function note(page, text) {
  await page.locator('#news .note', { hasText: text }).first().waitFor();
}

let programs = 0;
let count = 0;
async function shot(page, name) {
  count += 1;
  await page.screenshot({ path: join(shots, `${String(count).padStart(2, '0')}-${name}.png`), fullPage: true });
}

async function step(what, work) {
  try {
    await work();
  } catch (error) {
    console.error(`✕ ${what}`);
    throw error;
  }
  console.log(`✓ ${what}`);
}

async function take(page, { payer = 'card-ok', reference, amount = '1000' }) {
  await page.goto(`${url}/console`);
  await page.getByLabel('Payer').selectOption(payer);
  await page.getByLabel('Amount, in minor units').fill(amount);
  await page.getByLabel("Merchant's reference", { exact: true }).fill(reference);
  await page.getByRole('button', { name: 'Take payment' }).click();
  await page.waitForURL(/\/console\/payments\/pay_/);
  return new URL(page.url()).pathname.split('/').pop();
}

async function arm(page, kind, times, ms) {
  await page.goto(`${url}/console/switches`);
  const card = page.locator('.card', { has: page.getByRole('heading', { name: /^stripe/ }) });
  await card.getByLabel('Fault').selectOption(kind);
  await card.getByLabel('Times').fill(times);
  await card.getByLabel('Milliseconds').fill(ms);
  await card.getByRole('button', { name: 'Arm at stripe' }).click();
  await note(page, 'The fault is armed.');
  return card;
}

// As a merchant's program does it.
async function pay(times) {
  for (let index = 0; index < times; index += 1) {
    const headers = { 'x-api-key': key, 'idempotency-key': `by-program-${programs += 1}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ amount: 1000, currency: 'JPY', payment_method: { stripe: 'pm_card_visa' } });
    await fetch(`${url}/v1/payments`, { method: 'POST', headers, body }).then((answer) => answer.text());
  }
}

async function statusOf(page) {
  return (await page.locator('dl .badge').first().innerText()).replace(/[^A-Z_]/g, '');
}

const HOSTILE = `<script>alert(1)</script>"><img src=x onerror=alert(2)>`;
const PAGES = ['/console', '/console/deliveries', '/console/traffic', '/console/settlements', '/console/exceptions', '/console/switches'];

try {
  const page = await browse({ viewport: { width: 1200, height: 900 } });
  let paid, waited;

  await step('a payment is taken, captured, and its whole story shown', async () => {
    await page.goto(url);
    await page.waitForURL(`${url}/console`);
    await shot(page, 'empty');
    paid = await take(page, { reference: 'order-1' });
    await note(page, 'The payment is AUTHORIZED.');
    await page.getByLabel('Part to capture').fill('700');
    await page.getByRole('button', { name: 'Capture' }).click();
    await note(page, 'The payment is CAPTURED.');
    assert.equal(await statusOf(page), 'CAPTURED');
    const picture = page.getByRole('img', { name: /Timeline of the payment/ });
    for (const text of ['authorize at stripe', 'capture at stripe', 'event payment.captured', 'try 1 of payment.captured', 'postings']) {
      await picture.getByText(text).first().waitFor();
    }
    await page.getByText('The same as a table').click();
    await page.getByRole('table', { name: 'What happened to the payment' }).getByText('authorize at stripe').first().waitFor();
    await shot(page, 'payment');
  });

  await step('what hostile merchants write is text', async () => {
    page.on('dialog', () => said.push('a merchant ran a script'));
    await take(page, { reference: HOSTILE });
    await see(page, HOSTILE);
    await page.goto(`${url}/console/deliveries`);
    await see(page, HOSTILE);
    await page.goto(`${url}/console?q=${encodeURIComponent(HOSTILE)}`);
    await see(page, HOSTILE);
    assert.equal(await page.getByLabel("Payment's id").inputValue(), HOSTILE);
    assert.equal(await page.locator('img').count(), 0);
    // The policy is the second wall: even markup of ours could not run anything inline.
    const ran = await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'window.ranInline = true';
      document.body.append(script);
      return window.ranInline === true;
    });
    assert.equal(ran, false);
    // (That refusal is said on the browser's console.)
    const refused = said.splice(0).filter((line) => !line.includes('Content Security Policy'));
    assert.deepEqual(refused, []);
  });

  await step('a lost answer: the payment waits, and recovers by a job once the clock has moved', async () => {
    const card = await arm(page, 'drop_webhooks', '5', '');
    await arm(page, 'charge_then_timeout', '1', '300');
    await see(card, 'charge then timeout, 1 more');
    await shot(page, 'fault-armed');
    waited = await take(page, { reference: 'order-lost' });
    await note(page, 'The payment is PENDING.');
    await see(page, 'outcome not known yet');
    await shot(page, 'payment-waits');
    await page.goto(`${url}/console/switches`);
    await card.getByRole('button', { name: 'Clear faults of stripe' }).click();
    await note(page, 'No fault is armed any more.');
    await see(card, 'No fault is armed.');
    await page.getByRole('button', { name: '+ 10 minutes' }).click();
    await note(page, 'The clock stands at 2027-01-15T03:10:00Z');
    await page.getByRole('button', { name: 'stuck-payments' }).click();
    await note(page, 'stuck-payments: looked at');
    await page.goto(`${url}/console/payments/${waited}`);
    assert.equal(await statusOf(page), 'AUTHORIZED');
    await see(page, 'look up at stripe');
    await shot(page, 'payment-recovered');
  });

  await step('a breaker opens, is seen to, and closes', async () => {
    const card = await arm(page, 'unreachable', '', '');
    await see(card, 'unreachable, until cleared');
    const traffic = await browse({ viewport: { width: 1200, height: 900 } });
    await traffic.goto(`${url}/console/traffic`);
    const breaker = traffic.locator('[data-standing="Circuit breaker/stripe"]');
    await breaker.getByText('closed').waitFor();
    await pay(12);
    await breaker.getByText('✕open').waitFor();
    await traffic.locator('[data-announce]', { hasText: 'Circuit breaker stripe: open' }).waitFor({ state: 'attached' });
    await traffic.waitForTimeout(3500);
    await see(traffic, /Now: 2xx .*\/s/);
    await see(traffic, /Now: p50 [\d.]+ ms, p99 [\d.]+ ms/);
    assert.ok(await traffic.locator('[data-plot=requests] polyline').count() === 3);
    await shot(traffic, 'traffic');
    await page.goto(`${url}/console/switches`);
    await page.getByRole('button', { name: 'Clear faults of stripe' }).click();
    await note(page, 'No fault is armed any more.');
    await page.getByRole('button', { name: '+ 10 minutes' }).click();
    await note(page, 'The clock stands at');
    await take(page, { reference: 'order-after' });
    await note(page, 'The payment is AUTHORIZED.');
    // A breaker that was open closes after five calls that went well.
    await pay(4);
    await breaker.getByText('closed').waitFor();
    await traffic.context().close();
  });

  await step('search by reference, by id and by status', async () => {
    await page.goto(`${url}/console`);
    await page.getByLabel("Payment's id").fill('order-1');
    await page.getByRole('button', { name: 'Search' }).click();
    assert.equal(await page.locator('.cards tbody tr').count(), 1);
    await page.getByRole('link', { name: paid }).click();
    await page.waitForURL(`${url}/console/payments/${paid}`);
    await page.goto(`${url}/console?q=${waited}`);
    assert.equal(await page.locator('.cards tbody tr').count(), 1);
    await page.goto(`${url}/console?status=CAPTURED`);
    assert.equal(await page.locator('.cards tbody tr').count(), 1);
    await page.goto(`${url}/console`);
    await shot(page, 'payments');
  });

  await step('a webhook that fails is seen, and delivered again', async () => {
    await page.goto(`${url}/console/switches`);
    await page.locator('form[action$="/inbox"]').getByLabel('Answers').selectOption('500');
    await page.locator('form[action$="/inbox"]').getByLabel('Times').fill('1');
    await page.getByRole('button', { name: 'Answer so' }).click();
    await see(page, '1 more times.');
    const id = await take(page, { reference: 'order-told' });
    await see(page, 'RETRYING');
    await see(page, 'next try of payment.authorized');
    await page.getByRole('button', { name: 'Redeliver payment.authorized' }).click();
    await note(page, 'It is delivered again.');
    await see(page, 'DELIVERED');
    await see(page, 'try 2 of payment.authorized');
    await shot(page, 'redelivered');
    await page.goto(`${url}/console/deliveries`);
    await see(page, id);
    await shot(page, 'deliveries');
  });

  await step('3-D Secure: the payer approves, and the open page says that there is news', async () => {
    const id = await take(page, { payer: 'card-3ds', reference: 'order-3ds' });
    await note(page, 'The payment is PENDING.');
    const payers = await page.getByRole('link', { name: "the payer's page" }).getAttribute('href');
    await fetch(`${payers}/approve`, { method: 'POST', redirect: 'follow' }).then((answer) => answer.text());
    await note(page, 'Something happened meanwhile: the payment is AUTHORIZED.');
    await page.getByRole('link', { name: 'Show it' }).click();
    await page.waitForURL(`${url}/console/payments/${id}`);
    assert.equal(await statusOf(page), 'AUTHORIZED');
    await page.getByRole('button', { name: 'Void' }).click();
    await note(page, 'The payment is VOIDED.');
  });

  await step('a settlement after 02:00 in Tokyo, its file, and a refund', async () => {
    await page.goto(`${url}/console/switches`);
    await page.getByRole('button', { name: 'Past 02:00 in Tokyo' }).click();
    await note(page, 'The clock stands at 2027-01-15T17:05:00Z');
    await page.goto(`${url}/console/settlements`);
    await see(page, 'COMPLETED');
    const row = page.getByRole('row', { name: /Sandbox shop JPY/ });
    assert.match(await row.innerText(), /JPY\s+1\s+700\s+0\s+0\s+0\s+0\s+700/);
    await shot(page, 'settlements');
    const [download] = await Promise.all([page.waitForEvent('download'), row.getByRole('link', { name: /CSV/ }).click()]);
    const csv = readFileSync(await download.path(), 'utf8');
    assert.match(csv, new RegExp(`^kind,payment_id,.*\r\npayment,${paid},,order-1,JPY,700,0,700,`));
    await page.goto(`${url}/console/payments/${paid}`);
    await page.getByLabel('Part to refund').fill('300');
    await page.getByRole('button', { name: 'Refund', exact: true }).click();
    await note(page, 'The refund is COMPLETED.');
    await see(page, '300 JPY');
    await page.getByLabel('Part to refund').fill('500');
    await page.getByRole('button', { name: 'Refund', exact: true }).click();
    await note(page, 'refunds');
    await shot(page, 'refunded');
  });

  await step('by the keyboard alone', async () => {
    await page.goto(`${url}/console`);
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'To the content');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.name), 'q');
    await page.keyboard.type('order-1');
    await page.keyboard.press('Enter');
    await page.waitForURL(/q=order-1/);
    await page.getByRole('link', { name: paid }).focus();
    await page.keyboard.press('Enter');
    await page.waitForURL(`${url}/console/payments/${paid}`);
  });

  await step("another site's page, and a name of another's that leads here, can do nothing", async () => {
    for (const headers of [{}, { origin: 'http://shop.example' }, { origin: 'null' }]) {
      const answer = await fetch(`${url}/console/switches/job`, { method: 'POST', headers, body: new URLSearchParams({ job: 'invariants' }), redirect: 'manual' });
      assert.equal(answer.status, 403);
    }
  });

  await step('axe-core finds nothing serious, in light and dark, wide and on a phone, and no page is wider than its screen', async () => {
    const looks = { light: { viewport: { width: 1200, height: 900 } }, dark: { viewport: { width: 1200, height: 900 }, colorScheme: 'dark' },
      phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }, 'phone-dark': { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, colorScheme: 'dark' } };
    const found = [];
    for (const [look, options] of Object.entries(looks)) {
      const other = await browse({ ...options, bypassCSP: true });
      for (const path of [...PAGES, `/console/payments/${paid}`, '/console/payments/pay_nothing']) {
        await other.goto(url + path);
        if (path.endsWith('traffic')) await see(other, /Now: (p50|no requests)/);
        if (path.endsWith(paid)) await other.getByText('The same as a table').click();
        await other.evaluate(axe);
        const { violations } = await other.evaluate(() => window.axe.run(document));
        for (const violation of violations) {
          const line = `${look} ${path}: ${violation.impact} ${violation.id}: ${violation.nodes.map((node) => node.html.slice(0, 120)).join(' | ')}`;
          if (['serious', 'critical'].includes(violation.impact)) found.push(line); else console.log(`  ${line}`);
        }
        const wider = await other.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (wider > 0) found.push(`${look} ${path} is ${wider} pixels wider than the screen`);
        if (look !== 'light' && !path.endsWith('nothing')) await shot(other, `${look}-${path.replace(/\/console\/?/, '').replace(/\/.*/, '') || 'payments-list'}`);
      }
      await other.context().close();
    }
    assert.deepEqual(found, []);
  });

  // A page that is not there is said to be so by the browser, too.
  assert.deepEqual(said.filter((line) => !/pay_nothing.*404/.test(line)), [], 'the browser has nothing to say');
  console.log('the console holds');
} finally {
  await browser.close();
}
