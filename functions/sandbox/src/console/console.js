// What moves on the console's pages: plots and standings on Traffic, news on a payment's page, and buttons that are pressed once.
// Every page works without it. Texts are set as text; nothing that comes from the server becomes markup.
'use strict';

const SVG = 'http://www.w3.org/2000/svg';
const LOOKS = 90;

function svg(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

async function ask(url) {
  const answer = await fetch(url, { cache: 'no-store' });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return answer.json();
}

// Asks again and again, each time a while after the answer; not while nobody looks.
function every(milliseconds, work) {
  const turn = async () => {
    if (!document.hidden) {
      try { await work(); } catch { /* The sandbox is away: it is asked again. */ }
    }
    setTimeout(turn, milliseconds);
  };
  turn();
}

// A quantile of what came between two looks at a histogram, in seconds, by a straight line within its bucket.
function quantile(before, after, share) {
  const grown = after.map(([bound, count], index) => [bound ?? Infinity, count - (before[index]?.[1] ?? 0)]);
  const total = grown.length ? grown[grown.length - 1][1] : 0;
  if (total <= 0) return null;
  let [low, below] = [0, 0];
  for (const [bound, count] of grown) {
    if (count >= share * total) {
      if (bound === Infinity) return low;
      return low + (bound - low) * (count > below ? (share * total - below) / (count - below) : 1);
    }
    [low, below] = [bound, count];
  }
  return low;
}

function nice(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

function number(value) {
  return value === null ? '–' : value.toFixed(value < 10 ? 1 : 0);
}

// Lines that differ by their dashes and by the names at their ends.
function draw(place, names, looks) {
  // As wide as its place, so that letters keep their size.
  const width = Math.max(280, place.clientWidth || 560);
  const [height, left, right, top, bottom] = [176, 40, 36, 10, 18];
  const most = nice(Math.max(0, ...looks.flat().filter((value) => value !== null)));
  const x = (index) => left + ((width - left - right) * index) / (LOOKS - 1);
  const y = (value) => height - bottom - ((height - top - bottom) * value) / most;
  const picture = svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `${names.join(', ')} over the last ${LOOKS} seconds` });
  for (const value of [0, most / 2, most]) {
    picture.append(svg('line', { class: 'rule', x1: left, x2: width - right, y1: y(value), y2: y(value) }));
    picture.append(svg('text', { x: left - 6, y: y(value) + 4, 'text-anchor': 'end' }, String(value)));
  }
  picture.append(svg('text', { x: left, y: height - 3 }, `${LOOKS} s ago`));
  picture.append(svg('text', { x: width - right, y: height - 3, 'text-anchor': 'end' }, 'now'));
  const ends = [];
  names.forEach((name, which) => {
    const points = looks.map((look, index) => [x(LOOKS - looks.length + index), look[which]]).filter(([, value]) => value !== null);
    if (!points.length) return;
    const line = points.map(([at, value]) => `${at.toFixed(1)},${y(value).toFixed(1)}`).join(' ');
    picture.append(svg('polyline', { class: ['first', 'second', 'third'][which], points: line }));
    ends.push({ name, at: y(points[points.length - 1][1]) + 4 });
  });
  // Names that would stand on each other move up.
  ends.sort((one, other) => other.at - one.at).forEach((end, index) => {
    if (index) end.at = Math.min(end.at, ends[index - 1].at - 12);
    picture.append(svg('text', { x: width - right + 5, y: end.at }, end.name));
  });
  place.replaceChildren(picture);
}

function traffic(section) {
  const [find, looks] = [(selector) => section.querySelector(selector), []];
  const announce = find('[data-announce]');
  const [rates, times] = [[], []];
  const classes = ['2xx', '4xx', '5xx'];
  every(1000, async () => {
    const now = { ...(await ask(section.dataset.traffic)), at: performance.now() };
    const before = looks[looks.length - 1];
    looks.push(now);
    if (looks.length > LOOKS) looks.shift();
    standing(now.standing, announce);
    if (!before) return;
    const seconds = (now.at - before.at) / 1000;
    const rate = classes.map((name) => (now.requests[name] - before.requests[name]) / seconds);
    const earlier = looks[Math.max(0, looks.length - 11)];
    const time = [0.5, 0.99].map((share) => quantile(earlier.latency, now.latency, share)).map((value) => (value === null ? null : value * 1000));
    for (const [kept, latest] of [[rates, rate], [times, time]]) {
      kept.push(latest);
      if (kept.length > LOOKS) kept.shift();
    }
    draw(find('[data-plot=requests]'), classes, rates);
    draw(find('[data-plot=latency]'), ['p50', 'p99'], times);
    find('[data-values=requests]').textContent = `Now: ${classes.map((name, index) => `${name} ${number(rate[index])}/s`).join(', ')}`;
    find('[data-values=latency]').textContent = time[0] === null ? 'Now: no requests in the last 10 s' : `Now: p50 ${number(time[0])} ms, p99 ${number(time[1])} ms`;
  });
}

function standing(all, announce) {
  const changed = [];
  for (const { key, value, tone, sign } of all) {
    const cell = document.querySelector(`[data-standing="${CSS.escape(key)}"]`);
    const badge = cell?.firstElementChild;
    if (!badge || (badge.lastChild.textContent === value && badge.classList.contains(tone))) continue;
    if (!badge.classList.contains(tone)) changed.push(`${key.replace('/', ' ')}: ${value}`);
    badge.className = `badge ${tone}`;
    badge.firstElementChild.textContent = sign;
    badge.lastChild.textContent = value;
  }
  // What only counts is not read out; what stands otherwise is.
  if (changed.length) announce.textContent = changed.join('. ');
}

// Says that there is news, and leaves it to the reader when to look.
function watch(place) {
  let told = false;
  every(2000, async () => {
    const { seen, status } = await ask(place.dataset.watch);
    if (told || seen === place.dataset.seen) return;
    told = true;
    const [note, link] = [document.createElement('p'), document.createElement('a')];
    note.className = 'note waiting';
    link.href = location.pathname;
    link.textContent = 'Show it';
    note.append(`Something happened meanwhile: the payment is ${status}. `, link);
    document.getElementById('news').append(note);
  });
}

for (const section of document.querySelectorAll('[data-traffic]')) traffic(section);
for (const place of document.querySelectorAll('[data-watch]')) watch(place);

// A button is pressed once: what it does may take a while.
document.addEventListener('submit', (event) => {
  if (event.target.method !== 'post') return;
  if (event.target.dataset.sent) {
    event.preventDefault();
    return;
  }
  event.target.dataset.sent = 'yes';
  event.target.setAttribute('aria-busy', 'true');
  const said = document.createElement('p');
  said.className = 'note plain';
  said.textContent = 'Working on it.';
  document.getElementById('news').replaceChildren(said);
});
// Whoever comes back by the browser's own button may press it again.
window.addEventListener('pageshow', () => {
  for (const form of document.querySelectorAll('form[data-sent]')) {
    delete form.dataset.sent;
    form.removeAttribute('aria-busy');
  }
});
