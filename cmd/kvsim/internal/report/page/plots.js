// The plots below the timeline: positions, latencies and rates, on its axis.

// yTicks draws lines and labels of a plot's own axis.
function yTicks(c, w, values) {
  for (const { y, label } of values) {
    c.fillStyle = colours.faint;
    c.fillRect(GUTTER, Math.round(y), w - GUTTER - MARGIN, 1);
    c.fillStyle = colours.muted;
    c.textAlign = 'right';
    c.fillText(label, GUTTER - 8, y);
    c.textAlign = 'left';
  }
}

function linear(low, high, h) {
  const top = 10;
  const bottom = h - 10;
  return (v) => bottom - (v - low) / Math.max(1, high - low) * (bottom - top);
}

// inSight returns the places of the values of a line that are in sight, and of
// one more on both sides, which reach into it.
function inSight(line) {
  const xs = column(line);
  const first = Math.max(0, before(xs, state.from) - 1);
  const last = Math.min(xs.length, before(xs, state.to) + 1);
  return { xs, first, last };
}

// range finds the least and the most of a line's values in sight. What reaches
// into sight from before counts with lead.
function range(line, values, lead, see) {
  const { xs, first, last } = inSight(line);
  for (let i = first; i < last; i++) {
    if (xs[i] <= state.to && (lead || xs[i] >= state.from)) see(values[i]);
  }
}

// drawLine draws a line that keeps each value until the next. What is known
// last reaches to the end if it lasts.
function drawLine(c, line, values, lasts, scale, y) {
  const { xs, first, last } = inSight(line);
  c.beginPath();
  for (let i = first; i < last; i++) {
    if (i === first) c.moveTo(scale(xs[i]), y(values[i]));
    else c.lineTo(scale(xs[i]), y(values[i - 1]));
    c.lineTo(scale(xs[i]), y(values[i]));
  }
  if (lasts && last > first) c.lineTo(scale(whole()), y(values[last - 1]));
  c.stroke();
}

// drawPositions draws the position of each client and the end of the log.
function drawPositions() {
  const { c, w, h } = prepare(document.getElementById('position'));
  const scale = scaleOf(w);
  const lag = state.positions === 'lag';
  const shown = tracks.filter((t) => state.clients.has(t.client));
  document.getElementById('position-title').textContent = lag ?
    'Lag: how many offsets each client is behind the end of the log' : 'Position of each client, and the end of the log (next offset)';
  let low = Infinity;
  let high = -Infinity;
  const see = (v) => {
    low = Math.min(low, v);
    high = Math.max(high, v);
  };
  for (const t of shown) range(t, lag ? t.lag : t.value, false, see);
  if (!lag) range(logEnds, logEnds.value, true, see);
  drawAxis(c, w, h, scale);
  if (high < low) {
    empty(c, w, h, 'no positions here');
    return;
  }
  if (lag) low = 0;
  const y = linear(low, high, h);
  const step = Math.max(1, niceStep(Math.max(1, high - low), 5));
  const ticks = [];
  for (let v = Math.ceil(low / step) * step; v <= high; v += step) ticks.push({ y: y(v), label: String(v) });
  yTicks(c, w, ticks);
  clipped(c, w, h, () => {
    if (!lag) {
      c.strokeStyle = colours.log;
      c.globalAlpha = 0.35;
      c.lineWidth = 5;
      drawLine(c, logEnds, logEnds.value, true, scale, y);
      c.globalAlpha = 1;
    }
    c.lineWidth = 1.5;
    for (const t of shown) {
      c.strokeStyle = lineColour(t.client);
      drawLine(c, t, lag ? t.lag : t.value, false, scale, y);
      drawPoints(c, t, lag ? t.lag : t.value, scale, y);
    }
  });
}

// drawPoints marks the values where there are few of them, and those that
// offending operations reported.
function drawPoints(c, t, values, scale, y) {
  const { xs, first, last } = inSight(t);
  const few = (last - first) * 12 < (state.to - state.from) * scale.per;
  for (let k = first; k < last; k++) {
    const guilty = blame.get(t.op[k])?.includes(state.violation);
    if (!guilty && !few) continue;
    c.fillStyle = guilty ? colours.bad : lineColour(t.client);
    c.beginPath();
    c.arc(scale(xs[k]), y(values[k]), guilty ? 4.5 : 2, 0, 2 * Math.PI);
    c.fill();
  }
}

function empty(c, w, h, text) {
  c.fillStyle = colours.muted;
  c.textAlign = 'center';
  c.fillText(text, (GUTTER + w) / 2, h / 2);
  c.textAlign = 'left';
}

// The highest latency that any operation has.
const slowest = (() => {
  let most = 1000;
  for (let i = 0; i < opCount; i++) if (ops.returnSeq[i] !== 0) most = Math.max(most, ops.returnTime[i] - ops.callTime[i]);
  return most;
})();

// drawLatency draws each operation that returned. Below a microsecond they lie
// on the line at the bottom.
function drawLatency() {
  const { c, w, h } = prepare(document.getElementById('latency'));
  const scale = scaleOf(w);
  const decades = Math.ceil(Math.log10(slowest / 1000));
  const bottom = h - 12;
  const y = (ns) => ns < 1000 ? bottom : bottom - 14 - Math.log10(ns / 1000) / decades * (bottom - 24);
  drawAxis(c, w, h, scale);
  const ticks = [{ y: bottom, label: '< 1 µs' }];
  const every = decades > 6 ? 2 : 1;
  for (let d = 0; d <= decades; d += every) ticks.push({ y: y(10 ** d * 1000), label: fmtShort(10 ** d * 1000) });
  yTicks(c, w, ticks);
  const xs = calls();
  clipped(c, w, h, () => {
    for (const i of state.visible) {
      if (ops.returnSeq[i] === 0 || xs[i] < state.from || xs[i] > state.to) continue;
      drawDot(c, i, scale(xs[i]), y(ops.returnTime[i] - ops.callTime[i]));
    }
  });
}

// drawDot draws an operation: a write is a disk, a read a square.
function drawDot(c, i, x, y) {
  const guilty = blame.get(i)?.includes(state.violation);
  c.fillStyle = c.strokeStyle = isUnknown(i) ? colours.unknown : colours[colourOf(i)];
  c.lineWidth = 1.25;
  c.globalAlpha = guilty || isUnknown(i) ? 1 : 0.7;
  c.beginPath();
  if (isUnknown(i)) {
    c.moveTo(x, y - 4);
    c.lineTo(x + 4, y + 3);
    c.lineTo(x - 4, y + 3);
    c.closePath();
    c.stroke();
  } else if (ops.outcome[i] === 'failed') {
    c.arc(x, y, 2.5, 0, 2 * Math.PI);
    c.stroke();
  } else if (READS.has(ops.kind[i])) {
    c.fillRect(x - 2, y - 2, 4, 4);
  } else {
    c.arc(x, y, 2.5, 0, 2 * Math.PI);
    c.fill();
  }
  c.globalAlpha = 1;
  if (guilty || i === state.selected) {
    c.strokeStyle = guilty ? colours.bad : colours.focus;
    c.lineWidth = 2;
    c.beginPath();
    c.arc(x, y, 6, 0, 2 * Math.PI);
    c.stroke();
  }
}

// drawRate draws how many operations returned in each piece of time.
function drawRate() {
  const { c, w, h } = prepare(document.getElementById('rate'));
  const scale = scaleOf(w);
  drawAxis(c, w, h, scale);
  if (state.axis !== 'time') {
    document.getElementById('rate-title').textContent = 'Operations returned';
    empty(c, w, h, 'a rate needs the axis of time');
    return;
  }
  const width = niceStep(state.to - state.from, (w - GUTTER) / 8);
  const first = Math.floor(state.from / width);
  const parts = ['write', 'read', 'other', 'failed', 'unknown'];
  const bins = Array.from({ length: Math.ceil(state.to / width) - first + 1 }, () => [0, 0, 0, 0, 0]);
  for (const i of state.visible) {
    const bin = bins[Math.floor(ops.returnTime[i] / width) - first];
    if (!bin || ops.returnSeq[i] === 0) continue;
    const part = isUnknown(i) ? 4 : ops.outcome[i] === 'failed' ? 3 : parts.indexOf(colourOf(i));
    bin[part]++;
  }
  const most = bins.reduce((m, b) => Math.max(m, b.reduce((x, n) => x + n, 0)), 1);
  const per = 1e9 / width;
  document.getElementById('rate-title').textContent = 'Operations returned a second, in pieces of ' + fmtShort(width);
  const y = linear(0, most, h);
  const step = niceStep(most * per, 4);
  const ticks = [];
  for (let v = 0; v <= most * per; v += step) ticks.push({ y: y(v / per), label: String(Number(v.toPrecision(6))) });
  yTicks(c, w, ticks);
  clipped(c, w, h, () => {
    bins.forEach((bin, n) => {
      let sum = 0;
      const x = scale((first + n) * width);
      const wide = Math.max(1, scale.per * width - 1);
      bin.forEach((value, part) => {
        if (value === 0) return;
        const top = y(sum + value);
        const height = y(sum) - top;
        c.fillStyle = colours[parts[part]] ?? colours.line;
        c.fillRect(x, top, wide, height);
        sum += value;
      });
    });
  });
}
