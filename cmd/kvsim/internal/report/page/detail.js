// What is known about the operation that is selected.
const detail = document.getElementById('detail');
let detailed; // what the card shows

function drawDetail() {
  const wanted = state.selected + '/' + state.violation;
  if (wanted === detailed) return;
  detailed = wanted;
  const i = state.selected;
  detail.classList.toggle('bad', blame.has(i));
  if (i === NONE) {
    detail.replaceChildren(element('p', 'No operation is selected.', 'muted'));
    return;
  }
  const title = element('h3', '');
  title.append(element('span', 'Operation ' + ops.id[i] + ' ', 'muted'), element('code', opText(i)));
  const facts = element('dl', '');
  const fact = (name, ...value) => {
    const div = element('div', '');
    const dd = element('dd', '');
    dd.append(...value);
    div.append(element('dt', name), dd);
    facts.append(div);
  };
  fact('client', clients[ops.client[i]] + ', process ' + ops.process[i]);
  fact('called', fmtTime(ops.callTime[i]) + ', event ' + ops.callSeq[i]);
  if (ops.returnSeq[i] === 0) fact('returned', 'never');
  else fact('returned', fmtTime(ops.returnTime[i]) + ', event ' + ops.returnSeq[i]);
  if (ops.returnSeq[i] !== 0) fact('took', fmtShort(ops.returnTime[i] - ops.callTime[i]));
  fact('outcome', ops.outcome[i]);
  if (ops.outcome[i] !== 'ok' && ops.result[i] && ops.returnSeq[i] !== 0) fact('error', ops.result[i]);
  if (ops.revision[i] !== NONE) fact('revision', String(ops.revision[i]));
  if (ops.position[i] !== NONE) fact('position', String(ops.position[i]));
  const active = faults.filter((f) => f.start.seq <= ends.seq[i] && f.end.seq >= ops.callSeq[i]);
  if (active.length > 0) fact('faults active', active.map((f) => f.text).join('; '));
  const guilty = blame.get(i) ?? [];
  if (guilty.length > 0) {
    fact('evidence of', ...guilty.flatMap((n) => {
      const link = element('a', 'violation ' + (n + 1) + ', ' + violations[n].check);
      link.href = '#violation-' + (n + 1);
      return [link, ' '];
    }));
  }
  detail.replaceChildren(title, facts);
}

function element(name, text, className = '') {
  const e = document.createElement(name);
  e.textContent = text;
  if (className) e.className = className;
  return e;
}
