"use strict";
// The model, as vaelite computes it: float64 on the weights, which the page holds as float32.
// A batch of codes or images is one Float64Array after the other: row after row.

const HALF_LOG_2PI = Math.log(2 * Math.PI) / 2;
const softplus = (v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)));
const logistic = (v) => 1 / (1 + Math.exp(-v));
const sum = (values) => values.reduce((total, v) => total + v, 0);
const ACTIVATIONS = { relu: (v) => Math.max(v, 0), tanh: Math.tanh, softplus };

function logSumExp(values) {
  let top = -Infinity;
  for (const v of values) top = Math.max(top, v);
  let total = 0;
  for (const v of values) total += Math.exp(v - top);
  return top + Math.log(total);
}

// A standard normal number; a number from 0 on, by its probability.
const normal = () =>
  Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

function choose(probabilities) {
  let left = Math.random();
  const found = probabilities.findIndex((p) => (left -= p) < 0);
  return found < 0 ? probabilities.length - 1 : found;
}

// -log N(x; mu, sigma^2), summed over x; one logsigma may be that of all elements.
function negLogNormal(x, mu, logsigma) {
  const shared = logsigma.length === 1;
  let nats = x.length * HALF_LOG_2PI;
  for (let i = 0; i < x.length; i++) {
    const ls = logsigma[shared ? 0 : i], u = (x[i] - mu[i]) * Math.exp(-ls);
    nats += (u * u) / 2 + ls;
  }
  return nats;
}

// Likelihoods. -log p(x|z) is `fixed` plus `varying`: the grid of the posterior computes
// the part without x once.

function gaussian({ mean, sigma, floor }) {
  const isFixed = typeof sigma === "number";
  const softFloor = (v) => (floor === null ? v : floor + softplus(v - floor));
  const each = ({ mu, logsigma }, i) => logsigma[logsigma.length === 1 ? 0 : i];
  return {
    heads: isFixed ? ["mu"] : ["mu", "logsigma"],
    parameters: ({ mu, logsigma }) => ({
      mu: mean === "logistic" ? mu.map(logistic) : mu,
      logsigma: isFixed ? Float64Array.of(Math.log(sigma)) : logsigma.map(softFloor),
    }),
    fixed: ({ mu, logsigma }) =>
      mu.length * HALF_LOG_2PI + (mu.length / logsigma.length) * sum(logsigma),
    varying(x, { mu, logsigma }) {
      let nats = 0, precision = Math.exp(-2 * logsigma[0]);
      for (let i = 0; i < mu.length; i++) {
        if (logsigma.length > 1) precision = Math.exp(-2 * logsigma[i]);
        nats += ((x[i] - mu[i]) ** 2 * precision) / 2;
      }
      return nats;
    },
    mean: (p) => p.mu,
    sigma: (p) => p.mu.map((_, i) => Math.exp(each(p, i))),
    sample: (p) => p.mu.map((mu, i) => mu + Math.exp(each(p, i)) * normal()),
  };
}

// x times the logits: all that a Bernoulli's density has of x, also a continuous one's.
const logitsOf = (fixed, mean, sigma, sample) => ({
  heads: ["logits"],
  parameters: (raw) => raw,
  fixed: ({ logits }) => sum(logits.map(fixed)),
  varying(x, { logits }) {
    let nats = 0;
    for (let i = 0; i < logits.length; i++) nats -= x[i] * logits[i];
    return nats;
  },
  mean: ({ logits }) => logits.map(mean),
  sigma: ({ logits }) => logits.map(sigma),
  sample: ({ logits }) => logits.map(sample),
});

function bernoulli() {
  const sigma = (v) => Math.sqrt(logistic(v) * logistic(-v));
  return logitsOf(softplus, logistic, sigma, (v) => +(Math.random() < logistic(v)));
}

function continuousBernoulli() {
  const away = (v) => Math.max(Math.abs(v), 1e-20); // 0 / 0 has a limit
  const logNormalizer = (v) => Math.max(v, 0) + Math.log(-Math.expm1(-away(v)) / away(v));
  const isNear = (v) => Math.abs(v) < 0.1; // where the differences below lose digits
  const mean = (v) =>
    isNear(v) ? 0.5 + v / 12 - v ** 3 / 720 + v ** 5 / 30240 : 0.5 + 0.5 / Math.tanh(v / 2) - 1 / v;
  const variance = (v) =>
    isNear(v) ? 1 / 12 - v ** 2 / 240 + v ** 4 / 6048 : 1 / v ** 2 - 0.25 / Math.sinh(v / 2) ** 2;
  const sample = (v) => {
    const x = Math.min(-Math.log1p(Math.random() * Math.expm1(-away(v))) / away(v), 1);
    return v < 0 ? x : 1 - x;
  };
  return logitsOf(logNormalizer, mean, (v) => Math.sqrt(variance(v)), sample);
}

function categorical({ levels, one_hot: oneHot }) {
  const pixels = ({ logits }) =>
    Array.from({ length: logits.length / levels }, (_, i) =>
      logits.subarray(i * levels, (i + 1) * levels));
  const moment = (logits, power) => {
    const log = logSumExp(logits);
    return sum(logits.map((v, level) => Math.exp(v - log) * level ** power));
  };
  const ofPixels = (f) => (p) => Float64Array.from(pixels(p), f);
  return {
    heads: ["logits"],
    parameters: (raw) => raw,
    fixed: (p) => sum(pixels(p).map(logSumExp)),
    varying(x, { logits }) {
      let nats = 0;
      for (let i = 0; i < x.length; i++) nats -= logits[i * levels + x[i]];
      return nats;
    },
    mean: ofPixels((logits) => moment(logits, 1)),
    sigma: ofPixels((logits) => {
      const mean = moment(logits, 1);
      return Math.sqrt(Math.max(moment(logits, 2) - mean * mean, 0));
    }),
    sample: ofPixels((logits) => choose(logits.map((v) => Math.exp(v - logSumExp(logits))))),
    encoderInput(x) {
      if (!oneHot) return x.map((level) => level / (levels - 1));
      const ones = new Float64Array(x.length * levels);
      x.forEach((level, i) => (ones[i * levels + level] = 1));
      return ones;
    },
  };
}

const LIKELIHOODS = {
  Gaussian: gaussian, Bernoulli: bernoulli, Categorical: categorical,
  ContinuousBernoulli: continuousBernoulli,
};

// Priors: -log p(z) of one code, and a code drawn from it.
const PRIORS = {
  StandardNormal: (array, latents) => ({
    negLogPrior: (z) => sum(z.map((v) => v * v)) / 2 + z.length * HALF_LOG_2PI,
    sample: () => Array.from({ length: latents }, normal),
  }),
  Mixture: (array) => {
    const logits = array("logits").data, K = logits.length;
    const rows = (name) => {
      const { data, shape } = array(name);
      return Array.from({ length: K }, (_, k) => data.subarray(k * shape[1], (k + 1) * shape[1]));
    };
    const mu = rows("mu"), logsigma = rows("logsigma");
    const shares = logits.map((v) => Math.exp(v - logSumExp(logits)));
    return {
      negLogPrior: (z) =>
        logSumExp(logits) -
        logSumExp(Array.from(logits, (v, k) => v - negLogNormal(z, mu[k], logsigma[k]))),
      sample: () => {
        const k = choose(shares);
        return Array.from(mu[k], (m, i) => m + Math.exp(logsigma[k][i]) * normal());
      },
    };
  },
};


class Model {
  constructor({ spec, arrays }) {
    this.latents = spec.latent_dim;
    this.pixels = spec.n_features;
    this.networks = spec.networks;
    this.arrays = Object.fromEntries(
      Object.entries(arrays).map(([name, { shape, data }]) => [name, { shape, data: floats(data) }]),
    );
    const [[name, settings]] = Object.entries(spec.likelihood);
    this.likelihood = LIKELIHOODS[name](settings);
    const ofPrior = (part) => this.arrays[`prior.${part}`];
    const prior = PRIORS[Object.keys(spec.prior)[0]](ofPrior, this.latents);
    this.negLogPrior = prior.negLogPrior;
    this.samplePrior = prior.sample;
  }

  // h @ W + b for each row of h; without W the same row for all.
  affine(name, h, rows) {
    const b = this.arrays[`${name}.b`].data, W = this.arrays[`${name}.W`]?.data;
    const outputs = b.length, inputs = h.length / rows, out = new Float64Array(rows * outputs);
    for (let row = 0; row < rows; row++) {
      const to = row * outputs;
      out.set(b, to);
      for (let i = 0; W && i < inputs; i++) {
        const value = h[row * inputs + i];
        if (value === 0) continue; // half of all, with relu
        for (let j = 0, from = i * outputs; j < outputs; j++) out[to + j] += value * W[from + j];
      }
    }
    return out;
  }

  // The outputs of a dense network by name.
  outputs(network, heads, h, rows) {
    const { hidden_dim: sizes, activation } = this.networks[network].Dense;
    sizes.forEach((_, i) => {
      h = this.affine(`${network}.${i}`, h, rows);
      for (let j = 0; j < h.length; j++) h[j] = ACTIVATIONS[activation](h[j]);
    });
    return Object.fromEntries(
      heads.map((head) => [head, this.affine(`${network}.${head}`, h, rows)]),
    );
  }

  // mu and logsigma of q(z|x), for one image.
  encode(x) {
    const h = this.likelihood.encoderInput?.(x) ?? x;
    return this.outputs("encoder", ["mu", "logsigma"], h, 1);
  }

  // The parameters of p(x|z), for a list of codes.
  decode(codes) {
    const rows = codes.length, h = new Float64Array(rows * this.latents);
    codes.forEach((z, row) => h.set(z, row * this.latents));
    const raw = Object.entries(this.outputs("decoder", this.likelihood.heads, h, rows));
    return codes.map((_, row) => {
      const part = ([name, all]) => {
        const width = all.length / rows;
        return [name, all.subarray(row * width, (row + 1) * width)];
      };
      return this.likelihood.parameters(Object.fromEntries(raw.map(part)));
    });
  }

  negLogLikelihood(x, p) {
    return this.likelihood.fixed(p) + this.likelihood.varying(x, p);
  }

  // The three terms in nats, for an image, its q(z|x), and a code.
  terms(x, q, z) {
    const nll = this.negLogLikelihood(x, this.decode([z])[0]);
    const nlp = this.negLogPrior(z), nlq = negLogNormal(z, q.mu, q.logsigma);
    return { nll, nlp, nlq, elbo: nlq - nll - nlp };
  }

  // The mean of the ELBO over codes of q, and its standard error; eps has a row per code.
  elbo(x, q, eps) {
    const codes = eps.map((row) => row.map((e, k) => q.mu[k] + Math.exp(q.logsigma[k]) * e));
    const decoded = this.decode(codes);
    const values = codes.map((z, i) =>
      negLogNormal(z, q.mu, q.logsigma) - this.negLogPrior(z) - this.negLogLikelihood(x, decoded[i]));
    const mean = sum(values) / values.length;
    const variance = sum(values.map((v) => (v - mean) ** 2)) / (values.length - 1);
    return { mean, error: Math.sqrt(variance / values.length) };
  }
}

// base64 of float32 numbers, least significant byte first.
function floats(base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

// p(z|x) on a grid of codes, from log p(x, z) at its nodes: as vaelite's Quadrature.

const EXTENT = 6; // the grid goes from -6 to 6 in each latent
const NATS_BELOW = 20; // a part of the plane this far below the top has no mass

class Grid {
  // box has a [low, high] for each latent; n nodes on each axis.
  constructor(box, n) {
    this.n = n;
    this.box = box;
    this.axes = box.map(([low, high]) =>
      Float64Array.from({ length: n }, (_, i) => low + ((high - low) * i) / (n - 1)));
    this.logCell = sum(box.map(([low, high]) => Math.log((high - low) / (n - 1))));
    this.logJoint = new Float64Array(n ** box.length);
  }

  // The nodes with the same first latent; the second one varies. With 1 latent: one node.
  codes(row) {
    const [first, second] = this.axes;
    return second ? Array.from(second, (z) => [first[row], z]) : [[first[row]]];
  }

  // log p(x): the sum over all nodes. It is trusted if every second node says the same.
  evidence() {
    const { n, logJoint, logCell, axes } = this;
    const isKept = (_, i) => i % n % 2 === 0 && (axes.length === 1 || Math.floor(i / n) % 2 === 0);
    const value = logSumExp(logJoint) + logCell;
    const other = logSumExp(logJoint.filter(isKept)) + logCell + axes.length * Math.LN2;
    return { value, trusted: Math.abs(value - other) < 0.01 };
  }

  // The densities p(z|x) at the nodes.
  density() {
    const { value } = this.evidence();
    return this.logJoint.map((v) => Math.exp(v - value));
  }

  // The box around all nodes with mass, and one node more on each side.
  mass() {
    const { n, logJoint, axes } = this, top = logJoint.reduce((a, b) => Math.max(a, b));
    const found = axes.map(() => [n, -1]);
    logJoint.forEach((v, i) => {
      if (v < top - NATS_BELOW) return;
      const at = axes.length === 2 ? [Math.floor(i / n), i % n] : [i];
      at.forEach((k, latent) => {
        found[latent] = [Math.min(found[latent][0], k), Math.max(found[latent][1], k)];
      });
    });
    return found.map(([low, high], latent) =>
      [axes[latent][Math.max(low - 1, 0)], axes[latent][Math.min(high + 1, n - 1)]]);
  }
}

const MOST_NUMBERS = 6e6; // of the decoded nodes of the first grid, which are kept
const MOST_WORK = 3e9; // multiplications for one of the finer grids

class Posterior {
  constructor(model) {
    this.model = model;
    const weights = Object.entries(model.arrays).filter(([name]) => name.startsWith("decoder."));
    this.work = sum(weights.map(([, { data }]) => data.length));
    const outputs = model.likelihood.heads.map((head) => model.arrays[`decoder.${head}.b`]);
    const most = MOST_NUMBERS / sum(outputs.map(({ data }) => data.length));
    this.n = this.odd(most, 101, 1001);
    this.finest = this.odd(MOST_WORK / this.work, 241, 2001);
    this.nodes = [];
  }

  // An odd number of nodes for an axis, of `nodes` in all.
  odd(nodes, mostOfTwo, mostOfOne) {
    const two = this.model.latents === 2, most = two ? mostOfTwo : mostOfOne;
    return 2 * Math.floor((Math.min(two ? Math.sqrt(nodes) : nodes, most) - 1) / 2) + 1;
  }

  whole(n = this.n) {
    return new Grid(Array.from({ length: this.model.latents }, () => [-EXTENT, EXTENT]), n);
  }

  // What log p(x, z) needs of the nodes of a row: the decoder does not see x.
  decodeRow(grid, row) {
    const codes = grid.codes(row), { negLogPrior, likelihood } = this.model;
    return this.model.decode(codes).map((p, i) =>
      ({ p, nats: negLogPrior(codes[i]) + likelihood.fixed(p) }));
  }

  fill(grid, row, nodes, x) {
    const { likelihood } = this.model;
    nodes.forEach(({ p, nats }, i) => {
      grid.logJoint[row * nodes.length + i] = -nats - likelihood.varying(x, p);
    });
  }

  // Decode the first grid, once; each `yield` lets the page draw.
  *prepare() {
    const grid = this.whole(), found = [];
    for (let row = 0; row < grid.n; row++) {
      found.push(this.decodeRow(grid, row));
      yield row / grid.n;
    }
    this.nodes = found;
  }

  get isReady() {
    return this.nodes.length > 0;
  }

  // The posterior on the first grid.
  rough(x) {
    const grid = this.whole();
    this.nodes.forEach((nodes, row) => this.fill(grid, row, nodes, x));
    return grid;
  }

  *grid(box, n, x) {
    const grid = new Grid(box, n);
    for (let row = 0; row < n; row++) {
      this.fill(grid, row, this.decodeRow(grid, row), x);
      yield row / n;
    }
    return grid;
  }

  // Finer and finer grids around the mass, until twice the distance gives the same log p(x).
  *refine(x, q) {
    let grid = this.rough(x), n = Math.min(61, this.finest);
    if (this.model.latents === 1) n = Math.min(401, this.finest);
    for (let round = 0; round < 8; round++) {
      const box = round ? grid.mass() : withCode(grid.mass(), q);
      const isSmaller = box.some(([low, high], k) =>
        high - low < 0.7 * (grid.box[k][1] - grid.box[k][0]));
      if (round && grid.evidence().trusted && !isSmaller) break;
      if (round && !isSmaller) n = 2 * n - 1;
      if (n > this.finest) break;
      grid = yield* this.grid(box, n, x);
    }
    return grid;
  }
}

// A box that also has most of q in it: there may be mass that the first grid did not see.
function withCode(box, q) {
  return box.map(([low, high], k) => {
    const reach = 3 * Math.exp(q.logsigma[k]);
    return [
      Math.max(Math.min(low, q.mu[k] - reach), -EXTENT),
      Math.min(Math.max(high, q.mu[k] + reach), EXTENT),
    ];
  });
}

// The last value of a generator: all its work at once.
function finish(work) {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}
