// Drawing on canvases: sizes, colours, the axis that all of them share.
const GUTTER = 104; // room for names, on the left
const MARGIN = 14; // on the right
const FONT = '11px ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace';
const BOLD = 'bold ' + FONT;

const NAMES = ['bg', 'panel', 'fg', 'muted', 'line', 'faint', 'write', 'read', 'other', 'unknown', 'bad', 'fault', 'log', 'focus', 'select',
  'line1', 'line2', 'line3', 'line4', 'line5', 'line6', 'line7', 'line8'];
let colours = {};

// readColours takes the colours of the page, which depend on the browser's
// light or dark mode.
function readColours() {
  const style = getComputedStyle(document.documentElement);
  colours = Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue('--' + name).trim()]));
}

function lineColour(client) {
  return colours['line' + (client % 8 + 1)];
}

// prepare returns the context of an empty canvas, with its size in CSS pixels.
function prepare(canvas) {
  const w = canvas.clientWidth;
  const h = canvas.clientHeight;
  const ratio = window.devicePixelRatio || 1;
  const width = Math.round(w * ratio);
  const height = Math.round(h * ratio);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const c = canvas.getContext('2d');
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  c.clearRect(0, 0, w, h);
  c.font = FONT;
  c.textBaseline = 'middle';
  c.textAlign = 'left';
  c.globalAlpha = 1;
  return { c, w, h };
}

// scaleOf returns what places a value of the axis on a canvas.
function scaleOf(w, from = state.from, to = state.to) {
  const per = (w - GUTTER - MARGIN) / (to - from);
  const scale = (v) => GUTTER + (v - from) * per;
  scale.back = (x) => from + (x - GUTTER) / per;
  scale.per = per;
  return scale;
}

// niceStep returns a step of 1, 2 or 5 times a power of ten.
function niceStep(span, most) {
  const raw = span / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(raw));
  for (const m of [1, 2, 5]) if (m * power >= raw) return m * power;
  return 10 * power;
}

// axisTicks returns values of the axis with their labels.
function axisTicks(w, from = state.from, to = state.to) {
  let step = niceStep(to - from, (w - GUTTER) / 110);
  if (state.axis === 'order') step = Math.max(1, step);
  const ticks = [];
  const [unit, name] = to >= 1e9 ? [1e9, 's'] : to >= 1e6 ? [1e6, 'ms'] : [1e3, 'µs'];
  const digits = Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9));
  for (let v = Math.max(0, Math.ceil(from / step) * step); v <= to; v += step) {
    ticks.push({ v, label: state.axis === 'order' ? '#' + Math.round(v) : (v / unit).toFixed(digits) + ' ' + name });
  }
  return ticks;
}

// drawAxis draws lines at the ticks, and their labels if there is a place.
function drawAxis(c, w, h, scale, labelY) {
  c.strokeStyle = colours.faint;
  c.fillStyle = colours.muted;
  c.lineWidth = 1;
  for (const { v, label } of axisTicks(w)) {
    const x = Math.round(scale(v)) + 0.5;
    if (x < GUTTER) continue;
    c.beginPath();
    c.moveTo(x, 0);
    c.lineTo(x, h);
    c.stroke();
    if (labelY !== undefined && x + 3 + c.measureText(label).width < w) c.fillText(label, x + 3, labelY);
  }
}

// clipped draws inside of the area right of the names.
function clipped(c, w, h, draw, top = 0) {
  c.save();
  c.beginPath();
  c.rect(GUTTER, top, w - GUTTER - MARGIN, h - top);
  c.clip();
  draw();
  c.restore();
}

// fit shortens a text to a width.
function fit(c, text, width) {
  if (width < 20) return '';
  if (c.measureText(text).width <= width) return text;
  const each = c.measureText('m').width;
  const n = Math.floor(width / each) - 1;
  return n < 3 ? '' : text.slice(0, n) + '…';
}

// hatch fills a rectangle with lines.
function hatch(c, x, y, w, h, colour) {
  c.save();
  c.beginPath();
  c.rect(x, y, w, h);
  c.clip();
  c.strokeStyle = colour;
  c.lineWidth = 1.5;
  c.beginPath();
  for (let d = -h; d < w; d += 5) {
    c.moveTo(x + d, y + h);
    c.lineTo(x + d + h, y);
  }
  c.stroke();
  c.restore();
  c.strokeStyle = colour;
  c.lineWidth = 1;
  c.strokeRect(x + 0.5, y + 0.5, Math.max(1, w - 1), h - 1);
}
