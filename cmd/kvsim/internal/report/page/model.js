// The model: what the page's data says, and what follows from it. model.go has
// the meaning of the columns.
const NONE = -1;
const data = JSON.parse(document.getElementById('data').textContent);

// filled returns columns in which an empty one is an empty array.
function filled(columns) {
  for (const name in columns) columns[name] ??= [];
  return columns;
}

const ops = filled(data.ops);
const log = filled(data.log);
const hooks = filled(data.hooks);
const snapshots = filled(data.snapshots);
const clients = data.clients ?? [];
const keys = data.keys ?? [];
const faults = data.faults ?? [];
const lanes = data.lanes ?? [];
const violations = data.violations ?? [];
const opCount = ops.id.length;

// opOf finds an operation by its id.
const opOf = new Map(ops.id.map((id, i) => [id, i]));

// blame has the violations that name an operation, by its index.
const blame = new Map();
violations.forEach((v, n) => {
  for (const id of v.ops) {
    const i = opOf.get(id);
    if (i === undefined) continue;
    if (!blame.has(i)) blame.set(i, []);
    if (!blame.get(i).includes(n)) blame.get(i).push(n);
  }
});

const WRITES = new Set(['put', 'delete', 'batch']);
const READS = new Set(['get', 'range']);

// colourOf names the colour of an operation.
function colourOf(i) {
  const kind = ops.kind[i];
  return WRITES.has(kind) ? 'write' : READS.has(kind) ? 'read' : 'other';
}

function isUnknown(i) {
  return ops.outcome[i] === 'unknown' || ops.outcome[i] === 'pending';
}

// ends has the event and the time until which an operation takes room in its
// lane. One that never returned takes it until its process is followed by the
// next one, or to the end.
const ends = (() => {
  const seq = ops.returnSeq.slice();
  const time = ops.returnTime.slice();
  const next = new Map(); // the first event of the process after this one, by client
  for (let i = opCount - 1; i >= 0; i--) {
    const c = ops.client[i];
    const known = next.get(c) ?? { process: ops.process[i], after: null, first: null };
    if (known.process !== ops.process[i]) {
      known.after = known.first;
      known.process = ops.process[i];
    }
    if (seq[i] === 0) {
      seq[i] = known.after ? known.after.seq : data.end.seq;
      time[i] = known.after ? known.after.time : data.end.time;
    }
    known.first = { seq: ops.callSeq[i], time: ops.callTime[i] };
    next.set(c, known);
  }
  return { seq, time };
})();

// touches reports whether an operation concerns one of the keys.
function touches(i, wanted) {
  const list = ops.keys[i];
  if (list) return list.some((k) => wanted.has(k));
  const low = ops.low[i];
  const high = ops.high[i];
  if (low === NONE) return false;
  if (high - low === 1) return wanted.has(low);
  for (const k of wanted) if (low <= k && k < high) return true;
  return false;
}

// logEnds has the end of the log as it moves: the offset behind the last record.
const logEnds = (() => {
  const line = { seq: [], time: [], value: [] };
  let end = NONE;
  for (let i = 0; i < log.seq.length; i++) {
    let to;
    switch (log.kind[i]) {
      case 'append': to = log.offset[i] + 1; break;
      case 'truncate': case 'recreate': to = log.offset[i]; break;
      case 'end': to = Math.max(end, log.offset[i]); break;
      default: continue;
    }
    if (to === end) continue;
    end = to;
    line.seq.push(log.seq[i]);
    line.time.push(log.time[i]);
    line.value.push(end);
  }
  return line;
})();

// before returns how many of the ascending values are at most the limit.
function before(values, limit) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (values[mid] <= limit) low = mid + 1; else high = mid;
  }
  return low;
}

// tracks has the positions that each process of each client reported.
const tracks = (() => {
  const found = new Map();
  const order = [];
  for (let i = 0; i < opCount; i++) {
    if (ops.position[i] !== NONE && ops.returnSeq[i] !== 0) order.push(i);
  }
  order.sort((a, b) => ops.returnSeq[a] - ops.returnSeq[b]);
  for (const i of order) {
    const name = ops.client[i] + '/' + ops.process[i];
    if (!found.has(name)) found.set(name, { client: ops.client[i], op: [], seq: [], time: [], value: [], lag: [] });
    const t = found.get(name);
    const n = before(logEnds.seq, ops.returnSeq[i]);
    t.op.push(i);
    t.seq.push(ops.returnSeq[i]);
    t.time.push(ops.returnTime[i]);
    t.value.push(ops.position[i]);
    t.lag.push(n > 0 ? Math.max(0, logEnds.value[n - 1] - ops.position[i]) : 0);
  }
  return [...found.values()];
})();

// fmtTime prints nanoseconds, exactly.
function fmtTime(ns) {
  if (ns === 0) return '0 s';
  const [unit, name] = ns >= 1e9 ? [1e9, 's'] : ns >= 1e6 ? [1e6, 'ms'] : ns >= 1e3 ? [1e3, 'µs'] : [1, 'ns'];
  return String(ns / unit) + ' ' + name;
}

// fmtShort prints nanoseconds with four digits.
function fmtShort(ns) {
  if (ns === 0) return '0';
  const [unit, name] = ns >= 1e9 ? [1e9, 's'] : ns >= 1e6 ? [1e6, 'ms'] : ns >= 1e3 ? [1e3, 'µs'] : [1, 'ns'];
  return String(Number((ns / unit).toPrecision(4))) + ' ' + name;
}

// opText is an operation with its result.
function opText(i) {
  const result = ops.result[i];
  if (ops.outcome[i] === 'ok') return ops.call[i] + (result ? ' = ' + result : '');
  return ops.call[i] + ' ' + ops.outcome[i];
}
