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

// inSight calls use for each value of a line that is in sight, and for the one
// before, which reaches into it.
function inSight(line, values, use) {
  const xs = column(line);
  for (let i = Math.max(0, before(xs, state.from) - 1); i < xs.length; i++) {
    if (xs[i] > state.to) break;
    use(xs[i], values[i]);
  }
}

// drawSteps draws a line that keeps its value until the next.
function drawSteps(c, line, values, scale, y, until) {
  c.beginPath();
  let last;
  inSight(line, values, (x, v) => {
    if (last === undefined) c.moveTo(scale(x), y(v));
    else {
      c.lineTo(scale(x), y(last));
      c.lineTo(scale(x), y(v));
    }
    last = v;
  });
  if (last !== undefined && until !== undefined) c.lineTo(scale(until), y(last));
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
  const see = (_, v) => {
    low = Math.min(low, v);
    high = Math.max(high, v);
  };
  for (const t of shown) inSight(t, lag ? t.lag : t.value, see);
  if (!lag) inSight(logEnds, logEnds.value, see);
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
      drawSteps(c, logEnds, logEnds.value, scale, y, whole());
      c.globalAlpha = 1;
    }
    c.lineWidth = 1.5;
    for (const t of shown) {
      c.strokeStyle = lineColour(t.client);
      drawSteps(c, t, lag ? t.lag : t.value, scale, y);
      if (t.op.length < 2000 || state.to - state.from < whole() / 4) drawPoints(c, t, lag ? t.lag : t.value, scale, y);
    }
  });
}

// drawPoints marks the values that offending operations reported.
function drawPoints(c, t, values, scale, y) {
  const xs = column(t);
  c.fillStyle = colours.bad;
  t.op.forEach((i, k) => {
    if (!blame.get(i)?.includes(state.violation) || xs[k] < state.from || xs[k] > state.to) return;
    c.beginPath();
    c.arc(scale(xs[k]), y(values[k]), 4, 0, 2 * Math.PI);
    c.fill();
  });
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
