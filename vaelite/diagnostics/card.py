"""What a notebook shows of a model: a card in HTML, without scripts and style sheets.

Text and lines have the page's own color, so that the card is readable on light and on
dark pages. All texts are escaped.
"""

from html import escape

import numpy as np

from ..vae import LatentModel
from .findings import count

POINTS = 300  # of a curve, at most
WIDTH, HEIGHT, LEFT, BOTTOM = 360, 140, 52, 18  # of the curves, in pixels
CURVES = {  # color, width, dashes, name; the colors are visible on white and on black
    "train_loss": ("#888888", 2.5, "", "training rows, during the epoch"),
    "eval_loss": ("#3b8bd9", 1.5, "", "training rows, after it"),
    "val_loss": ("#3b8bd9", 1.5, "", "held-out rows, after it"),
    "test_loss": ("#e07b00", 1.5, "5 3", "test rows, after it"),
}


def card(model):
    """Return a model as HTML: networks, objective, how the fit ended, the curve.

    Parameters
    ----------
    model : LatentModel
        Fitted or not.

    Returns
    -------
    str
    """
    rows = "".join(
        f'<dt style="opacity:0.7;font-weight:normal;margin:0">{escape(name)}</dt>'
        f'<dd style="margin:0">{_text(value)}</dd>'
        for name, value in _facts(model).items()
        if value
    )
    return (
        '<div style="max-width:60em;font-size:13px;line-height:1.5">'
        f"<strong>{escape(type(model).__name__)}</strong> {escape(_status(model))}"
        '<dl style="display:grid;grid-template-columns:max-content 1fr;gap:0 1em;margin:0.3em 0">'
        f"{rows}</dl>{learning_curve(model)}</div>"
    )


def _text(value):
    return escape(str(value)).replace("\n", "<br>")


def _status(model):
    if model.solution is None:
        return "(not fitted: call fit)"
    if not model.n_epochs:
        return f"({model.stop_reason})"
    return f"({'converged' if model.converged else 'not converged'})"


def _facts(model):
    """What the card says, by name; None where there is nothing to say."""
    solution = model.solution
    facts = {"code": count(model.latent_dim, "latent")}
    parts = ("encoder", "decoder", *(("prior",) if model.has_posterior else ()))
    facts |= {name: _part(model, name) for name in parts}
    facts |= {"likelihood": repr(model.likelihood), "your own terms": ", ".join(model.own_terms)}
    if solution is None:
        return facts
    sizes = [array.size for array in solution.params.values()]
    facts |= {"parameters": f"{sum(sizes):,}", "objective": objective(model)}
    if solution.n_epochs:
        facts["epochs"] = f"{solution.n_epochs}; the model is epoch {solution.best_epoch}'s"
        facts["stopped"] = solution.stop_reason
    what = "ELBO" if model.has_posterior else "log p(x|z)"
    scores = [f"{score:.2f} ({name} rows)" for name, score in solution.scores.items()]
    facts[what] = f"{', '.join(scores)}, nats per example" if scores else None
    return facts | {"doctor": None if model.diagnosis is None else str(model.diagnosis)}


def _part(model, name):
    """A network or a prior, with sizes and numbers of parameters if they are known."""
    if name == "encoder" and not model.is_amortized:
        return None
    text = repr(model.part(name))
    if model.solution is None:
        return text
    params = {key: a for key, a in model.params.items() if key.startswith(f"{name}.")}
    if name in model.networks():
        _, n_inputs, heads = model.networks()[name]
        outputs = ", ".join(f"{head} ({size})" for head, (size, _) in heads.items())
        text += f"\n{n_inputs} inputs, outputs {outputs}"
    return text + (f", {sum(a.size for a in params.values()):,} parameters" if params else "")


def objective(model):
    """Return in words what a fit has minimized, or None for a model without a record.

    Parameters
    ----------
    model : LatentModel
        Fitted or built.

    Returns
    -------
    str or None
    """
    settings = model.solution.provenance.get("settings")
    if not settings:
        return None
    if not model.has_posterior:
        return "-log p(x|z) at the code"
    if settings["objective"]:
        return f"your own, {settings['objective']['own']}"
    samples = settings.get("importance_samples", 1)
    words = [f"importance-weighted bound, {samples} samples" if samples > 1 else "negative ELBO"]
    words += [f"beta = {settings['beta']:g}"] if settings["beta"] != 1 else []
    words += ["KL in closed form"] if settings["kl"] == "analytic" else []
    warmup = settings["warmup_epochs"]
    words += [f"weight of the KL part from 0 in {count(warmup, 'epoch')}"] if warmup else []
    return ", ".join(words)


def limits(*losses):
    """Return limits for falling curves, without a steep start that would hide the rest.

    Parameters
    ----------
    *losses : arrays, shape (epochs,)

    Returns
    -------
    array, shape (2,)
    """
    low = min(map(np.nanmin, losses))
    high = max(np.nanquantile(c, 0.95) if len(c) > 5 else np.nanmax(c) for c in losses)
    margin = (high - low) or 1.0
    return np.array([low - 0.1 * margin, high + 0.3 * margin])


def learning_curve(model):
    """Return the losses by epoch as an inline SVG; "" for a model without a history."""
    history = model.solution.history if model.solution else {}
    curves = {name: np.array(history[name], float) for name in CURVES if name in history}
    curves = {name: curve for name, curve in curves.items() if np.isfinite(curve).any()}
    if not curves:
        return ""
    epochs, (low, high) = np.array(history["epoch"], float), limits(*curves.values())
    span = max(epochs[-1] - epochs[0], 1)
    x = 4 + (epochs - epochs[0]) / span * (WIDTH - 8)
    y = {name: (high - curve) / (high - low) * HEIGHT for name, curve in curves.items()}
    lines = "".join(_line(name, x, y[name]) for name in y)
    if "val_loss" in y and model.best_epoch in history["epoch"]:
        kept = history["epoch"].index(model.best_epoch)
        cx, cy = x[kept], y["val_loss"][kept]
        lines += f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="3.5" fill="#3b8bd9"/>'
    legend = "".join(
        f'<span style="color:{CURVES[name][0]}">&#9644;</span> {escape(CURVES[name][3])} &ensp;'
        for name in y
    )
    return f'{_frame(lines, epochs, low, high)}<div style="opacity:0.8">{legend}</div>'


def _line(name, x, y):
    """A curve of at most `POINTS` points; one point alone is a dot."""
    color, width, dashes, _ = CURVES[name]
    chosen = np.flatnonzero(np.isfinite(y))
    chosen = chosen[np.unique(np.linspace(0, len(chosen) - 1, POINTS).round().astype(int))]
    if len(chosen) == 1:
        return f'<circle cx="{x[chosen[0]]:.1f}" cy="{y[chosen[0]]:.1f}" r="3" fill="{color}"/>'
    points = " ".join(f"{x[i]:.1f},{y[i]:.1f}" for i in chosen)
    return (
        f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="{width}" '
        f'stroke-dasharray="{dashes}" stroke-linecap="round"/>'
    )


def _frame(lines, epochs, low, high):
    """The axes with the smallest and the largest number of each, and the curves."""
    style = 'fill="currentColor" font-size="11"'
    first, last = epochs[0], epochs[-1]
    texts = [
        (LEFT - 4, 10, "end", f"{high:.4g}"),
        (LEFT - 4, HEIGHT, "end", f"{low:.4g}"),
        (LEFT, HEIGHT + 14, "start", f"{first:g}"),
        (LEFT + WIDTH / 2, HEIGHT + 14, "middle", "epoch"),
        (LEFT + WIDTH, HEIGHT + 14, "end", f"{last:g}" if last > first else ""),
    ]
    labels = "".join(
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" {style}>{text}</text>'
        for x, y, anchor, text in texts
    )
    size = f'width="{LEFT + WIDTH}" height="{HEIGHT + BOTTOM}"'
    return (
        '<div style="opacity:0.8">loss, nats per example</div>'
        f'<svg {size} role="img" aria-label="Learning curve" style="display:block">'
        f'<path d="M{LEFT} 0V{HEIGHT}H{LEFT + WIDTH}" fill="none" stroke="currentColor" '
        f'stroke-opacity="0.5"/>{labels}<svg x="{LEFT}" y="0" width="{WIDTH}" '
        f'height="{HEIGHT}" overflow="hidden">{lines}</svg></svg>'
    )


LatentModel._repr_html_ = card  # what a notebook shows; training does not need it
