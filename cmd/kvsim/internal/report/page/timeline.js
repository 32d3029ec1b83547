// The timeline: lanes for faults, the log and each client, and the strip above
// that shows the whole history.
const AXIS = 20; // height of the axis on top
const BAR = 14;
const STEP = 18; // from one row of a lane to the next
const PAD = 5;
const MOST_ROWS = 12;
const MOST_CALLOUTS = 6;

const timeline = document.getElementById('timeline');
const lanesCanvas = document.getElementById('lanes');
const extent = document.getElementById('extent');
const layout = { lanes: [], height: 0, row: new Map(), hits: [] };

// stack gives each interval the first row that is free: rows[i] for item i.
function stack(items, from, to, most) {
  const free = [];
  return items.map((item) => {
    let row = free.findIndex((end) => end < from(item));
    if (row < 0) row = free.length < most ? free.length : most - 1;
    free[row] = Math.max(free[row] ?? 0, to(item));
    return row;
  });
}

// seen reports whether a part of the axis is in sight.
function seen(from, to) {
  return to >= state.from && from <= state.to;
}

// relayout computes the lanes of what passes the filters.
function relayout() {
  layout.lanes = [];
  layout.row.clear();
  let y = AXIS;
  const add = (lane, rows) => {
    lane.y = y;
    lane.h = Math.max(1, rows) * STEP + 2 * PAD - (STEP - BAR);
    y += lane.h;
    layout.lanes.push(lane);
  };
  lanes.forEach((name, n) => {
    const own = faults.filter((f) => f.lane === n);
    if (state.busy && !own.some((f) => seen(at(f.start), at(f.end)))) return;
    addFaults({ kind: 'broker', name, faults: own, client: NONE }, own, add);
  });
  if (log.seq.length > 0) add({ kind: 'log', name: 'log', faults: [], client: NONE }, 1);
  const byClient = clients.map(() => []);
  for (const i of state.visible) byClient[ops.client[i]].push(i);
  clients.forEach((name, n) => {
    if (!state.clients.has(n)) return;
    const from = calls();
    const to = column(ends);
    if (state.busy && !byClient[n].some((i) => seen(from[i], to[i]))) return;
    const rows = stack(byClient[n], (i) => ops.callSeq[i], (i) => ends.seq[i], MOST_ROWS);
    byClient[n].forEach((i, k) => layout.row.set(i, rows[k]));
    const own = faults.filter((f) => f.client === n);
    const most = rows.reduce((a, b) => Math.max(a, b), 0);
    // Below are a row for each operation of the violation, and room for hooks.
    const guilty = byClient[n].filter((i) => blame.get(i)?.includes(state.violation));
    const lane = { kind: 'client', name, faults: own, client: n, bars: most + 1, callouts: Math.min(guilty.length, MOST_CALLOUTS) };
    add(lane, lane.bars + lane.callouts + (own.length > 0 ? 0.8 : 0.35));
  });
  layout.height = y + 2;
  extent.style.height = '0px';
  sizeLanes();
}

// addFaults adds a lane of faults, one above the other where they overlap.
function addFaults(lane, own, add) {
  const rows = stack(own, (f) => f.start.seq, (f) => f.end.seq, 6);
  lane.rows = rows;
  add(lane, rows.reduce((a, b) => Math.max(a, b), 0) + 1);
}

// sizeLanes keeps the canvas as high as the window of the lanes, and makes room
// to scroll for the rest.
function sizeLanes() {
  const most = Math.max(160, Math.round(window.innerHeight * 0.62) - 2);
  const height = Math.min(layout.height, most);
  lanesCanvas.style.height = height + 'px';
  extent.style.height = Math.max(0, layout.height - height) + 'px';
}

function scrollToLane(client) {
  const lane = layout.lanes.find((l) => l.client === client && l.kind === 'client');
  if (!lane) return;
  const top = timeline.scrollTop;
  const height = timeline.clientHeight;
  if (lane.y - AXIS < top) timeline.scrollTop = lane.y - AXIS;
  if (lane.y + lane.h > top + height) timeline.scrollTop = lane.y + lane.h - height;
}

function drawTimeline() {
  const { c, w, h } = prepare(lanesCanvas);
  const scroll = timeline.scrollTop;
  const scale = scaleOf(w);
  layout.hits = [];
  c.save();
  c.translate(0, -scroll);
  for (const lane of layout.lanes) drawLaneGround(c, w, lane);
  c.restore();
  drawAxis(c, w, h, scale);
  c.save();
  c.translate(0, -scroll);
  clipped(c, w, layout.height, () => {
    for (const lane of layout.lanes) shadeFaults(c, scale, lane);
    drawHooks(c, scale);
    const bars = drawOps(c, scale);
    for (const lane of layout.lanes) {
      if (lane.kind === 'broker') drawFaultBars(c, w, scale, lane);
      if (lane.kind === 'log') drawLog(c, w, scale, lane);
    }
    drawLinks(c, scale, bars);
    drawLabels(c, w, bars);
  });
  for (const lane of layout.lanes) drawName(c, lane);
  c.restore();
  // The axis stays on top.
  c.fillStyle = colours.panel;
  c.fillRect(0, 0, w, AXIS);
  drawAxis(c, w, AXIS, scale, AXIS / 2 + 1);
  c.fillStyle = colours.muted;
  c.fillText(state.axis === 'time' ? 'time' : 'event', 8, AXIS / 2 + 1);
  c.fillStyle = colours.line;
  c.fillRect(0, AXIS - 1, w, 1);
}

function drawLaneGround(c, w, lane) {
  c.fillStyle = lane.kind === 'client' ? colours.bg : colours.panel;
  c.fillRect(0, lane.y, w, lane.h);
  c.fillStyle = colours.line;
  c.fillRect(0, lane.y + lane.h - 1, w, 1);
}

function drawName(c, lane) {
  c.font = lane.kind === 'client' ? BOLD : FONT;
  c.fillStyle = lane.kind === 'client' ? colours.fg : colours.muted;
  c.fillText(fit(c, lane.name, GUTTER - 16), 8, lane.y + PAD + BAR / 2);
  c.font = FONT;
}

// shadeFaults shades a client's lane while something is done to the client,
// and the lanes of all clients and the log while it is done to the cluster.
function shadeFaults(c, scale, lane) {
  c.fillStyle = colours.fault;
  const list = lane.kind === 'client' ? faults.filter((f) => f.client === lane.client || f.client === NONE) :
    lane.kind === 'log' ? faults.filter((f) => f.client === NONE) : [];
  for (const f of list) {
    const x = scale(at(f.start));
    const own = f.client === lane.client && f.client !== NONE;
    c.globalAlpha = own ? 0.16 : 0.05;
    c.fillRect(x, lane.y, Math.max(1, scale(at(f.end)) - x), lane.h - 1);
  }
  c.globalAlpha = 1;
  if (lane.kind !== 'client') return;
  for (const f of lane.faults) {
    const x = Math.max(scale(at(f.start)), GUTTER);
    const width = scale(at(f.end)) - x;
    const y = lane.y + lane.h - 5;
    c.fillRect(x, lane.y + lane.h - 3, Math.max(2, width), 2);
    const text = fit(c, f.kind + ' ' + f.detail, width - 8);
    if (text) c.fillText(text, x + 4, y - 4);
    layout.hits.push({ x, y: lane.y + lane.h - 14, w: Math.max(3, width), h: 14, fault: f });
  }
}

function drawFaultBars(c, w, scale, lane) {
  lane.faults.forEach((f, n) => {
    const x = Math.max(scale(at(f.start)), GUTTER - 2);
    const end = Math.min(scale(at(f.end)), w);
    if (end < GUTTER || x > w) return;
    const y = lane.y + PAD + lane.rows[n] * STEP;
    const width = Math.max(3, end - x);
    c.fillStyle = colours.fault;
    c.globalAlpha = width > 4 ? 0.3 : 1;
    c.fillRect(x, y, width, BAR);
    c.globalAlpha = 1;
    c.strokeStyle = colours.fault;
    c.lineWidth = 1;
    c.strokeRect(x + 0.5, y + 0.5, Math.max(2, width - 1), BAR - 1);
    layout.hits.push({ x, y, w: Math.max(5, width), h: BAR, fault: f });
    const name = f.kind + (f.detail ? ' ' + f.detail : '');
    const inside = fit(c, name, width - 8);
    c.fillStyle = colours.fg;
    if (inside) {
      c.fillText(inside, x + 4, y + BAR / 2);
      return;
    }
    const next = lane.faults.reduce((least, g, k) => {
      const gx = scale(at(g.start));
      return lane.rows[k] === lane.rows[n] && gx > x ? Math.min(least, gx) : least;
    }, w - MARGIN);
    const beside = fit(c, name, next - x - width - 8);
    c.fillStyle = colours.muted;
    if (beside) c.fillText(beside, x + width + 4, y + BAR / 2);
  });
}

// drawLog draws each record of the log as a line, and what else happened to it.
function drawLog(c, w, scale, lane) {
  const xs = column(log);
  const marked = new Set(state.violation === NONE ? [] : violations[state.violation].offsets);
  const y = lane.y + PAD;
  const guilty = [];
  for (let i = Math.max(0, before(xs, state.from) - 1); i < xs.length && xs[i] <= state.to; i++) {
    const kind = log.kind[i];
    if (kind === 'end') continue;
    const x = scale(xs[i]);
    layout.hits.push({ x: x - 2, y, w: 5, h: BAR, text: log.text[i] });
    if (kind === 'append' && marked.has(log.offset[i])) {
      guilty.push({ x, text: String(log.offset[i]) });
      continue;
    }
    c.globalAlpha = state.wanted && kind === 'append' && !state.wanted.has(log.key[i]) ? 0.2 : 1;
    c.fillStyle = kind === 'append' ? colours.log : colours.unknown;
    c.fillRect(x - 0.5, y, 1.5, BAR);
    const text = kind === 'append' ? String(log.offset[i]) : kind;
    const next = i + 1 < xs.length ? scale(xs[i + 1]) : w;
    if (x + 6 + c.measureText(text).width > next) continue;
    if (kind === 'append') c.fillStyle = colours.muted;
    c.fillText(text, x + 4, y + BAR / 2);
  }
  c.globalAlpha = 1;
  drawGuiltyRecords(c, guilty, y);
}

// drawGuiltyRecords marks the records of the violation. Those that are close
// share a text.
function drawGuiltyRecords(c, records, y) {
  c.font = BOLD;
  c.fillStyle = colours.bad;
  for (let i = 0; i < records.length;) {
    const { x, text } = records[i];
    let all = text;
    let last = x;
    for (i++; i < records.length && records[i].x < x + 8 + c.measureText(all).width; i++) {
      all += ', ' + records[i].text;
      last = records[i].x;
    }
    c.fillStyle = colours.panel;
    c.fillRect(x + 2, y, last - x + c.measureText(all).width + 5, BAR);
    c.fillStyle = colours.bad;
    c.fillText(all, last + 4, y + BAR / 2);
  }
  for (const { x } of records) c.fillRect(x - 1.5, y, 3, BAR);
  c.font = FONT;
}

// drawHooks draws the calls of hooks as small lines at the foot of the lanes.
function drawHooks(c, scale) {
  const foot = new Map(layout.lanes.filter((l) => l.kind === 'client').map((l) => [l.client, l.y + l.h - 1]));
  const draw = (table, height, colour) => {
    const xs = column(table);
    c.fillStyle = colour;
    for (let i = Math.max(0, before(xs, state.from) - 1); i < xs.length && xs[i] <= state.to; i++) {
      const y = foot.get(table.client[i]);
      if (y === undefined || (state.wanted && table.key[i] !== NONE && !state.wanted.has(table.key[i]))) continue;
      const x = scale(xs[i]);
      c.fillRect(x - 0.5, y - height, 1, height);
      layout.hits.push({ x: x - 2, y: y - height, w: 4, h: height, text: 'hook or snapshot: ' + table.text[i] });
    }
  };
  c.globalAlpha = 0.55;
  draw(hooks, 4, colours.other);
  c.globalAlpha = 1;
  draw(snapshots, 6, colours.log);
}

// drawOps draws the operations, and returns those that are in sight.
function drawOps(c, scale) {
  const byClient = new Map(layout.lanes.filter((l) => l.kind === 'client').map((l) => [l.client, l]));
  const bars = [];
  const from = calls();
  const to = column(ends);
  const process = new Map();
  for (const i of state.visible) {
    const lane = byClient.get(ops.client[i]);
    if (!lane) continue;
    const opens = ops.kind[i] === 'open' || (process.has(ops.client[i]) && process.get(ops.client[i]) !== ops.process[i]);
    process.set(ops.client[i], ops.process[i]);
    if (to[i] < state.from || from[i] > state.to) continue;
    const x = scale(from[i]);
    const bar = { i, x, y: lane.y + PAD + layout.row.get(i) * STEP, w: Math.max(3, scale(to[i]) - x), lane };
    if (opens) {
      c.fillStyle = colours.muted;
      c.fillRect(x - 1, lane.y, 1, lane.h - 1);
    }
    drawBar(c, bar);
    bars.push(bar);
    layout.hits.push({ x: bar.x - 1, y: bar.y, w: Math.max(6, bar.w + 2), h: BAR, op: i });
  }
  return bars;
}

function drawBar(c, { i, x, y, w }) {
  const colour = colours[colourOf(i)];
  if (isUnknown(i)) {
    hatch(c, x, y, w, BAR, colours.unknown);
  } else if (ops.outcome[i] === 'failed') {
    c.strokeStyle = colour;
    c.lineWidth = 1;
    c.strokeRect(x + 0.5, y + 0.5, Math.max(1, w - 1), BAR - 1);
  } else {
    c.fillStyle = colour;
    c.fillRect(x, y, w, BAR);
  }
  const guilty = blame.get(i);
  if (guilty) {
    const now = guilty.includes(state.violation);
    c.strokeStyle = colours.bad;
    c.lineWidth = now ? 2.5 : 1;
    c.strokeRect(x - 2, y - 2, w + 4, BAR + 4);
  }
  if (i === state.selected) {
    c.strokeStyle = colours.focus;
    c.lineWidth = 1.5;
    c.strokeRect(x - 4.5, y - 4.5, w + 9, BAR + 9);
  }
}

// drawLabels writes in the bars, or beside them where there is room. Those of
// the violation have rows of their own.
function drawLabels(c, w, bars) {
  const rows = new Map();
  for (const b of bars) {
    const name = b.lane.client + '/' + layout.row.get(b.i);
    if (!rows.has(name)) rows.set(name, []);
    rows.get(name).push(b);
  }
  for (const row of rows.values()) {
    row.forEach((b, n) => {
      const text = opText(b.i);
      const left = Math.max(b.x, GUTTER);
      const inside = fit(c, text, b.x + b.w - left - 8);
      if (inside) {
        label(c, b, inside, left + 4, isUnknown(b.i) || ops.outcome[b.i] === 'failed');
        return;
      }
      if (blame.get(b.i)?.includes(state.violation)) return;
      const start = b.x + b.w + 5;
      const beside = fit(c, text, (row[n + 1]?.x ?? w - MARGIN) - 6 - start);
      c.fillStyle = colours.muted;
      if (beside) c.fillText(beside, start + 1, b.y + BAR / 2);
    });
  }
  drawCallouts(c, w, bars);
}

// drawCallouts names the operations of the violation below the bars of their
// lane, each with a line to its bar.
function drawCallouts(c, w, bars) {
  const used = new Map(); // rows that are taken, by lane
  c.font = BOLD;
  c.lineWidth = 1;
  for (const b of bars.toReversed()) {
    if (!blame.get(b.i)?.includes(state.violation)) continue;
    const row = used.get(b.lane) ?? 0;
    if (row >= b.lane.callouts) continue;
    used.set(b.lane, row + 1);
    const text = fit(c, '#' + ops.id[b.i] + ' ' + opText(b.i), Math.min(560, w - GUTTER - MARGIN - 24));
    const width = c.measureText(text).width;
    const foot = Math.max(b.x, GUTTER) + Math.min(b.w, 6) / 2;
    // The latest bar has the highest row, so that no line crosses a text.
    const y = b.lane.y + PAD + (b.lane.bars + row) * STEP;
    const x = foot + 8 + width < w - MARGIN ? foot + 8 : Math.max(GUTTER + 2, foot - width - 8);
    c.strokeStyle = colours.bad;
    c.beginPath();
    c.moveTo(foot, b.y + BAR + 2);
    c.lineTo(foot, y + BAR / 2);
    c.lineTo(x > foot ? x - 2 : x + width + 2, y + BAR / 2);
    c.stroke();
    c.fillStyle = colours.bg;
    c.fillRect(x - 1, y, width + 2, BAR);
    c.fillStyle = colours.bad;
    c.fillText(text, x, y + BAR / 2);
    layout.hits.push({ x, y, w: width, h: BAR, op: b.i });
  }
  c.font = FONT;
}

function label(c, b, text, x, hollow) {
  if (hollow) {
    c.fillStyle = colours.bg;
    c.fillRect(x - 2, b.y + 1, c.measureText(text).width + 4, BAR - 2);
  }
  c.fillStyle = hollow ? colours.fg : colours.bg;
  c.fillText(text, x, b.y + BAR / 2);
}

// drawLinks joins the operations of the violation, and its records of the log.
function drawLinks(c, scale, bars) {
  if (state.violation === NONE) return;
  const v = violations[state.violation];
  const byOp = new Map(bars.map((b) => [ops.id[b.i], b]));
  const first = byOp.get(v.ops[0]);
  if (!first) return;
  c.strokeStyle = colours.bad;
  c.lineWidth = 1.25;
  c.setLineDash([4, 3]);
  const x0 = first.x + Math.min(first.w, 6) / 2;
  const line = (x, y) => {
    const y0 = y < first.y ? first.y - 3 : first.y + BAR + 3;
    c.beginPath();
    c.moveTo(x0, y0);
    c.bezierCurveTo(x0, (y0 + y) / 2, x, (y0 + y) / 2, x, y);
    c.stroke();
  };
  for (const id of v.ops.slice(1)) {
    const b = byOp.get(id);
    if (b) line(b.x + Math.min(b.w, 6) / 2, b.y < first.y ? b.y + BAR + 3 : b.y - 3);
  }
  const lane = layout.lanes.find((l) => l.kind === 'log');
  if (lane) {
    const xs = column(log);
    log.kind.forEach((kind, i) => {
      if (kind === 'append' && v.offsets.includes(log.offset[i])) line(scale(xs[i]), lane.y + PAD + BAR);
    });
  }
  c.setLineDash([]);
}

// drawOverview draws the strip of the whole history.
function drawOverview() {
  const { c, w, h } = prepare(document.getElementById('overview'));
  const all = whole();
  const scale = scaleOf(w, -all * 0.01, all * 1.01);
  const top = 10;
  const bottom = h - 14;
  c.fillStyle = colours.panel;
  c.fillRect(GUTTER, 0, w - GUTTER - MARGIN, bottom);
  c.fillStyle = colours.fault;
  c.globalAlpha = 0.14;
  for (const f of faults) {
    const x = scale(at(f.start));
    c.fillRect(x, 0, Math.max(1, scale(at(f.end)) - x), bottom);
  }
  c.globalAlpha = 1;
  const bins = new Float64Array(Math.ceil(w / 2) + 1);
  const from = calls();
  for (const i of state.visible) bins[Math.floor(scale(from[i]) / 2)]++;
  const most = Math.max(1, bins.reduce((a, b) => Math.max(a, b), 0));
  c.fillStyle = colours.other;
  bins.forEach((n, k) => {
    const height = n / most * (bottom - top);
    if (n > 0) c.fillRect(k * 2, bottom - Math.max(1, height), 2, Math.max(1, height));
  });
  c.fillStyle = colours.bad;
  for (const i of blame.keys()) c.fillRect(scale(from[i]) - 1, bottom - 12, 2, 12);
  violations.forEach((v, n) => {
    const x = scale(at(v.to));
    c.globalAlpha = n === state.violation ? 1 : 0.55;
    c.fillRect(x - 1, 0, 2, bottom);
    c.beginPath();
    c.moveTo(x - 5, 0);
    c.lineTo(x + 5, 0);
    c.lineTo(x, 7);
    c.fill();
  });
  c.globalAlpha = 1;
  const x0 = Math.max(GUTTER, scale(state.from));
  const x1 = Math.min(w - MARGIN, scale(state.to));
  c.fillStyle = colours.focus;
  c.globalAlpha = 0.12;
  c.fillRect(x0, 0, x1 - x0, bottom);
  c.globalAlpha = 1;
  c.strokeStyle = colours.focus;
  c.lineWidth = 1.5;
  c.strokeRect(x0 + 0.75, 0.75, Math.max(3, x1 - x0) - 1.5, bottom - 1.5);
  c.fillStyle = colours.muted;
  c.fillText('all', 8, bottom / 2);
  for (const { v, label: text } of axisTicks(w, 0, all)) {
    const x = scale(v);
    const width = c.measureText(text).width;
    c.fillText(text, Math.min(x, w - width - 2), h - 6);
  }
}
