// The state of the page: what is shown, what is selected, what is filtered.
const state = {
  axis: 'time', // or 'order'
  from: 0, to: 1, // what is shown, in units of the axis
  positions: 'offset', // or 'lag'
  clients: new Set(clients.keys()),
  key: '', outcome: '', offending: false,
  busy: clients.length + lanes.length > 8, // hide lanes with nothing in sight
  selected: NONE, // an operation's index
  violation: violations.length > 0 ? 0 : NONE,
  hover: NONE,
  visible: [], // the indexes of the operations that pass the filters
  wanted: null, // the keys that pass the filter, null for all
};

const listeners = [];
let scheduled = false;

// changed says that something has to be drawn anew.
function changed() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    for (const listener of listeners) listener();
  });
}

// at places a point on the axis.
function at(point) {
  return state.axis === 'time' ? point.time : point.seq;
}

// column chooses the column of a table that the axis shows.
function column(table) {
  return state.axis === 'time' ? table.time : table.seq;
}

function calls() {
  return state.axis === 'time' ? ops.callTime : ops.callSeq;
}

function whole() {
  return Math.max(1, state.axis === 'time' ? data.end.time : data.end.seq + 1);
}

// show sets what is shown of the axis.
function show(from, to) {
  const all = whole();
  const least = Math.min(all, state.axis === 'time' ? 1000 : 4);
  const margin = all * 0.02;
  let span = Math.min(Math.max(to - from, least), all + 2 * margin);
  const mid = (from + to) / 2;
  from = mid - span / 2;
  from = Math.max(-margin, Math.min(from, all + margin - span));
  state.from = from;
  state.to = from + span;
  if (state.busy) relayout();
  changed();
}

function showAll() {
  show(-whole() * 0.02, whole() * 1.02);
}

function zoom(factor, around = (state.from + state.to) / 2) {
  show(around - (around - state.from) * factor, around + (state.to - around) * factor);
}

function pan(part) {
  const by = (state.to - state.from) * part;
  show(state.from + by, state.to + by);
}

function setAxis(axis) {
  if (axis === state.axis) return;
  // The middle of what is shown stays there.
  const pairs = [calls().slice(), null];
  const mid = (state.from + state.to) / 2;
  const part = (state.to - state.from) / whole();
  const i = Math.max(0, before(pairs[0], mid) - 1);
  state.axis = axis;
  const next = opCount > 0 ? calls()[i] : 0;
  const span = part > 0.9 ? whole() * 1.04 : axis === 'order' ? 160 : Math.max(part * whole(), 1e6);
  if (state.violation !== NONE && part <= 0.9) showViolation(); else show(next - span / 2, next + span / 2);
}

// showViolation shows the time of the violation that is chosen.
function showViolation() {
  const v = violations[state.violation];
  let from = at(v.from);
  let to = at(v.to);
  for (const id of v.ops) {
    const i = opOf.get(id);
    if (i === undefined) continue;
    from = Math.min(from, calls()[i]);
    if (ops.returnSeq[i] !== 0) to = Math.max(to, column(ends)[i]);
  }
  const span = Math.max(to - from, state.axis === 'time' ? whole() / 1500 : 30);
  const mid = (from + to) / 2;
  show(mid - span * 0.75, mid + span * 0.75);
}

// filter finds the operations that pass the filters.
function filter() {
  const text = state.key;
  state.wanted = null;
  if (text !== '') {
    const exact = keys.indexOf(text);
    const found = exact >= 0 ? [exact] : keys.map((_, k) => k).filter((k) => keys[k].includes(text));
    state.wanted = new Set(found);
  }
  state.visible = [];
  for (let i = 0; i < opCount; i++) {
    if (!state.clients.has(ops.client[i])) continue;
    if (state.wanted && !touches(i, state.wanted)) continue;
    if (state.offending && !blame.has(i)) continue;
    if (state.outcome === 'unknown' ? !isUnknown(i) : state.outcome !== '' && ops.outcome[i] !== state.outcome) continue;
    state.visible.push(i);
  }
  relayout();
  sizeTable();
  changed();
}

// place returns where an operation stands among those shown.
function place(i) {
  const n = before(state.visible, i) - 1;
  return n >= 0 && state.visible[n] === i ? n : NONE;
}

// select selects an operation and, if need be, moves to it.
function select(i, move = true) {
  state.selected = i;
  if (i !== NONE && move) {
    const x = calls()[i];
    if (x < state.from || x > state.to) {
      const half = (state.to - state.from) / 2;
      show(x - half, x + half);
    }
    scrollToLane(ops.client[i]);
    scrollToRow(i);
  }
  changed();
}

// chooseViolation makes a violation the one that is marked.
function chooseViolation(n, { scroll = false } = {}) {
  if (n < 0 || n >= violations.length) return;
  state.violation = n;
  relayout();
  const first = opOf.get(violations[n].ops[0]);
  showViolation();
  if (first !== undefined) select(first);
  const card = document.getElementById('violation-' + (n + 1));
  card.open = true;
  if (scroll) card.scrollIntoView({ block: 'nearest' });
  changed();
}
