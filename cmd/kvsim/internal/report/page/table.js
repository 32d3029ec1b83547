// The list of operations. Only the rows in sight are in the page.
const ROW = 24;
const table = document.getElementById('table');
const space = document.getElementById('table-space');
const COLUMNS = [
  { name: 'op', class: 'id', text: (i) => '#' + ops.id[i] },
  { name: 'call at', class: 'num', text: (i) => fmtShort(ops.callTime[i]) },
  { name: 'took', class: 'num', text: (i) => ops.returnSeq[i] === 0 ? '' : fmtShort(ops.returnTime[i] - ops.callTime[i]) },
  { name: 'client', text: (i) => clients[ops.client[i]] + (ops.process[i] > 1 ? ' / ' + ops.process[i] : '') },
  { name: 'operation', text: (i) => ops.call[i] },
  { name: 'result', text: (i) => ops.result[i] },
  { name: 'outcome', text: (i) => ops.outcome[i], state: true },
  { name: 'revision', class: 'num', text: (i) => ops.revision[i] === NONE ? '' : String(ops.revision[i]) },
  { name: 'position', class: 'num', text: (i) => ops.position[i] === NONE ? '' : String(ops.position[i]) },
];

function makeHead() {
  const head = document.getElementById('table-head');
  for (const col of COLUMNS) {
    const cell = document.createElement('span');
    cell.setAttribute('role', 'columnheader');
    cell.textContent = col.name;
    cell.className = col.class ?? '';
    head.append(cell);
  }
}

// sizeTable makes room for all rows.
function sizeTable() {
  space.style.height = state.visible.length * ROW + 'px';
}

// drawTable puts the rows in sight into the page.
function drawTable() {
  const total = state.visible.length;
  table.setAttribute('aria-rowcount', String(total + 1));
  const first = Math.max(0, Math.floor(table.scrollTop / ROW) - 4);
  const last = Math.min(total, Math.ceil((table.scrollTop + table.clientHeight) / ROW) + 4);
  const rows = [];
  for (let n = first; n < last; n++) rows.push(makeRow(n, state.visible[n]));
  space.replaceChildren(...rows);
  const current = space.querySelector('.selected');
  if (current) table.setAttribute('aria-activedescendant', current.id);
  else table.removeAttribute('aria-activedescendant');
}

function makeRow(n, i) {
  const row = document.createElement('div');
  row.setAttribute('role', 'row');
  row.setAttribute('aria-rowindex', String(n + 2));
  row.setAttribute('aria-selected', String(i === state.selected));
  row.id = 'row-' + ops.id[i];
  row.dataset.op = ops.id[i];
  row.className = 'row' + (blame.has(i) ? ' bad' : '') + (i === state.selected ? ' selected' : '');
  row.style.top = n * ROW + 'px';
  for (const col of COLUMNS) {
    const cell = document.createElement('span');
    cell.setAttribute('role', 'gridcell');
    const text = col.text(i);
    cell.textContent = text;
    if (text.length > 24) cell.title = text;
    cell.className = (col.class ?? '') + (col.state ? ' ' + ops.outcome[i] : '');
    row.append(cell);
  }
  return row;
}

// scrollToRow brings the row of an operation into sight.
function scrollToRow(i) {
  const n = place(i);
  if (n === NONE) return;
  const top = n * ROW;
  const height = table.clientHeight - 2 * ROW;
  if (top < table.scrollTop || top > table.scrollTop + height) table.scrollTop = Math.max(0, top - height / 2);
}

// step selects the operation that is n rows further among those shown.
function step(n) {
  const total = state.visible.length;
  if (total === 0) return;
  let now = place(state.selected);
  if (now === NONE) {
    // Begin with what is in sight.
    now = state.visible.findIndex((i) => calls()[i] >= state.from);
    now = now < 0 ? total - 1 : now - (n > 0 ? 1 : 0);
  }
  select(state.visible[Math.min(Math.max(now + n, 0), total - 1)]);
}
