# ruff: noqa: E501 (the lines of the source as they are)
"""The tables of `mutants.py`: modules, their tests, planted mistakes, equivalent changes.

``PLANTED`` has the mistakes of each file by name, as (old text, new text). The old text
occurs exactly once in the file. After a change of the source, correct it here.
"""

# The modules that mutants are generated for, and those of `--core`.
CORE = [
    "terms.py",
    "ops.py",
    "objectives.py",
    "gradient.py",
    "adam.py",
    "stopping.py",
    "state.py",
    "training.py",
    "likelihoods/base.py",
    "likelihoods/bernoulli.py",
    "likelihoods/continuous_bernoulli.py",
    "likelihoods/categorical.py",
    "likelihoods/gaussian.py",
    "inference/importance.py",
    "inference/quadrature.py",
    "inference/decompositions.py",
    "inference/gradient_estimators.py",
    "diagnostics/ledger.py",
]
MODULES = [
    *CORE,
    "plain.py",
    "priors.py",
    "saving/checkpoint.py",
    "saving/provenance.py",
    "fit/plan.py",
    "fit/fit.py",
    "fit/settings.py",
    "fit/start.py",
    "arrays/adam_step.py",
    "inference/infer.py",
    "models/ppca.py",
    "data/batches.py",
    "data/dataset.py",
    "networks/base.py",
    "saving/storage.py",
    "arrays/streams.py",
    "vae.py",
    "sklearn.py",
]

# Tests besides the file of the same name, for a file or a folder.
FURTHER_TESTS = {
    "terms.py": ["test_gradient.py", "test_objectives.py", "likelihoods/test_likelihoods.py"],
    "likelihoods/continuous_bernoulli.py": ["likelihoods/test_continuous_bernoulli.py"],
    "ops.py": ["test_gradient.py", "test_objectives.py", "likelihoods/test_likelihoods.py"],
    "objectives.py": ["test_conditional.py", "models/test_autoencoder.py", "test_bad_input.py"],
    "gradient.py": ["test_objectives.py", "test_bad_input.py"],
    "adam.py": ["test_training.py"],
    "plain.py": ["test_own_parts.py"],
    "stopping.py": ["test_training.py", "test_bad_input.py"],
    "state.py": ["test_training.py", "fit/test_faults.py", "saving/test_checkpoint.py"],
    "training.py": [
        "fit/test_faults.py",
        "fit/test_interrupts.py",
        "test_vae.py",
        "test_objectives.py",
        "test_bad_input.py",
    ],
    "likelihoods/": [
        "fit/test_start.py",
        "likelihoods/test_likelihoods.py",
        "diagnostics/test_ledger.py",
        "test_bad_input.py",
        "test_vae.py",
    ],
    "inference/importance.py": ["inference/test_decompositions.py", "test_conditional.py"],
    "inference/quadrature.py": ["inference/test_importance.py", "test_conditional.py"],
    "saving/checkpoint.py": ["fit/test_own_optimizers.py"],
    "fit/plan.py": ["test_objectives.py", "test_vae.py", "test_conditional.py"],
    "fit/settings.py": ["fit/test_settings.py", "test_bad_input.py", "test_own_parts.py"],
    "arrays/adam_step.py": ["test_adam.py", "arrays/test_compiled.py", "test_textbook.py"],
    "fit/fit.py": [
        "fit/test_outcome.py",
        "fit/test_plan.py",
        "saving/test_provenance.py",
        "fit/test_interrupts.py",
        "fit/test_faults.py",
        "test_vae.py",
        "test_conditional.py",
        "test_bad_input.py",
    ],
    "inference/infer.py": [
        "models/test_meanfield.py",
        "inference/test_decompositions.py",
        "test_conditional.py",
    ],
    "data/batches.py": ["likelihoods/test_likelihoods.py", "data/test_rows.py", "test_vae.py"],
    "data/dataset.py": ["test_conditional.py", "test_bad_input.py", "test_vae.py"],
    "networks/base.py": ["networks/test_dense.py", "networks/test_own.py"],
    "saving/storage.py": ["saving/test_files.py"],
    "arrays/streams.py": ["fit/test_plan.py", "test_vae.py"],
    "vae.py": [
        "test_objectives.py",
        "test_bad_input.py",
        "test_conditional.py",
        "models/test_meanfield.py",
    ],
}

VALUE = '__import__("autograd").tracer.getval'  # takes a number off the tape

PLANTED = {
    "priors.py": {
        "samples' codes are too wide": (
            "return rng.standard_normal(shape, dtype=dtype)",
            "return 2 * rng.standard_normal(shape, dtype=dtype)",
        ),
        "the weights of a mixture are not normalized": (
            "return logmeanexp(logits) - logmeanexp(logits - nats)",
            "return -logmeanexp(logits - nats)",
        ),
        "components are drawn with equal probability": (
            "p=w / w.sum()",
            "p=None",
        ),
        "a sample has another component's sigma": (
            "np.exp(logsigma[k])",
            "np.exp(logsigma[0])",
        ),
    },
    "plain.py": {
        "numbers per example are summed": (
            "return mean(found) if np.ndim(found) else found",
            "return np.sum(found)",
        ),
        "the condition is not passed": (
            "self.function(params, x, eps, condition)",
            "self.function(params, x, eps)",
        ),
    },
    "terms.py": {
        "log(2 pi) is a little too small": (
            "HALF_LOG_2PI = math.log(2 * math.pi) / 2",
            "HALF_LOG_2PI = math.log(2 * 3.1416) / 2",
        ),
        "the sample takes a variance": (
            "return mu + np.exp(logsigma) * eps",
            "return mu + np.exp(2 * logsigma) * eps",
        ),
        "reparameterize: second derivative in logsigma": (
            "unbroadcast(g * np.exp(logsigma) * eps, logsigma)",
            'unbroadcast(g * np.exp(__import__("autograd").tracer.getval(logsigma)) * eps, logsigma)',
        ),
        "reparameterize: second derivative in eps and logsigma": (
            "unbroadcast(g * np.exp(logsigma), eps)",
            'unbroadcast(g * np.exp(__import__("autograd").tracer.getval(logsigma)), eps)',
        ),
        "reparameterize: derivative in eps": (
            "unbroadcast(g * np.exp(logsigma), eps)",
            "unbroadcast(g, eps)",
        ),
        "reparameterize: logsigma is not summed over samples": (
            "unbroadcast(g * np.exp(logsigma) * eps, logsigma)",
            "g * np.exp(logsigma) * eps",
        ),
        "Gaussian: second derivatives": (
            "u = _standardize(*args)  # they share it",
            'u = _standardize(*map(__import__("autograd").tracer.getval, args))  # they share it',
        ),
        "Gaussian: second derivative of x in logsigma": (
            "return u * (g * np.exp(-logsigma))",
            'return u * (g * np.exp(-__import__("autograd").tracer.getval(logsigma)))',
        ),
        "Gaussian: second derivative of mu in logsigma": (
            "return u * (-g * np.exp(-logsigma))",
            'return u * (-g * np.exp(-__import__("autograd").tracer.getval(logsigma)))',
        ),
        "Gaussian: second derivative of logsigma": (
            "return g * (1 - u * u)",
            'return g * (1 - u * __import__("autograd").tracer.getval(u))',
        ),
        "Gaussian: second derivative of a shared logsigma": (
            "u.shape[-1] - sum_of_squares(u)[..., None]",
            'u.shape[-1] - sum_of_squares(__import__("autograd").tracer.getval(u))[..., None]',
        ),
        "Gaussian: a broadcast argument keeps the other's shape": (
            "unbroadcast(DERIVATIVES[i](g[..., None], u, args[2]), args[i]) for",
            "DERIVATIVES[i](g[..., None], u, args[2]) for",
        ),
        "a shared sigma counts once": (
            "return u.shape[-1] / (shape or (1,))[-1] *",
            "return 1 *",
        ),
        "a scalar sigma counts once": (
            "if shape else logsigma)",
            "if shape else logsigma / u.shape[-1])",
        ),
        "prior: second derivative": (
            "lambda ans, z, **_: lambda g: g[..., None] * z)",
            'lambda ans, z, **_: lambda g: g[..., None] * __import__("autograd").tracer.getval(z))',
        ),
        "KL: second derivative in mu": (
            "lambda g: unbroadcast(g[..., None] * mu, mu),",
            'lambda g: g[..., None] * __import__("autograd").tracer.getval(mu),',
        ),
        "KL: second derivative in logsigma": (
            "g[..., None] * (np.exp(2 * logsigma) - 1 + 0 * mu)",
            'g[..., None] * (np.exp(2 * __import__("autograd").tracer.getval(logsigma)) - 1 + 0 * mu)',
        ),
    },
    "ops.py": {
        "affine: second derivative": (
            "else g @ W.T",
            'else g @ __import__("autograd").tracer.getval(W).T',
        ),
        "logmeanexp: second derivative": (
            "lambda g: g * np.exp(x - ans) / len(x)",
            'lambda g: g * np.exp(__import__("autograd").tracer.getval(x - ans)) / len(x)',
        ),
        "logmeanexp: derivative of the sum": (
            "lambda g: g * np.exp(x - ans) / len(x)",
            "lambda g: g * np.exp(x - ans)",
        ),
        "tanh: second derivative": (
            "1 - y * y",
            '1 - y * __import__("autograd").tracer.getval(y)',
        ),
        "logistic: second derivative": (
            "g * (ans * (1 - ans))",
            'g * (ans * (1 - __import__("autograd").tracer.getval(ans)))',
        ),
        "softplus: second derivative": (
            "np.tanh(y / 2)",
            'np.tanh(__import__("autograd").tracer.getval(y) / 2)',
        ),
        "sum of squares: second derivative": (
            "2 * g[..., None] * x",
            '2 * g[..., None] * __import__("autograd").tracer.getval(x)',
        ),
        "relu has a slope of 1 at 0": (
            "lambda y: y > 0",
            "lambda y: y >= 0",
        ),
        "copies of each row follow each other": (
            "np.concatenate([x] * n)",
            "np.repeat(x, n, axis=0)",
        ),
        "affine: second derivative in h and W": (
            "rows.T @ g_rows",
            '__import__("autograd").tracer.getval(rows).T @ g_rows',
        ),
        "affine: bias of a 3-D input": (
            "column_sums(g_rows)",
            "column_sums(g if g.ndim == 2 else g[0])",
        ),
        "affine: weights of a 3-D input": (
            "rows.T @ g_rows",
            "(rows.T @ g_rows if h.ndim == 2 else h[0].T @ g[0])",
        ),
    },
    "objectives.py": {
        "beta squared": (
            "else self.beta * kl)",
            "else self.beta**2 * kl)",
        ),
        "beta weighs the reconstruction as well": (
            "return nll + (kl if self.beta == 1 else self.beta * kl), nll, kl",
            "return self.beta * (nll + kl), nll, kl",
        ),
        "beta above 1 is 1": (
            "else self.beta * kl)",
            "else min(self.beta, 1) * kl)",
        ),
        "a beta of 0 is 1": (
            "if self.beta == 1 else",
            "if self.beta in (0, 1) else",
        ),
        "the reported KL has the weight": (
            "else self.beta * kl), nll, kl",
            "else self.beta * kl), nll, self.beta * kl",
        ),
        "the analytic KL is dropped": (
            "if self.analytic_kl else",
            "if False else",
        ),
        "the analytic KL with another prior": (
            "kl = terms.kl_divergence(mu, logsigma)",
            "kl = terms.kl_divergence(1.1 * mu, logsigma)",
        ),
        "the posterior is evaluated at its mean": (
            "nlq = self.neglogposterior(z, mu, logsigma)",
            "nlq = self.neglogposterior(mu, mu, logsigma)",
        ),
        "importance weighting: the mean of logs": (
            "loss = -logmeanexp(nlq - nll - nlp)",
            "loss = -np.sum(nlq - nll - nlp, axis=0) / len(nll)",
        ),
        "importance weighting: without the prior": (
            "loss = -logmeanexp(nlq - nll - nlp)",
            "loss = -logmeanexp(nlq - nll)",
        ),
        "importance weighting: one noise for all samples": (
            "eps = reshape(eps, (K * batch, latent_dim))",
            "eps = copies(eps[0], K)",
        ),
        "importance weighting: noise and rows are in another order": (
            "eps = reshape(eps, (K * batch, latent_dim))",
            "eps = reshape(np.swapaxes(eps, 0, 1), (K * batch, latent_dim))",
        ),
        "importance weighting: the KL part is a sum": (
            "np.sum(nlp - nlq, axis=0) / len(nll)",
            "np.sum(nlp - nlq, axis=0)",
        ),
        "importance weighting: the KL part is of the first sample": (
            "np.sum(nlp - nlq, axis=0) / len(nll)",
            "(nlp - nlq)[0]",
        ),
        "a condition for several samples is in another order": (
            "copies(condition, len(z) // len(condition))",
            "np.repeat(condition, len(z) // len(condition), axis=0)",
        ),
        "your own term's float64 spreads": (
            "return cast(result, args[0].dtype) if is_float else result",
            "return result",
        ),
    },
    "gradient.py": {
        "an array that is used twice counts once": (
            "waiting[parent] = add_outgrads(waiting.get(parent), ingrad)",
            "waiting[parent] = add_outgrads(None, ingrad)",
        ),
        "every array is a dependency": (
            "if root in nodes}",
            "}",
        ),
        "an array without influence has no gradient": (
            "else np.zeros_like(array)",
            "else None",
        ),
        "gradients keep the dtype of the loss": (
            "grad.astype(array.dtype, copy=False)",
            "grad",
        ),
    },
    "adam.py": {
        "t counts twice after 100 steps": (
            "self.t += 1\n",
            "self.t += 1 + (self.t > 100)\n",
        ),
        "the moments of all arrays but the first start anew in each step": (
            "if name not in self.m:",
            "if name not in self.m or name != next(iter(params)):",
        ),
        "weight decay of biases": (
            "if self.weight_decay and param.ndim > 1:",
            "if self.weight_decay:",
        ),
        "weight decay without the learning rate": (
            "param *= 1 - self.learning_rate * self.weight_decay",
            "param *= 1 - self.weight_decay",
        ),
        "t counts arrays": (
            "        for name, param in params.items():\n            if name not in self.m:",
            "        for name, param in params.items():\n            self.t += name != next(iter(params))\n            if name not in self.m:",
        ),
    },
    "stopping.py": {
        "held out: the best median": (
            "is_best = bool(mean < self.best)",
            "is_best = bool(np.median(losses) < self.best)",
        ),
        "held out: without the tolerance": (
            "means < self.lowest - self.tol",
            "means < self.lowest",
        ),
        "held out: failures are never forgotten": (
            "self.failures = 0 if improves.any() else self.failures + 1",
            "self.failures += not improves.any()",
        ),
        "held out: one epoch more": (
            "if self.failures < self.waits",
            "if self.failures <= self.waits",
        ),
        "lecture: another tolerance": (
            "def __init__(self, tol=1.0):",
            "def __init__(self, tol=2.0):",
        ),
        "lecture: a true minimum": (
            "            self.min_loss = loss\n",
            "            self.min_loss = min(loss, self.min_loss)\n",
        ),
        "lecture: without the tolerance": (
            "loss > self.min_loss + self.tol",
            "loss > self.min_loss",
        ),
        "an instance is shared by fits": (
            "return copy.deepcopy(stopping)",
            "return stopping",
        ),
        "held out: the mean alone": (
            "improves.any() else",
            "improves[0] else",
        ),
        "held out: the trimmed mean alone": (
            "improves.any() else",
            "improves[1] else",
        ),
        "held out: the lowest values are forgotten": (
            "self.lowest = np.where(improves, means, self.lowest)",
            "self.lowest = means",
        ),
        "held out: the learning rate never falls": (
            "self.dropped, self.failures = self.dropped + 1, 0",
            "self.dropped, self.failures = self.dropped + 1, self.failures",
        ),
        "held out: it stops at the first reduction": (
            "return self.factor**self.dropped",
            "return self.factor * self.dropped",
        ),
        "held out: the last epoch is kept": (
            "        return is_best\n",
            "        return True\n",
        ),
        "held out: the best is never updated": (
            "self.best = mean if is_best else self.best",
            "self.best = self.best if np.isfinite(self.best) else mean",
        ),
        "trimmed: only the largest are left out": (
            "np.sort(losses)[cut : len(losses) - cut]",
            "np.sort(losses)[: len(losses) - cut]",
        ),
    },
    "state.py": {
        "the last weights are kept": (
            "params = self.params if self.best is None else self.best",
            "params = self.params",
        ),
        "the best weights are not copied": (
            "self.best = {name: array.copy() for",
            "self.best = {name: array for",
        ),
        "the first epoch is the best": (
            "self.best_epoch = self.epoch\n",
            "self.best_epoch = self.best_epoch or self.epoch\n",
        ),
        "callbacks can change the weights": (
            "ReadOnly({name: read_only(array) for name",
            "ReadOnly({name: array for name",
        ),
        "converged after any end": (
            "converged=bool(self.rule.reason())",
            "converged=bool(self.stop_reason)",
        ),
        "a lower learning rate goes on from the last epoch": (
            "for name, array in (self.best or {}).items():",
            "for name, array in {}.items():",
        ),
        "the learning rate never falls": (
            "self.adam.learning_rate *= scale / self.learning_rate_scale",
            "pass",
        ),
        "the log has the norm of all numbers": (
            "return float(sum([np.linalg.norm(array) for array in params.values()]))",
            "return float(np.sqrt(sum([np.linalg.norm(array) ** 2 for array in params.values()])))",
        ),
        "a callback sees the epoch before": (
            "            max_epochs,\n            self.epoch,",
            "            max_epochs,\n            self.epoch - 1,",
        ),
        "a model that a callback keeps changes": (
            "params = {name: read_only(to_host(a).copy()) for name, a in self.params.items()}",
            "params = {name: read_only(to_host(a)) for name, a in self.params.items()}",
        ),
    },
    "training.py": {
        "an epoch trains on the only state": (
            "state = before.copy()",
            "state = before",
        ),
        "a retry is not slower": (
            "RETRIES, SLOWER = 3, 0.1",
            "RETRIES, SLOWER = 3, 1.0",
        ),
        "retries are without bound": (
            "if before.retries == RETRIES or",
            "if",
        ),
        "the rule looks at test rows": (
            "losses, *_ = [_evaluate(",
            "*_, losses = [_evaluate(",
        ),
        "the rule looks at the reconstruction": (
            "return parts[0]\n",
            "return parts[1]\n",
        ),
        "reconstruction and KL are exchanged": (
            '("loss", "nll", "kl"), parts',
            '("loss", "kl", "nll"), parts',
        ),
        "an epoch's loss is the mean over batches": (
            "total, rows = total + loss * len(batch[0]), rows + len(batch[0])",
            "total, rows = total + loss, rows + 1",
        ),
        "the epoch's loss is the last batch's": (
            "return float(total / rows)",
            "return float(loss)",
        ),
        "evaluation without conditions": (
            'given = objective.given(getattr(batch, "condition", None))',
            "given = objective",
        ),
        "the loss after the step": (
            "    adam.update(params, grads)\n    return number(loss)",
            "    adam.update(params, grads)\n    return number(objective(params, x, eps))",
        ),
        "time starts anew": (
            "time.perf_counter() - state.elapsed",
            "time.perf_counter()",
        ),
        "a gradient that is not finite is used": (
            "if is_finite(loss) and all(map(math.isfinite, squares)):",
            "if is_finite(loss):",
        ),
        "training continues after a callback asked to stop": (
            'state.stop_reason = state.stop_reason or "a callback returned True"',
            "pass",
        ),
        "the rule is asked during the warm-up": (
            "if not plan.is_warming_up(state.epoch):",
            "if True:",
        ),
    },
    "fit/plan.py": {
        "held-out noise is fresh in each epoch": (
            "epoch if is_fresh else 0",
            "epoch",
        ),
        "the training rows have the same noise in each evaluation": (
            "epoch if is_fresh else 0",
            "0",
        ),
        "test rows have the held-out rows' noise": (
            '"test": Stream.TEST',
            '"test": Stream.EVALUATE',
        ),
        "evaluation has the noise of training": (
            "rng = generator(self.seed, STREAMS[name], epoch if is_fresh else 0)",
            "rng = generator(self.seed, Stream.NOISE, epoch if is_fresh else 1, 0)",
        ),
        "all batches of an epoch have one noise": (
            "noise = partial(generator, self.seed, Stream.NOISE, epoch)",
            "noise = lambda b: generator(self.seed, Stream.NOISE, epoch, 0)",
        ),
        "all epochs have one noise": (
            "noise = partial(generator, self.seed, Stream.NOISE, epoch)",
            "noise = partial(generator, self.seed, Stream.NOISE, 0)",
        ),
        "every epoch has one order": (
            "generator(self.seed, Stream.SHUFFLE, epoch)",
            "generator(self.seed, Stream.SHUFFLE)",
        ),
        "warm-up never ends for beta below 1": (
            "            return self.target\n",
            "            return replace(self.target, beta=min(self.target.beta, self.target.beta**2))\n",
        ),
        "evaluation during warm-up has its weight": (
            "return training.evaluate(self.target, params",
            "return training.evaluate(self.loss(epoch), params",
        ),
        "noise restarts every 1000 rows": (
            "return self.noisy(self.evaluated[name], max(1, CHUNK_ROWS // self.samples), lambda b: rng)",
            "return self.noisy(self.evaluated[name], max(1, CHUNK_ROWS // self.samples), lambda b: generator(self.seed, STREAMS[name], epoch if is_fresh else 0))",
        ),
        "warm-up: the weight is squared": (
            "self.target.beta * epoch / self.warmup_epochs",
            "self.target.beta * (epoch / self.warmup_epochs) ** 2",
        ),
        "warm-up: one epoch later": (
            "self.target.beta * epoch / self.warmup_epochs",
            "self.target.beta * (epoch - 1) / self.warmup_epochs",
        ),
        "importance weighting is evaluated with other samples": (
            "order=order, samples=self.samples)",
            "order=order, samples=self.samples if order is not None else 1)",
        ),
        "a step without the condition": (
            "objective = self.objective(state.epoch).given(batch.condition)",
            "objective = self.objective(state.epoch)",
        ),
        "every seed holds out the same rows": (
            "train.split(fraction, generator(seed, Stream.SPLIT))",
            "train.split(fraction, generator(type(seed)(0), Stream.SPLIT))",
        ),
        "the split has the stream of the weights": (
            "generator(seed, Stream.SPLIT)",
            "generator(seed, Stream.INIT)",
        ),
        "the rule is evaluated on all rows": (
            "train, evaluated = train.split(",
            "train, _ = train.split(",
        ),
    },
    "inference/infer.py": {
        "it starts at 0": (
            "begin = [array[batch.rows].copy() for array in start]",
            "begin = [0 * array[batch.rows] for array in start]",
        ),
        "it starts at the rows of the first batch": (
            "begin = [array[batch.rows].copy() for array in start]",
            "begin = [array[: len(x)].copy() for array in start]",
        ),
        "it starts at the worst code": (
            "np.argmin(loss(row))",
            "np.argmax(loss(row))",
        ),
        "it starts at the worst code, with a condition": (
            "np.argmin(np.stack(losses), axis=0)",
            "np.argmax(np.stack(losses), axis=0)",
        ),
        "the noise is not in pairs": (
            "np.concatenate([eps, -eps])",
            "np.concatenate([eps, eps])",
        ),
        "the learning rate stays": (
            "(1 - step / n_steps)",
            "1",
        ),
        "hidden pixels are used": (
            "return array[:, observed] if has_columns else array",
            "return array",
        ),
        "the encoder's input has hidden pixels": (
            "X = np.where(observed, X, X.dtype.type(0))",
            "X = X",
        ),
        "it changes the caller's q": (
            "begin = [array[batch.rows].copy() for array in start]",
            "begin = [array[batch.rows] for array in start]",
        ),
    },
    "models/ppca.py": {
        "of a VAE: without the floor": (
            "        _, logsigma = vae.decode(np.zeros((1, vae.latent_dim)))\n",
            '        _, logsigma = vae.decode(np.zeros((1, vae.latent_dim)))\n        if likelihood.sigma == "shared":\n            logsigma = vae.params["decoder.logsigma.b"][None]\n',
        ),
        "fit: the noise is the smallest variance": (
            "variances[:-latent_dim].mean()",
            "variances[:-latent_dim].min()",
        ),
        "fit: an unbiased covariance": (
            "np.cov(X.T, bias=True)",
            "np.cov(X.T)",
        ),
        "the ELBO without q's spread": (
            "(np.sum(residual * residual, axis=-1) + spread)",
            "(np.sum(residual * residual, axis=-1))",
        ),
        "the sigmas of the covariance": (
            "-np.log(np.diag(self.precision)) / 2, mu.shape",
            "np.log(np.diag(np.linalg.inv(self.precision))) / 2, mu.shape",
        ),
    },
    "data/dataset.py": {
        "columns in another order": (
            "check_names(name, names, feature_names, owner)",
            "pass",
        ),
        "the last rows are held out": (
            "order = rng.permutation(n)",
            "order = np.arange(n)[::-1]",
        ),
        "half of the rows' noise is shared": (
            "eps = noise(b).standard_normal(shape, dtype=self.dtype)",
            "eps = noise(b).standard_normal((*shape[:-1], 1), dtype=self.dtype) + np.zeros(shape, self.dtype)",
        ),
        "importance samples share their noise": (
            "eps = noise(b).standard_normal(shape, dtype=self.dtype)",
            "eps = noise(b).standard_normal((*[1] * len(lead), *shape[len(lead) :]), dtype=self.dtype) + np.zeros(shape, self.dtype)",
        ),
        "conditions of other rows": (
            "RowSubset(self.condition, rows)",
            "RowSubset(self.condition, rows[::-1])",
        ),
    },
    "data/batches.py": {
        "quantize in float32": (
            "parts = x.astype(np.float64) *",
            "parts = x.astype(np.float32) *",
        ),
        "gray levels divided by 256": (
            "dtype.type(1 / 255)",
            "dtype.type(1 / 256)",
        ),
        "the last rows are dropped": (
            "range(0, max(n, 1), batch_size)",
            "range(0, max(n - n % batch_size, 1), batch_size)",
        ),
    },
    "networks/base.py": {
        "the window counts once": (
            "return math.prod(window) * fan_in,",
            "return fan_in,",
        ),
        "all weights are above 0": (
            "rng.uniform(-limit, limit",
            "rng.uniform(0, limit",
        ),
        "torch's weights by fan_out": (
            "1 / fan_in if",
            "1 / fan_out if",
        ),
        "torch's biases are 0": (
            '(is_bias and self.init != "torch")',
            "is_bias",
        ),
        "torch's biases by their own size": (
            "if is_bias else shape\n            if weights",
            "if is_bias and False else (shape * 2 if is_bias else shape)\n            if weights",
        ),
        "torch's weights have half the width": (
            "1 / fan_in if",
            "1 / (4 * fan_in) if",
        ),
        "the glorot limit is that of a normal distribution": (
            "else 6 / (fan_in + fan_out)",
            "else 2 / (fan_in + fan_out)",
        ),
    },
    "likelihoods/bernoulli.py": {
        "one uniform number per row": (
            "rng.random(logits.shape, dtype",
            "rng.random((len(logits), 1), dtype",
        ),
        "samples with the complement's probability": (
            "(uniform < logistic(logits))",
            "(uniform > logistic(logits))",
        ),
        "x is not summed where it is broadcast": (
            "unbroadcast_f(x, lambda g: -g * logits)",
            "lambda g: -g * logits",
        ),
        "second derivative in the logits": (
            "g * (logistic(logits) - x)",
            'g * (logistic(__import__("autograd").tracer.getval(logits)) - x)',
        ),
    },
    "likelihoods/continuous_bernoulli.py": {
        "without its normalizer": (
            "relu(logits) + np.log(-np.expm1(-size) / size)",
            "relu(logits) + np.log1p(np.exp(-size))",
        ),
        "p in place of the mean": (
            "return _mean(logits)",
            "return 1 / (1 + np.exp(-logits))",
        ),
        "the series has one term less": (
            "    1 / 30240,\n",
            "",
        ),
        "far formula everywhere": (
            "NEAR = 0.5",
            "NEAR = 1e-9",
        ),
        "samples of 1 - x": (
            "np.where(logits < 0, x, 1 - x)",
            "np.where(logits < 0, 1 - x, x)",
        ),
        "one uniform number per row": (
            "rng.random(logits.shape, dtype",
            "rng.random((len(logits), 1), dtype",
        ),
        "a column's mean as its p": (
            "newton(lambda a: _mean(a) - mean, start, elementwise_grad(_mean))",
            "np.log(mean / (1 - mean))",
        ),
        "x is not summed where it is broadcast": (
            "unbroadcast_f(x, lambda g: -g * logits)",
            "lambda g: -g * logits",
        ),
        "second derivative in the logits": (
            "g * (_mean(logits) - x)",
            'g * (_mean(__import__("autograd").tracer.getval(logits)) - x)',
        ),
    },
    "likelihoods/categorical.py": {
        "pixels share their Gumbel noise": (
            "rng.gumbel(size=logits.shape)",
            "rng.gumbel(size=(*logits.shape[:-2], 1, logits.shape[-1]))",
        ),
        "rows share their Gumbel noise": (
            "rng.gumbel(size=logits.shape)",
            "rng.gumbel(size=logits.shape[-2:])",
        ),
        "the logits are ordered by level, then pixel": (
            "return (reshape(logits, (*logits.shape[:-1], -1, self.levels)),)",
            "return (np.swapaxes(reshape(logits, (*logits.shape[:-1], self.levels, -1)), -1, -2),)",
        ),
        "one_hot is ordered by level, then pixel": (
            "return reshape(_one_hot(x, self.levels).astype(x.dtype), columns)",
            "return reshape(np.swapaxes(_one_hot(x, self.levels).astype(x.dtype), -1, -2), columns)",
        ),
        "the encoder sees levels above 1": (
            "return x / (self.levels - 1)",
            "return x / 255",
        ),
        "second derivative": (
            "(_softmax(logits) - _one_hot(",
            '(_softmax(__import__("autograd").tracer.getval(logits)) - _one_hot(',
        ),
    },
    "likelihoods/gaussian.py": {
        "samples have the same pixel noise in each call": (
            "return mu + np.exp(logsigma) * rng.standard_normal(",
            "return mu + np.exp(logsigma) * np.random.default_rng(0).standard_normal(",
        ),
        "samples: one noise for all pixels": (
            "rng.standard_normal(mu.shape, dtype=mu.dtype)",
            "rng.standard_normal((*mu.shape[:-1], 1), dtype=mu.dtype)",
        ),
        "the floor is hard": (
            "logsigma = soft_floor(logsigma, self.floor)",
            "logsigma = np.maximum(logsigma, self.floor)",
        ),
        "the floor is that of 7 bits": (
            "-math.log(255 *",
            "-math.log(127 *",
        ),
        "a fixed sigma has the floor": (
            "math.log(self.sigma))",
            "np.logaddexp(math.log(self.sigma), self.floor or -9))",
        ),
        "the ledger counts a shared sigma once": (
            "np.broadcast_to(logsigma, mu.shape).sum(axis=1)",
            "np.broadcast_to(logsigma, mu.shape).mean(axis=1)",
        ),
    },
    "inference/importance.py": {
        "the elbo's standard error by n": (
            "error = f.std(axis=0) / np.sqrt(np.float64(n_samples - 1))",
            "error = f.std(axis=0) / np.float64(n_samples)",
        ),
        "the effective samples of the wrong sums": (
            "np.exp(2 * log_total - squares)",
            "np.exp(log_total - squares / 2)",
        ),
    },
    "inference/quadrature.py": {
        "the error divided by 4": (
            "errors.sum() + edge + hidden, edge",
            "errors.sum() / 4 + edge + hidden, edge",
        ),
        "only one side has an edge": (
            "np.abs(cells.center) + cells.half",
            "cells.center + cells.half",
        ),
        "only one latent has an edge": (
            "(1 - 1e-9)).any(axis=1)",
            "(1 - 1e-9))[:, 0]",
        ),
        "the latents are exchanged": (
            'grid = np.meshgrid(*[self.axis] * latent_dim, indexing="ij")',
            'grid = np.meshgrid(*[self.axis] * latent_dim, indexing="xy")',
        ),
        "the mass at the edge is not an error": (
            "errors.sum() + edge + hidden, edge",
            "errors.sum() + hidden, edge",
        ),
    },
    "inference/decompositions.py": {
        "gaps: both ELBOs with the encoder's q": (
            "for q in (None, refined))",
            "for q in (None, None))",
        ),
        "gaps: log p(x) with the encoder's q": (
            "log_evidence(vae, X, n_samples, seed, refined,",
            "log_evidence(vae, X, n_samples, seed, None,",
        ),
        "gaps: q is refined from the prior": (
            "refined = infer(vae, X, **how",
            "refined = infer(vae, X, observed=np.ones(vae.n_features, bool), **how",
        ),
        "gaps: the ELBOs have other noise": (
            "(elbo(vae, X, n_samples, seed, q, **shared) for q",
            "(elbo(vae, X, n_samples, None, q, **shared) for q",
        ),
        "parts: z is the mean": (
            "z = reparameterize(mu[rows], logsigma[rows], eps)",
            "z = mu[rows]",
        ),
        "parts: rows of the first batch": (
            "z = reparameterize(mu[rows], logsigma[rows], eps)",
            "z = reparameterize(mu[: len(x)], logsigma[: len(x)], eps)",
        ),
        "active: the variance of samples": (
            "return vae.codes(X, condition=condition).var(",
            "return np.exp(vae.encode(X, condition=condition)[1]).var(",
        ),
        "active: the standard deviation": (
            ".var(axis=0, dtype=np.float64) > threshold",
            ".std(axis=0, dtype=np.float64) > threshold",
        ),
        "active: the mean square": (
            "return vae.codes(X, condition=condition).var(axis=0, dtype=np.float64)",
            "return (vae.codes(X, condition=condition) ** 2).mean(axis=0, dtype=np.float64)",
        ),
        "split: a row is not in the mixture": (
            "- np.log(len(mu))",
            "- np.log(len(mu) - 1)",
        ),
    },
    "inference/gradient_estimators.py": {
        "measure: rows share their noise": (
            "eps = rng.standard_normal((n_samples, repetitions * n, latent_dim), dtype=mu.dtype)",
            "eps = rng.standard_normal((n_samples, repetitions, latent_dim), dtype=mu.dtype).repeat(n, axis=1)",
        ),
        "measure: estimates share their noise": (
            "eps = rng.standard_normal((n_samples, repetitions * n, latent_dim), dtype=mu.dtype)",
            "eps = np.concatenate([rng.standard_normal((n_samples, -(-repetitions // 2) * n, latent_dim), dtype=mu.dtype)] * 2, axis=1)[:, : repetitions * n]",
        ),
        "measure: chunks share their noise": (
            "    n, latent_dim = mu.shape\n    eps = rng",
            "    n, latent_dim = mu.shape\n    rng = sampling_generator(0)\n    eps = rng",
        ),
        "measure: the variance by n": (
            "var(axis=1, ddof=1)",
            "var(axis=1)",
        ),
        "the baseline has its own sample": (
            "others = (f.sum(axis=0) - f) / (K - 1)",
            "others = f.sum(axis=0) / K",
        ),
        "sticking the landing: the parameters are not held": (
            "neglogposterior(z, *held)",
            "neglogposterior(z, *_for_each_sample(mu, logsigma))",
        ),
    },
    "diagnostics/ledger.py": {
        "the lecture's loss keeps one constant": (
            "total - dropped,",
            "total,",
        ),
        "the lecture's loss drops the prior's constants too": (
            "total - dropped,",
            "total - dropped - 2 * HALF_LOG_2PI,",
        ),
        "bits by the natural logarithm": (
            "total / D / np.log(2)",
            "total / D",
        ),
        "PyTorch-VAE's weight times the pixels": (
            '+ kl_weight * others.get("KL", 0)',
            '+ kl_weight * D * others.get("KL", 0)',
        ),
        "PyTorch-VAE's default weight": (
            "PYTORCH_VAE_WEIGHT = 0.00025",
            "PYTORCH_VAE_WEIGHT = 0.0025",
        ),
        "the squared error without its square": (
            "((image - mean) ** 2).mean(axis=1)",
            "abs(image - mean).mean(axis=1)",
        ),
        "Keras clips at 1e-3": (
            "KERAS_EPSILON = 1e-7",
            "KERAS_EPSILON = 1e-3",
        ),
        "Keras's loss for means outside [0, 1]": (
            "cross_entropy if is_inside else",
            "cross_entropy if True else",
        ),
    },
    "arrays/streams.py": {
        "evaluation and training have one stream": (
            "EVALUATE = 4",
            "EVALUATE = 3",
        ),
        "test and evaluation have one stream": (
            "TEST = 6",
            "TEST = 4",
        ),
        "samples and weights have one stream": (
            "    SAMPLE = 8\n",
            "    SAMPLE = 0\n",
        ),
        "all batches of an epoch have one stream": (
            "(*seed.spawn_key, *address)",
            "(*seed.spawn_key, *address[:2])",
        ),
        "a child of a seed is its parent": (
            "spawn_key=(*seed.spawn_key, *address)",
            "spawn_key=address",
        ),
        "samples and scores have one stream": (
            "    SAMPLE = 8\n",
            "    SAMPLE = 7\n",
        ),
    },
    "saving/storage.py": {
        "arrays in Fortran order are scrambled": (
            'newbyteorder("="), order="C")',
            'newbyteorder("=")).ravel(order="K").reshape(array.shape)',
        ),
        "a compressed size is believed": (
            "info.compress_type or info.compress_size != info.file_size",
            "info.compress_type",
        ),
        "a link is replaced": (
            "os.path.realpath(Path(path).expanduser())",
            "path",
        ),
        "the umask is ignored": (
            "        os.replace(temporary, path)",
            "        os.chmod(temporary, 0o644)\n        os.replace(temporary, path)",
        ),
    },
    "saving/checkpoint.py": {
        "the file has the state before the callbacks": (
            "self.ready = self.state",
            "self.ready = self.ready or self.state",
        ),
        "the rule is not restored": (
            'OBJECTS = "adam", "rule", "local"',
            'OBJECTS = "adam", "local"',
        ),
        "another fit is not refused": (
            "            self._compare(manifest",
            "            (manifest",
        ),
    },
    "saving/provenance.py": {
        "only the first rows have a digest": (
            "for start in range(0, X.shape[0], rows):",
            "for start in range(0, 1, rows):",
        ),
        "the seed is not recorded": (
            '"rng": plain(seed.entropy)',
            '"rng": 0',
        ),
    },
    "vae.py": {
        "the objective drops beta": (
            "beta=float(beta), analytic",
            "beta=1.0, analytic",
        ),
        "the objective squares beta": (
            "beta=float(beta), analytic",
            "beta=float(beta) ** 2, analytic",
        ),
        "samples have the same pixel noise in each call": (
            "likelihood.sample(rng, *outputs)",
            "likelihood.sample(np.random.default_rng(0), *outputs)",
        ),
        "reconstructions at a code with sigma squared": (
            "z = self.loss().reparameterize(z, logsigma, eps)",
            "z = self.loss().reparameterize(z, 2 * logsigma, eps)",
        ),
        "reconstructions: one noise for all rows": (
            "eps = noise.standard_normal(z.shape, dtype=z.dtype)",
            "eps = np.broadcast_to(noise.standard_normal(z.shape[1], dtype=z.dtype), z.shape)",
        ),
        "scores: the shared draws are not in pairs": (
            "eps = np.concatenate([half, -half])",
            "eps = np.concatenate([half, half])",
        ),
        "scores: shared draws, their sum": (
            "return (-sum(losses) / len(losses),)",
            "return (-sum(losses),)",
        ),
        "bits without the log(2)": (
            "-score / (self.n_features * math.log(2))",
            "-score / self.n_features",
        ),
        "the objective drops the analytic KL": (
            'self.terms(normalized), kl == "analytic"\n        encode, decode',
            "self.terms(normalized), False\n        encode, decode",
        ),
    },
    "inference/proposal.py": {
        "samples of the prior are 1.1 times too wide": (
            "    return eps\n",
            "    return 1.1 * eps\n",
        ),
        "the prior's share is not in the density": (
            "        return np.logaddexp.reduce(logs)\n",
            "        return logs[-1]\n",
        ),
        "rows of another batch's q": (
            "(mu[rows], logsigma[rows])",
            "(mu[: len(mu[rows])], logsigma[: len(mu[rows])])",
        ),
    },
    "arrays/adam_step.py": {
        "small arrays are written back one element late": (
            "start = stop",
            "start = stop + 1",
        ),
        "the moments of small arrays are not written back": (
            "zip(joined, tables, strict=True)",
            "zip(joined[:1], tables[:1], strict=True)",
        ),
        "a single array that is a copy is not written back": (
            "if len(names) == 1 and params[names[0]].flags.c_contiguous:",
            "if len(names) == 1:",
        ),
        "the edges of blocks are updated twice, after the fourth": (
            "slice(start, start + BLOCK)",
            "slice(start, start + BLOCK + (start > 3 * BLOCK))",
        ),
        "the last element of a block is skipped, after the fourth": (
            "slice(start, start + BLOCK)",
            "slice(start, start + BLOCK - (start > 3 * BLOCK))",
        ),
        "the last element of an array of many blocks is skipped": (
            "range(0, p.size, BLOCK)",
            "range(0, p.size - (p.size > 4 * BLOCK), BLOCK)",
        ),
        "moments are flushed too early": (
            "moment *= abs(moment) > TINY",
            "moment *= abs(moment) > 1e-7",
        ),
        "the moments are never flushed": (
            "if t % FLUSH_EVERY == 0:",
            "if t < 0:",
        ),
        "epsilon is not scaled": (
            "step, epsilon * s\n",
            "step, epsilon\n",
        ),
        "no bias correction of m": (
            "* s / (1 - beta1**t)\n",
            "* s\n",
        ),
    },
}

# Generated mutants that cannot be killed: the changed line before and after, and the reason.
EQUIVALENT = {
    "plain.py": {
        (
            "loss = self.losses(params, x, eps) + full(x, (len(x),), 0.0)",
            "loss = self.losses(params, x, eps) - full(x, (len(x),), 0.0)",
        ): "zeros",
        (
            "unknown = loss * np.nan",
            "unknown = loss / np.nan",
        ): "NaN, either way",
    },
    "priors.py": {
        (
            "return mu[k] + np.exp(logsigma[k]) * rng.standard_normal(shape, dtype=dtype)",
            "return mu[k] - np.exp(logsigma[k]) * rng.standard_normal(shape, dtype=dtype)",
        ): "the noise is symmetric",
        (
            "z[None], mu[:, None], logsigma[:, None], normalized=normalized",
            "mu[:, None], z[None], logsigma[:, None], normalized=normalized",
        ): "the density is symmetric in z and mu",
    },
    "saving/provenance.py": {
        (
            "rows = max(1, CHUNK_BYTES // max(1, row_bytes))",
            "rows = max(2, CHUNK_BYTES // max(1, row_bytes))",
        ): "rows at a time",
    },
    "gradient.py": {
        (
            "waiting, reached = {end._node: (vspace(end._value).ones(), False)}, {}",
            "waiting, reached = {end._node: (vspace(end._value).ones(), True)}, {}",
        ): "whether the end's gradient may be changed in place; nothing is added to it",
    },
    "inference/decompositions.py": {
        (
            "nlq = neglogposterior(np.broadcast_to(z[:, None], shape), mu[None], logsigma[None])",
            "nlq = neglogposterior(mu[None], np.broadcast_to(z[:, None], shape), logsigma[None])",
        ): "a normal density has the same value if z and mu are exchanged",
        (
            "seed = sampling_generator(rng, Stream.GAPS).integers(2**32)",
            "seed = sampling_generator(rng, Stream.GAPS).integers(2*32)",
        ): "any number is a seed",
        (
            "seed = sampling_generator(rng, Stream.GAPS).integers(2**32)",
            "seed = sampling_generator(rng, Stream.GAPS).integers(2**33)",
        ): "any number is a seed",
        (
            "seed = sampling_generator(rng, Stream.GAPS).integers(2**32)",
            "seed = sampling_generator(rng, Stream.GAPS).integers(3**32)",
        ): "any number is a seed",
        (
            "learning_rate=0.1,",
            "learning_rate=0.05,",
        ): "a choice: how fast, not where to",
        (
            "n_steps=300,",
            "n_steps=301,",
        ): "a choice: how long",
    },
    "inference/importance.py": {
        (
            "if from_prior < 2:",
            "if from_prior < 3:",
        ): "a choice: how many are worth it",
        (
            "if not heavy.any() or (step and heavy.sum() > 1 + len(found.value) / 2):",
            "if not heavy.any() or (step and heavy.sum() > 1 + len(found.value) / 3):",
        ): "a choice: when more q are no longer worth their time",
        (
            "if not heavy.any() or (step and heavy.sum() > 1 + len(found.value) / 2):",
            "if not heavy.any() or (step and heavy.sum() > 1 - len(found.value) / 2):",
        ): "a choice: when more q are no longer worth their time",
    },
    "inference/quadrature.py": {
        (
            "log_hidden = 2 * top - bottom + log_half + latent_dim * np.log(2)",
            "log_hidden = 3 * top - bottom + log_half + latent_dim * np.log(2)",
        ): "a choice: more cells are divided",
        (
            "if (wrong > TRUSTED).any():",
            "if (wrong >= TRUSTED).any():",
        ): "an exact tie",
        (
            "return (center[:, None] + half[:, None, None] * unit).reshape(-1, latent_dim)",
            "return (center[:, None] - half[:, None, None] * unit).reshape(-1, latent_dim)",
        ): "the nodes of both rules are symmetric",
        (
            "at_edge = (reach > self.extent * (1 - 1e-9)).any(axis=1)",
            "at_edge = (reach > self.extent * (1 - 5e-10)).any(axis=1)",
        ): "a tolerance for rounding",
        (
            "at_edge = (reach > self.extent * (1 - 1e-9)).any(axis=1)",
            "at_edge = (reach >= self.extent * (1 - 1e-9)).any(axis=1)",
        ): "a tolerance for rounding",
        (
            "GOAL = 1e-4  # nats: a sum of errors of all cells that needs no smaller cells",
            "GOAL = 5e-05  # nats: a sum of errors of all cells that needs no smaller cells",
        ): "a choice: more exact",
        (
            "batches = self.vae.batches(X, max(1, 10_000 * CHUNK_ROWS // len(z)))",
            "batches = self.vae.batches(X, max(1, 10_000 / CHUNK_ROWS // len(z)))",
        ): "rows at a time",
    },
    "likelihoods/base.py": {
        (
            "if high > 128",
            "if high >= 128",
        ): "advice in a message",
        (
            "if high > 128",
            "if high > 129",
        ): "advice in a message",
    },
    "likelihoods/gaussian.py": {
        (
            "return mu + np.exp(logsigma) * rng.standard_normal(mu.shape, dtype=mu.dtype)",
            "return mu - np.exp(logsigma) * rng.standard_normal(mu.shape, dtype=mu.dtype)",
        ): "the normal distribution is symmetric",
    },
    "stopping.py": {
        (
            "improves = means < self.lowest - self.tol",
            "improves = means <= self.lowest - self.tol",
        ): "an exact tie of two means",
    },
    "ops.py": {
        (
            "zeros = np.zeros_like(x, shape=x.shape[-1:])  # a row: faster than a single zero",
            "zeros = np.zeros_like(x, shape=x.shape[1:])  # a row: faster than a single zero",
        ): "zeros are broadcast",
        (
            "defvjp(mean, lambda ans, x: lambda g: g / x.size + full(x, x.shape, 0.0))",
            "defvjp(mean, lambda ans, x: lambda g: g / x.size - full(x, x.shape, 0.0))",
        ): "zeros, for the shape",
    },
}
