"use strict";
// The page: what is drawn and pressed changes `state`; each change draws everything again.

const data = JSON.parse(document.getElementById("model").textContent);
const vae = new Model(data); // also for the browser's console: vae.encode(vae.image)
const posterior = new Posterior(vae);
const [height, width] = data.image_shape;
const [low, high] = data.range;
const isWhole = "Categorical" in data.spec.likelihood;
const two = vae.latents === 2;
const element = (id) => document.getElementById(id);
const shown = (number, digits = 1) =>
  (Math.abs(number) < 1e5 ? number.toFixed(digits) : number.toExponential(1)).replace("-", "−");
const rowsOf = (packed) => {
  const all = floats(packed.data), columns = packed.shape[1];
  return Array.from({ length: packed.shape[0] }, (_, i) => all.slice(i * columns, (i + 1) * columns));
};

const examples = data.images ? rowsOf(data.images) : [];
const codes = data.codes ? rowsOf(data.codes) : [];
const distances = codes.map((z) => Math.max(...z.map(Math.abs))).sort((a, b) => a - b);
const nearlyAll = distances[Math.floor(0.97 * distances.length)] ?? 0;
const REACH = Math.min(Math.max(3.3, 1.1 * nearlyAll), EXTENT); // the plane that is shown
const DRAWS = 64; // for the mean of the ELBO: pairs of eps and -eps
const EPS = Array.from({ length: DRAWS / 2 }, () => Array.from({ length: vae.latents }, normal))
  .flatMap((eps) => [eps, eps.map((e) => -e)]);

const state = { x: null, q: null, z: null, target: null, grid: null, isFine: false, show: "mean", sample: null };

// Drawing an image: as the digits were made, a pixel is the part of 4x4 points that ink covers.

const POINTS = 4, BRUSH = 0.35 + 0.034 * Math.max(height, width);
const ink = { base: new Float64Array(height * width), points: new Uint8Array(16 * height * width) };
const cursor = { row: height >> 1, column: width >> 1 };
let nextExample = 0;

function paint(row, column, isErasing) {
  const reach = Math.ceil(BRUSH) + 1, columns = width * POINTS;
  for (let r = Math.max(0, Math.floor(row) - reach); r <= Math.min(height - 1, row + reach); r++)
    for (let c = Math.max(0, Math.floor(column) - reach); c <= Math.min(width - 1, column + reach); c++)
      for (let k = 0; k < POINTS * POINTS; k++) {
        const i = r * POINTS + (k >> 2), j = c * POINTS + (k & 3);
        const distance = Math.hypot((i + 0.5) / POINTS - row, (j + 0.5) / POINTS - column);
        if (distance > BRUSH) continue;
        ink.points[i * columns + j] = isErasing ? 0 : 1;
        if (isErasing) ink.base[r * width + c] = 0;
      }
}

// The image that the ink makes, in the units of the data.
function drawnImage() {
  const columns = width * POINTS;
  return ink.base.map((base, pixel) => {
    const row = Math.floor(pixel / width) * POINTS, column = (pixel % width) * POINTS;
    let covered = 0;
    for (let k = 0; k < 16; k++) covered += ink.points[(row + (k >> 2)) * columns + column + (k & 3)];
    const value = low + Math.max(base, covered / 16) * (high - low);
    return isWhole ? Math.round(value) : value;
  });
}

function load(image) {
  ink.points.fill(0);
  ink.base.set(image.map((v) => (v - low) / (high - low)));
  setImage(drawnImage());
}

// What changes.

function setImage(x) {
  Object.assign(state, { x, q: vae.encode(x) });
  vae.image = x;
  state.grid = posterior.isReady ? posterior.rough(x) : null;
  state.isFine = false;
  if (posterior.isReady) later(() => posterior.refine(x, state.q), (grid) => {
    Object.assign(state, { grid, isFine: true });
    draw();
  });
  glide(state.q.mu);
}

function setCode(z) {
  state.z = Array.from(z, (v) => Math.min(Math.max(v, -EXTENT), EXTENT));
  Object.assign(state, { target: null, sample: null });
  draw();
}

// Move z to a code in small steps, so that the eye can follow.
function glide(target) {
  const isStill = !state.z || matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (isStill) return setCode(target);
  const isGliding = state.target !== null;
  state.target = target;
  if (!isGliding) requestAnimationFrame(step);
  draw();

  function step() {
    const { target, z } = state;
    if (target === null) return; // the reader has taken z
    const rest = Math.hypot(...z.map((v, k) => target[k] - v));
    if (rest < 0.01) return setCode(target);
    setCode(z.map((v, k) => v + 0.22 * (target[k] - v)));
    state.target = target;
    requestAnimationFrame(step);
  }
}

// Long work is a generator: a few milliseconds of it at a time.
let work = null, timer = 0;

function later(start, done) {
  work = null;
  clearTimeout(timer);
  timer = setTimeout(() => run(start(), done), 120);
}

function run(generator, done, progress = () => {}) {
  work = generator;
  const step = () => {
    const end = performance.now() + 10;
    while (work === generator && performance.now() < end) {
      const { done: isDone, value } = generator.next();
      if (isDone) { work = null; return done(value); }
      progress(value);
    }
    if (work === generator) setTimeout(step);
  };
  step();
}

// Pictures.

// A function that keeps its last result, for the same arguments.
function remember(make) {
  let last = [], result;
  return (...given) => {
    if (given.length !== last.length || given.some((value, i) => value !== last[i])) {
      last = given;
      result = make(...given);
    }
    return result;
  };
}

const evidenceOf = remember((grid) => grid?.evidence());
const massOf = remember((grid) => grid.mass());
const meanElbo = remember((x, q) => vae.elbo(x, q, EPS));

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const channels = (color) => [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));

// A canvas at the screen's resolution, and its size in CSS pixels.
function surface(id) {
  const canvas = element(id), size = canvas.clientWidth, scale = window.devicePixelRatio || 1;
  const pixels = Math.round(size * scale);
  if (canvas.width !== pixels) canvas.width = canvas.height = pixels;
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, size, size);
  return { context, size };
}

// An array of numbers in [0, 1] as a picture: from one color to another, or to transparent.
function picture(values, rows, columns, from, to) {
  const canvas = new OffscreenCanvas(columns, rows), context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const start = from && channels(from), end = channels(to);
  values.forEach((value, i) => {
    const v = Math.min(Math.max(value, 0), 1);
    for (let k = 0; k < 3; k++) image.data[4 * i + k] = start ? start[k] + v * (end[k] - start[k]) : end[k];
    image.data[4 * i + 3] = start ? 255 : 255 * v;
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

function inkPicture(x, bottom = low, top = high) {
  const values = Array.from(x, (v) => (v - bottom) / (top - bottom || 1));
  return picture(values, height, width, css("--paper"), css("--ink"));
}

// Draw a picture of any shape into a square.
function place(context, image, size, left = 0, top = 0, isSmooth = false) {
  const scale = size / Math.max(height, width), w = width * scale, h = height * scale;
  context.imageSmoothingEnabled = isSmooth;
  context.drawImage(image, left + (size - w) / 2, top + (size - h) / 2, w, h);
}

function drawImage() {
  const { context, size } = surface("image"), unit = size / Math.max(height, width);
  place(context, inkPicture(state.x), size);
  if (!element("image").matches(":focus-visible")) return; // the keyboard's cursor
  context.strokeStyle = css("--z");
  context.lineWidth = 2;
  const left = (size - width * unit) / 2, top = (size - height * unit) / 2;
  context.strokeRect(left + cursor.column * unit, top + cursor.row * unit, unit, unit);
}

function drawDecoded(p) {
  const { context, size } = surface("decoded"), { likelihood } = vae;
  if (state.show === "sigma") {
    const sigma = likelihood.sigma(p), top = sigma.reduce((a, b) => Math.max(a, b));
    const bottom = sigma.reduce((a, b) => Math.min(a, b));
    place(context, inkPicture(sigma, 0, Math.max(top, 1e-12)), size);
    element("decoded-note").textContent = bottom === top
      ? `Sigma is ${shown(top, 3)} for each pixel.`
      : `Sigma from ${shown(bottom, 3)} to ${shown(top, 3)} (black: the largest).`;
    return;
  }
  if (state.show === "sample") state.sample ??= likelihood.sample(p);
  place(context, inkPicture(state.show === "sample" ? state.sample : likelihood.mean(p)), size);
  element("decoded-note").textContent = state.show === "sample"
    ? "x drawn from p(x|z), pixel by pixel: the noise is part of the model. Press again for another one."
    : "E[x|z], the mean of p(x|z).";
}

// Pictures of a lattice of codes.
const latticePicture = remember((theme) => {
  const cells = 12, cell = 64, gap = 10, canvas = new OffscreenCanvas(cells * cell, cells * cell);
  const at = (k) => REACH * ((2 * k + 1) / cells - 1), context = canvas.getContext("2d");
  for (let row = 0; row < (two ? cells : 1); row++) {
    const line = Array.from({ length: cells }, (_, k) => (two ? [at(k), -at(row)] : [at(k)]));
    vae.decode(line).forEach((p, k) =>
      place(context, inkPicture(vae.likelihood.mean(p)), cell - gap, k * cell + gap / 2,
        (two ? row : cells - 1) * cell + gap / 2, true));
  }
  return canvas;
});

const COLORS = ["#1f77b4", "#e0701a", "#2a9a3a", "#d33b3b", "#8a5fc0", "#9a6a55", "#d95fb0", "#7d7d7d", "#a3a31a", "#12a5b8"];
const LABELS = data.labels ? [...new Set(data.labels)].sort() : [];
const colorOf = (i) => (LABELS.length ? COLORS[LABELS.indexOf(data.labels[i]) % COLORS.length] : css("--muted"));

function drawCodes(context, position) {
  context.globalAlpha = 0.75;
  codes.forEach((z, i) => {
    context.fillStyle = colorOf(i);
    context.beginPath();
    context.arc(...position(z), 2.2, 0, 7);
    context.fill();
  });
  context.globalAlpha = 1;
  if (LABELS.length <= 20) LABELS.forEach((label) => drawLabel(context, position, label));
}

// A class's name at the median of its codes.
function drawLabel(context, position, label) {
  const own = codes.filter((_, i) => data.labels[i] === label);
  const median = own[0].map((_, k) => own.map((z) => z[k]).sort((a, b) => a - b)[own.length >> 1]);
  const [x, y] = position(median);
  context.font = "600 13px system-ui, sans-serif";
  const reach = Math.max(11, context.measureText(label).width / 2 + 6);
  context.beginPath();
  context.roundRect(x - reach, y - 11, 2 * reach, 22, 11);
  context.fillStyle = css("--paper");
  context.strokeStyle = COLORS[LABELS.indexOf(label) % COLORS.length];
  context.lineWidth = 2;
  context.fill();
  context.stroke();
  context.fillStyle = css("--ink");
  context.textAlign = "center";
  context.fillText(label, x, y + 4.5);
}

// A view maps codes to positions in a square of `size`; box has a [low, high] per latent.
function viewOf(box, size) {
  const [[left, right], [bottom, top] = [0, 1]] = box;
  return (z) => [
    (size * (z[0] - left)) / (right - left),
    two ? (size * (top - z[1])) / (top - bottom) : 0.6 * size,
  ];
}

const densityPicture = remember((grid, color) => {
  const { n } = grid, turned = new Float64Array(n * n); // from (z1, z2) to rows from the top
  const density = grid.density(), top = density.reduce((a, b) => Math.max(a, b));
  density.forEach((v, i) => (turned[(n - 1 - (i % n)) * n + Math.floor(i / n)] = v / top));
  return picture(turned, n, n, null, color);
});

function drawPosterior(context, position) {
  const { grid } = state;
  if (!grid) return;
  const { n, axes: [first, second] } = grid;
  if (!two) {
    const density = grid.density(), top = density.reduce((a, b) => Math.max(a, b));
    return curve(context, position, first, density.map((v) => v / top), css("--exact"));
  }
  const half = (first[1] - first[0]) / 2, halfUp = (second[1] - second[0]) / 2;
  const [left, above] = position([first[0] - half, second[n - 1] + halfUp]);
  const [right, below] = position([first[n - 1] + half, second[0] - halfUp]);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(densityPicture(grid, css("--exact")), left, above, right - left, below - above);
}

function curve(context, position, axis, heights, color, dash = []) {
  context.strokeStyle = color;
  context.lineWidth = 2.5;
  context.setLineDash(dash);
  context.beginPath();
  heights.forEach((h, i) => {
    const [x, y] = position([axis[i]]);
    context.lineTo(x, y * (1 - 0.85 * h));
  });
  context.stroke();
  context.setLineDash([]);
}

const RADIUS = Math.sqrt(-2 * Math.log(0.05)); // of a circle with 95 % of N(0, I)

function drawQ(context, position) {
  const { mu, logsigma } = state.q, sigma = logsigma.map(Math.exp);
  if (!two) {
    const axis = Array.from({ length: 201 }, (_, i) => mu[0] + sigma[0] * (i - 100) / 25);
    const heights = axis.map((z) => Math.exp(-(((z - mu[0]) / sigma[0]) ** 2) / 2));
    return curve(context, position, axis, heights, css("--q"), [6, 4]);
  }
  const [x, y] = position(mu), [right, up] = position([mu[0] + RADIUS * sigma[0], mu[1] + RADIUS * sigma[1]]);
  context.strokeStyle = css("--q");
  context.lineWidth = 2.5;
  context.setLineDash([6, 4]);
  context.beginPath();
  context.ellipse(x, y, right - x, y - up, 0, 0, 7);
  context.stroke();
  context.setLineDash([]);
}

function drawZ(context, position) {
  const [x, y] = position(state.z);
  for (const [color, line] of [[css("--paper"), 7], [css("--z"), 3.5]]) {
    context.strokeStyle = color;
    context.lineWidth = line;
    context.beginPath();
    context.arc(x, y, 9, 0, 7);
    context.stroke();
  }
}

function drawTicks(context, box, size, position) {
  const step = roundUp((box[0][1] - box[0][0]) / Math.min(8, size / 60)); // a label needs 60 px
  context.fillStyle = css("--muted");
  context.font = "12px system-ui, sans-serif";
  box.forEach(([from, to], k) => {
    const isAcross = k === 0, end = size - (isAcross ? 45 : 28); // at the right is the axis's name
    const places = Math.max(0, Math.ceil(-Math.log10(step)));
    context.textAlign = isAcross ? "center" : "left";
    for (let i = Math.ceil(from / step); i * step <= to; i++) {
      const tick = i * step;
      const middle = box.map(([a, b]) => (a + b) / 2);
      middle[k] = tick;
      const [x, y] = position(middle), along = isAcross ? x : y;
      if (along > 28 && along < end)
        context.fillText(shown(tick, places), isAcross ? x : 5, isAcross ? size - 6 : y + 4);
    }
  });
  context.textAlign = "right";
  context.fillText("z1", size - 5, size - 6);
  context.textAlign = "left";
  if (two) context.fillText("z2", 5, 15);
}

const planeBox = Array.from({ length: vae.latents }, () => [-REACH, REACH]);

// What does not change with x and z; the theme is in the arguments because it changes the colors.
const background = remember((size, scale, hasPictures, hasCodes, theme) => {
  const canvas = new OffscreenCanvas(size * scale, size * scale), context = canvas.getContext("2d");
  context.scale(scale, scale);
  if (hasPictures) {
    context.globalAlpha = two && hasCodes ? 0.4 : 0.7;
    context.drawImage(latticePicture(theme), 0, 0, size, size);
    context.globalAlpha = 1;
  }
  if (hasCodes) drawCodes(context, viewOf(planeBox, size));
  return canvas;
});

function drawPlane() {
  const { context, size } = surface("plane"), position = viewOf(planeBox, size);
  const isOn = (id) => element(id).checked, scale = window.devicePixelRatio || 1;
  const hasCodes = isOn("codes") && codes.length > 0;
  const image = background(size, scale, isOn("pictures"), hasCodes, css("--ink"));
  context.drawImage(image, 0, 0, size, size);
  if (isOn("exact")) drawPosterior(context, position);
  if (isOn("approximate")) drawQ(context, position);
  drawTicks(context, planeBox, size, position);
  drawZ(context, position);
}

// The part of the plane with the posterior and q, as a square.
function glassBox() {
  const { mu, logsigma } = state.q, spans = Array.from(mu, (m, k) => {
    const reach = 1.3 * RADIUS * Math.exp(logsigma[k]);
    const [a, b] = state.grid ? massOf(state.grid)[k] : [m, m];
    return [Math.min(a, m - reach), Math.max(b, m + reach)];
  });
  const half = Math.max(...spans.map(([a, b]) => b - a)) / 2;
  return spans.map(([a, b]) => [(a + b) / 2 - half, (a + b) / 2 + half]);
}

function drawGlass() {
  const { context, size } = surface("glass"), box = glassBox(), position = viewOf(box, size);
  drawPosterior(context, position);
  drawQ(context, position);
  drawTicks(context, box, size, position);
  drawZ(context, position);
}

// The terms.

const BARS = [
  ["nll", "−negloglikelihood", "log p(x|z)", "--term"],
  ["nlp", "−neglogprior", "log p(z)", "--term"],
  ["nlq", "+neglogposterior", "−log q(z|x)", "--term"],
  ["elbo", "= ELBO", "at this z", "--sum"],
  ["mean", "ELBO", `mean of ${DRAWS} z from q`, "--q"],
  ["exact", "log p(x)", "exact, on a grid", "--exact"],
];

function makeBars() {
  element("bars").innerHTML = BARS.map(([id, name, formula, color]) => `
    <div class="bar ${id === "elbo" || id === "mean" ? "sum" : ""}" style="--color: var(${color})">
      <span><code>${name}</code> <small>${formula}</small></span>
      <span class="number" id="${id}-number"></span>
      <div class="track" aria-hidden="true"><div class="fill" id="${id}-fill"></div></div>
    </div>`).join("") + `<div class="scale" aria-hidden="true"><span id="least"></span><span>0</span><span id="most"></span></div>`;
}

// 1, 2 or 5 times a power of ten, and not below a number.
function roundUp(number) {
  const power = 10 ** Math.floor(Math.log10(number));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= number);
}

function drawTerms() {
  const { x, q, z, grid, isFine } = state, terms = vae.terms(x, q, z), mean = meanElbo(x, q);
  const evidence = evidenceOf(grid);
  const values = {
    nll: -terms.nll, nlp: -terms.nlp, nlq: terms.nlq, elbo: terms.elbo, mean: mean.mean, exact: evidence?.value,
  };
  const found = Object.values(values).filter(Number.isFinite);
  const limit = roundUp(Math.max(10, ...found.map(Math.abs)));
  for (const [id, value] of Object.entries(values)) {
    const share = Number.isFinite(value) ? (50 * value) / limit : 0;
    element(`${id}-number`).textContent = Number.isFinite(value) ? shown(value) : "…";
    Object.assign(element(`${id}-fill`).style, { left: `${50 + Math.min(share, 0)}%`, width: `${Math.abs(share)}%` });
  }
  if (mean.error >= 0.05) element("mean-number").textContent += ` ± ${shown(mean.error)}`;
  if (evidence && !(isFine && evidence.trusted)) element("exact-number").textContent = `≈ ${shown(evidence.value)}`;
  element("least").textContent = shown(-limit, 0);
  element("most").textContent = `${shown(limit, 0)} nats`;
  drawNotes(evidence, mean);
  return values;
}

function drawNotes(evidence, mean) {
  const isExact = state.isFine && evidence?.trusted, gap = evidence && evidence.value - mean.mean;
  element("terms-note").textContent = isExact
    ? `The gap log p(x) − ELBO is KL(q ‖ p(z|x)): ${shown(Math.max(gap, 0))} nats${mean.error >= 0.05 ? ", about" : ""}.`
    : "";
  element("glass-note").textContent = !state.grid
    ? "The first grid of codes is decoded …"
    : isExact ? `A grid of ${state.grid.n} nodes per latent.`
    : state.isFine ? "The posterior is too narrow for the grids of this page." : "Rough grid, a finer one follows.";
}

let announcing = 0;

function announce(values) {
  clearTimeout(announcing);
  announcing = setTimeout(() => {
    element("said").textContent =
      `z is ${state.z.map((v) => shown(v, 2)).join(" and ")}. ELBO at z ${shown(values.elbo)} nats, ` +
      `mean over q ${shown(values.mean)} nats.`;
  }, 700);
}

let isDrawing = false;

function draw() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    drawImage();
    drawPlane();
    drawDecoded(vae.decode([state.z])[0]);
    drawGlass();
    announce(drawTerms());
    state.z.forEach((value, k) => {
      element(`z${k + 1}`).value = value;
      element(`z${k + 1}-number`).value = shown(value, 2);
    });
  });
}

// Mouse, touch, keyboard.

function listen(id, position, move) {
  const canvas = element(id);
  let last = null;
  const at = (event) => {
    const { left, top, width: size } = canvas.getBoundingClientRect();
    return position((event.clientX - left) / size, (event.clientY - top) / size);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = at(event);
    move(last, last);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (last === null) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) {
      const here = at(each);
      move(here, last);
      last = here;
    }
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (last = null));
  canvas.addEventListener("focus", draw);
  canvas.addEventListener("blur", draw);
}

function stroke([row, column], [fromRow, fromColumn]) {
  const steps = Math.ceil(Math.hypot(row - fromRow, column - fromColumn) / (BRUSH / 4)) || 1;
  for (let k = 1; k <= steps; k++) {
    const t = k / steps;
    paint(fromRow + t * (row - fromRow), fromColumn + t * (column - fromColumn), element("erase").checked);
  }
  setImage(drawnImage());
}

const side = Math.max(height, width);
listen("image", (u, v) => [v * side - (side - height) / 2, u * side - (side - width) / 2], stroke);
listen("plane", (u, v) => [REACH * (2 * u - 1), REACH * (1 - 2 * v)].slice(0, vae.latents), setCode);

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

element("plane").addEventListener("keydown", (event) => {
  const arrow = ARROWS[event.key];
  if (!arrow) return;
  event.preventDefault();
  setCode(state.z.map((v, k) => v + arrow[k] * (event.shiftKey ? 0.01 : 0.1)));
});

element("image").addEventListener("keydown", (event) => {
  const arrow = ARROWS[event.key];
  if (arrow) {
    cursor.column = Math.min(Math.max(cursor.column + arrow[0], 0), width - 1);
    cursor.row = Math.min(Math.max(cursor.row - arrow[1], 0), height - 1);
    draw();
  } else if (event.key === " ") {
    stroke([cursor.row + 0.5, cursor.column + 0.5], [cursor.row + 0.5, cursor.column + 0.5]);
  } else if (event.key.toLowerCase() === "e") {
    element("erase").checked = !element("erase").checked;
  } else return;
  event.preventDefault();
});

const NEW_CODES = {
  mean: () => state.q.mu,
  q: () => state.q.mu.map((m, k) => m + Math.exp(state.q.logsigma[k]) * normal()),
  prior: () => vae.samplePrior(),
};
for (const button of document.querySelectorAll("[data-z]"))
  button.addEventListener("click", () => glide(NEW_CODES[button.dataset.z]()));

for (const radio of document.querySelectorAll("[name=show]"))
  radio.addEventListener("click", () => {
    Object.assign(state, { show: radio.value, sample: null });
    draw();
  });

element("next").addEventListener("click", () =>
  load(examples.length ? examples[nextExample++ % examples.length] : meanImage(vae.samplePrior())));
element("clear").addEventListener("click", () => load(new Float64Array(height * width).fill(low)));
for (const id of ["pictures", "codes", "exact", "approximate"]) element(id).addEventListener("change", draw);
element("codes").parentElement.hidden = !codes.length;

const meanImage = (z) => vae.likelihood.mean(vae.decode([z])[0]);

function makeSliders() {
  const number = (k) => `z${k + 1}`;
  element("sliders").innerHTML = Array.from({ length: vae.latents }, (_, k) => `
    <label>${number(k)} <input type="range" id="${number(k)}" min="${-REACH}" max="${REACH}" step="0.01">
    <output id="${number(k)}-number"></output></label>`).join("");
  for (const input of element("sliders").querySelectorAll("input"))
    input.addEventListener("input", () =>
      setCode(state.z.map((v, k) => (input.id === number(k) ? Number(input.value) : v))));
}

makeBars();
makeSliders();
element("next").click();
new ResizeObserver(() => {
  const frame = window.frameElement; // of a page of the same site: as high as this one
  if (frame) frame.style.height = `${document.body.offsetHeight}px`;
  draw();
}).observe(document.body);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
run(posterior.prepare(), () => setImage(state.x));
