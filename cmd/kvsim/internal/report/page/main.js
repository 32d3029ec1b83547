// The page's behaviour: filters, keys, mouse, links.
const byId = (id) => document.getElementById(id);

function drawAll() {
  sizeLanes();
  drawOverview();
  drawTimeline();
  drawPositions();
  drawLatency();
  drawRate();
  drawTable();
  drawDetail();
  byId('counts').textContent = state.visible.length + ' of ' + opCount + ' operations' +
    (state.visible.length < opCount ? ' pass the filters' : '');
  byId('axis').value = state.axis;
  document.querySelectorAll('.violation').forEach((card, n) => card.classList.toggle('current', n === state.violation));
}

// Filters.

function makeFilters() {
  byId('keys').append(...keys.map((k) => {
    const option = document.createElement('option');
    option.value = k;
    return option;
  }));
  clients.forEach((name, n) => {
    const label = element('label', '');
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.checked = true;
    box.dataset.client = n;
    label.append(box, name);
    byId('clients').append(label);
  });
  byId('clients').addEventListener('change', (e) => {
    const n = Number(e.target.dataset.client);
    if (e.target.checked) state.clients.add(n); else state.clients.delete(n);
    filter();
  });
  byId('key').addEventListener('input', (e) => { state.key = e.target.value; filter(); });
  byId('outcome').addEventListener('change', (e) => { state.outcome = e.target.value; filter(); });
  byId('offending').addEventListener('change', (e) => { state.offending = e.target.checked; filter(); });
  byId('busy').checked = state.busy;
  byId('busy').addEventListener('change', (e) => { state.busy = e.target.checked; filter(); });
  byId('axis').addEventListener('change', (e) => setAxis(e.target.value));
  byId('positions').addEventListener('change', (e) => { state.positions = e.target.value; changed(); });
  byId('zoom-in').addEventListener('click', () => zoom(0.5));
  byId('zoom-out').addEventListener('click', () => zoom(2));
  byId('zoom-all').addEventListener('click', showAll);
  byId('reset').addEventListener('click', reset);
  byId('help-open').addEventListener('click', () => byId('help').showModal());
  byId('tools').addEventListener('submit', (e) => e.preventDefault());
}

function reset() {
  state.clients = new Set(clients.keys());
  Object.assign(state, { key: '', outcome: '', offending: false });
  syncFilters();
  filter();
}

function syncFilters() {
  byId('key').value = state.key;
  byId('outcome').value = state.outcome;
  byId('offending').checked = state.offending;
  for (const box of byId('clients').querySelectorAll('input')) box.checked = state.clients.has(Number(box.dataset.client));
}

// only shows one client, or all again.
function only(client) {
  const alone = state.clients.size === 1 && state.clients.has(client);
  state.clients = alone ? new Set(clients.keys()) : new Set([client]);
  syncFilters();
  filter();
}

function makeLegend() {
  const legend = byId('position-legend');
  const item = (name, colour, thick) => {
    const span = element('span', name);
    const swatch = document.createElement('i');
    swatch.className = 'sw';
    swatch.style.background = 'var(--' + colour + ')';
    swatch.style.height = thick ? '5px' : '2px';
    span.prepend(swatch);
    legend.append(span);
  };
  if (logEnds.seq.length > 0) item('end of the log', 'log', true);
  clients.forEach((name, n) => item(name, 'line' + (n % 8 + 1), false));
}

// Keys.

const shortcuts = {
  n: () => chooseViolation((state.violation + 1) % violations.length, { scroll: true }),
  p: () => chooseViolation((state.violation + violations.length - 1) % violations.length, { scroll: true }),
  j: () => step(1),
  k: () => step(-1),
  ArrowLeft: () => pan(-0.2),
  ArrowRight: () => pan(0.2),
  '+': () => zoom(0.5),
  '=': () => zoom(0.5),
  '-': () => zoom(2),
  0: showAll,
  a: () => setAxis(state.axis === 'time' ? 'order' : 'time'),
  o: () => { state.offending = !state.offending; syncFilters(); filter(); },
  '/': () => byId('key').focus(),
  t: () => { table.scrollIntoView({ block: 'nearest' }); table.focus(); },
  '?': () => byId('help').showModal(),
  Escape: () => { reset(); select(NONE); },
};

const rowKeys = {
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  PageDown: () => step(12),
  PageUp: () => step(-12),
  Home: () => step(-opCount),
  End: () => step(opCount),
};

function onKey(e) {
  if (e.ctrlKey || e.metaKey || e.altKey || byId('help').open) return;
  const typing = e.target.matches('input:not([type=checkbox]), select');
  if (typing && e.key !== 'Escape') return;
  const act = (document.activeElement === table && rowKeys[e.key]) || shortcuts[e.key];
  if (!act) return;
  e.preventDefault();
  act();
}

// Mouse.

const tip = element('div', '', 'tip');
tip.hidden = true;

// hitAt returns what is drawn at a place of the timeline: what was drawn last
// is on top.
function hitAt(x, y) {
  let found;
  for (const h of layout.hits) {
    if (x >= h.x && x <= h.x + h.w && y >= h.y && y <= h.y + h.h && (!found || h.op !== undefined || found.op === undefined)) found = h;
  }
  return found;
}

function spot(e) {
  const box = lanesCanvas.getBoundingClientRect();
  return { x: e.clientX - box.left, y: e.clientY - box.top + timeline.scrollTop };
}

function showTip(e) {
  const { x, y } = spot(e);
  const h = y < timeline.scrollTop + AXIS || x < GUTTER ? undefined : hitAt(x, y);
  tip.hidden = !h;
  if (!h) return;
  if (h.op !== undefined) {
    const i = h.op;
    tip.textContent = '#' + ops.id[i] + ' ' + opText(i) + '\n' + clients[ops.client[i]] + ', process ' + ops.process[i] + ', ' + fmtShort(ops.callTime[i]) +
      (ops.returnSeq[i] === 0 ? ', never returned' : ', took ' + fmtShort(ops.returnTime[i] - ops.callTime[i])) +
      (blame.has(i) ? '\nevidence of violation ' + blame.get(i).map((n) => n + 1).join(', ') : '');
  } else {
    tip.textContent = h.fault ? h.fault.text + '\n' + fmtShort(h.fault.start.time) + ' to ' + fmtShort(h.fault.end.time) : h.text;
  }
  tip.style.left = Math.min(e.clientX + 14, window.innerWidth - tip.offsetWidth - 8) + 'px';
  tip.style.top = Math.min(e.clientY + 16, window.innerHeight - tip.offsetHeight - 8) + 'px';
}

// dragging moves what is shown along with the mouse, and tells a click.
function dragging(canvas, click) {
  let start;
  canvas.addEventListener('pointerdown', (e) => {
    if (e.button !== 0) return;
    start = { x: e.clientX, from: state.from, to: state.to, moved: false };
    canvas.setPointerCapture(e.pointerId);
  });
  canvas.addEventListener('pointermove', (e) => {
    if (!start) return;
    const by = e.clientX - start.x;
    start.moved ||= Math.abs(by) > 3;
    if (!start.moved) return;
    const per = (start.to - start.from) / (canvas.clientWidth - GUTTER - MARGIN);
    show(start.from - by * per, start.to - by * per);
  });
  canvas.addEventListener('pointerup', (e) => {
    if (start && !start.moved && click) click(e);
    start = undefined;
  });
  canvas.addEventListener('pointercancel', () => { start = undefined; });
  canvas.addEventListener('wheel', (e) => {
    if (!e.ctrlKey && !e.shiftKey) return;
    e.preventDefault();
    const around = scaleOf(canvas.clientWidth).back(e.clientX - canvas.getBoundingClientRect().left);
    zoom(1.0015 ** (e.deltaY || e.deltaX), around);
  }, { passive: false });
}

// brushing chooses what is shown in the strip of the whole history.
function brushing(canvas) {
  let from;
  const back = (e) => {
    const all = whole();
    return scaleOf(canvas.clientWidth, -all * 0.01, all * 1.01).back(e.clientX - canvas.getBoundingClientRect().left);
  };
  canvas.addEventListener('pointerdown', (e) => {
    from = back(e);
    canvas.setPointerCapture(e.pointerId);
  });
  canvas.addEventListener('pointermove', (e) => {
    const to = back(e);
    if (from !== undefined && Math.abs(to - from) > whole() / 200) show(Math.min(from, to), Math.max(from, to));
  });
  canvas.addEventListener('pointerup', (e) => {
    const to = back(e);
    const half = (state.to - state.from) / 2;
    if (from !== undefined && Math.abs(to - from) <= whole() / 200) show(to - half, to + half);
    from = undefined;
  });
}

function onTimelineClick(e) {
  const { x, y } = spot(e);
  if (x < GUTTER) {
    const lane = layout.lanes.find((l) => l.kind === 'client' && y >= l.y && y < l.y + l.h);
    if (lane) only(lane.client);
    return;
  }
  const h = hitAt(x, y);
  select(h?.op ?? NONE);
}

// Links.

// follow goes to what the address names: an operation, or a violation.
function follow() {
  const op = /^#op-(\d+)$/.exec(location.hash);
  const violation = /^#violation-(\d+)$/.exec(location.hash);
  if (violation) chooseViolation(Number(violation[1]) - 1);
  if (!op) return;
  const i = opOf.get(Number(op[1]));
  if (i === undefined) return;
  if (place(i) === NONE) reset();
  if (blame.has(i) && !blame.get(i).includes(state.violation)) {
    state.violation = blame.get(i)[0];
    showViolation();
  }
  select(i);
  byId('tools').scrollIntoView({ block: 'start' });
}

// Porcupine's pictures, each in a frame of its own.

function showPicture(n) {
  const frame = document.createElement('iframe');
  frame.setAttribute('sandbox', 'allow-scripts');
  frame.title = 'porcupine\'s picture of key ' + data.pictures[n].key;
  frame.addEventListener('load', () => { frame.dataset.loaded = 'true'; });
  frame.srcdoc = data.pictures[n].html;
  byId('picture').replaceChildren(frame);
  for (const b of document.querySelectorAll('[data-picture]')) b.setAttribute('aria-pressed', String(Number(b.dataset.picture) === n));
}

function start() {
  readColours();
  makeFilters();
  makeLegend();
  makeHead();
  document.body.append(tip);
  listeners.push(drawAll);
  filter();
  showAll();
  if (state.violation !== NONE) chooseViolation(0);
  document.addEventListener('keydown', onKey);
  document.addEventListener('click', (e) => {
    const link = e.target.closest('a[href^="#op-"], a[href^="#violation-"]');
    // The address may be there already.
    if (link && link.hash === location.hash) follow();
    const tab = e.target.closest('[data-picture]');
    if (tab) showPicture(Number(tab.dataset.picture));
  });
  for (const card of document.querySelectorAll('.violation')) {
    card.addEventListener('toggle', () => {
      const n = Number(card.dataset.violation) - 1;
      if (card.open && n !== state.violation) chooseViolation(n);
    });
  }
  window.addEventListener('hashchange', follow);
  window.addEventListener('resize', changed);
  timeline.addEventListener('scroll', changed);
  table.addEventListener('scroll', changed);
  space.addEventListener('click', (e) => {
    const row = e.target.closest('.row');
    if (row) select(opOf.get(Number(row.dataset.op)));
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { readColours(); changed(); });
  dragging(lanesCanvas, onTimelineClick);
  for (const id of ['position', 'latency', 'rate']) dragging(byId(id));
  brushing(byId('overview'));
  lanesCanvas.addEventListener('pointermove', showTip);
  lanesCanvas.addEventListener('pointerleave', () => { tip.hidden = true; });
  if (data.pictures.length > 0) showPicture(0);
  if (location.hash) follow();
  listeners.push(() => { document.documentElement.dataset.ready = 'true'; });
}

start();
