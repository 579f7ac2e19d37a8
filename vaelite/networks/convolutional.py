"""Convolutional networks for images: an encoder, and a decoder.

Between two layers a map is flat, (batch, rows * columns * channels), as for dense
layers. Reshaping it costs nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import autograd.numpy as np

from ..checks import check_choice, check_count, check_sizes, shown
from ..ops import ACTIVATIONS, affine, reshape
from .base import INITS, Network
from .convolution import convolve, convolve_transposed


@dataclass(frozen=True)
class _ImageNetwork(Network):
    """The settings of both networks."""

    image_shape: tuple
    channels: int | Sequence[int]
    kernel: int = 4
    stride: int = 2
    hidden_dim: int | Sequence[int] = ()
    activation: str = "relu"
    init: str = "glorot"

    def __post_init__(self):
        checked = {
            "image_shape": _check_image_shape(self.image_shape),
            "channels": _check_channels(self.channels),
            "kernel": check_count("kernel", self.kernel),
            "stride": check_count("stride", self.stride),
            "hidden_dim": check_sizes("hidden_dim", self.hidden_dim),
            "activation": check_choice("activation", self.activation, ACTIVATIONS),
            "init": check_choice("init", self.init, INITS),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # an instance is frozen

    def _grids(self):
        """Rows and columns of the image, and of the map after each convolution."""
        grids = [self.image_shape[:2]]
        for _ in self.channels:
            grids.append(tuple(-(-size // self.stride) for size in grids[-1]))
        return grids


@dataclass(frozen=True)
class Convolutional(_ImageNetwork):
    """A convolutional encoder: convolutions, then dense layers, then affine outputs.

    Each input row is an image, flattened with the channels last. A row can have more
    numbers after the image, for example a condition. They join after the convolutions.

    Parameters
    ----------
    image_shape : tuple of int
        (height, width) or (height, width, channels) of the images.
    channels : int or sequence of int
        Channels after each convolution. Each convolution divides height and width by
        the stride and rounds up.
    kernel : int
        Rows and columns of each kernel. Multiples of the stride are fastest.
    stride : int
        The stride of each convolution.
    hidden_dim : int or sequence of int
        Sizes of the dense hidden layers after the convolutions. The default is none.
    activation : {"relu", "tanh", "softplus"}
    init : {"glorot", "torch"}
        How weights start; see `Network.init_params`.

    Raises
    ------
    TypeError, ValueError
        If a setting is not valid, or (from `shapes`) if a row is shorter than an image.

    See Also
    --------
    TransposedConvolutional : The decoder.

    Examples
    --------
    >>> from vaelite import Convolutional, Head
    >>> encoder = Convolutional((28, 28), channels=(16, 32))
    >>> encoder.shapes(784, {"mu": Head(8)})
    {'0.W': (4, 4, 1, 16), '0.b': (16,), '1.W': (4, 4, 16, 32), '1.b': (32,),
     'mu.W': (1568, 8), 'mu.b': (8,)}
    >>> encoder.transposed()
    TransposedConvolutional(image_shape=(28, 28, 1), channels=(32, 16), kernel=4,
                            stride=2, hidden_dim=(), activation='relu', init='glorot')
    """

    def transposed(self):
        """The `TransposedConvolutional` with the same layers in reverse order."""
        return TransposedConvolutional(
            self.image_shape,
            self.channels[::-1],
            self.kernel,
            self.stride,
            self.hidden_dim[::-1],
            self.activation,
            self.init,
        )

    def check_inputs(self, n_inputs, n_conditions):
        """Refuse rows that are not an image of this shape, then the condition."""
        pixels = math.prod(self.image_shape)
        if n_inputs - n_conditions != pixels:
            product = " x ".join(map(str, self.image_shape))
            raise ValueError(
                f"the encoder expects images of {product} = {pixels} numbers, but a row has "
                f"{n_inputs - n_conditions}; pass image_shape=(height, width) of your images"
            )

    def shapes(self, n_inputs, heads):
        """The shape of each parameter by name.

        Kernels are (rows, columns, channels before, channels after).
        """
        pixels = math.prod(self.image_shape)
        self.check_inputs(n_inputs, max(0, n_inputs - pixels))
        channels = self.image_shape[2], *self.channels
        n_features = math.prod(self._grids()[-1]) * channels[-1] + n_inputs - pixels
        dense = n_features, *self.hidden_dim
        kernels = [(self.kernel, self.kernel, *pair) for pair in pairwise(channels)]
        layers = _layers((W, W[-1]) for W in (*kernels, *pairwise(dense)))
        return layers | self.head_shapes(dense[-1], heads)

    def __call__(self, params, h, heads):
        """One array (batch, size) per head, from h of shape (batch, n_inputs)."""
        activation, pixels = ACTIVATIONS[self.activation], math.prod(self.image_shape)
        h, others = (h[:, :pixels], h[:, pixels:]) if h.shape[1] > pixels else (h, None)
        n_convolutions = len(self.channels)
        for layer, grid in enumerate(self._grids()[:-1]):
            h = activation(self._convolved(params, f"{layer}", h, grid))
        if others is not None:
            h = np.concatenate([h, others], axis=1)
        for layer in range(n_convolutions, n_convolutions + len(self.hidden_dim)):
            h = activation(affine(h, params[f"{layer}.W"], params[f"{layer}.b"]))
        return self.outputs(params, h, heads)

    def _convolved(self, params, name, h, grid):
        W, b = params[f"{name}.W"], params[f"{name}.b"]
        image = reshape(h, (len(h), *grid, W.shape[2]))
        return reshape(convolve(image, W, self.stride) + b, (len(h), -1))


@dataclass(frozen=True)
class TransposedConvolutional(_ImageNetwork):
    """A convolutional decoder: dense layers, then transposed convolutions.

    The last dense layer makes the first, smallest map. Each transposed convolution
    multiplies height and width by the stride. Each head with one or more numbers per
    pixel, such as mu or logits, has a separate last transposed convolution. The other
    heads, such as one logsigma per image, are affine functions of the first map.

    Parameters
    ----------
    image_shape : tuple of int
        (height, width) or (height, width, channels) of the images. A head has
        ``size / (height * width)`` channels.
    channels : int or sequence of int
        Channels of the first map, and after each transposed convolution except the
        last.
    kernel : int
        Rows and columns of each kernel. Multiples of the stride are fastest.
    stride : int
        The stride of each transposed convolution.
    hidden_dim : int or sequence of int
        Sizes of the dense hidden layers before the first map. The default is none.
    activation : {"relu", "tanh", "softplus"}
    init : {"glorot", "torch"}
        How weights start; see `Network.init_params`.

    Raises
    ------
    TypeError, ValueError
        If a setting is not valid, or (from `shapes`) if no head has the size of an
        image.

    See Also
    --------
    Convolutional : The encoder. Its method ``transposed`` returns a matching decoder.

    Examples
    --------
    >>> from vaelite import Head, TransposedConvolutional
    >>> decoder = TransposedConvolutional((28, 28), channels=(32, 16))
    >>> decoder.shapes(8, {"logits": Head(784)})
    {'0.W': (8, 1568), '0.b': (1568,), '1.W': (4, 4, 16, 32), '1.b': (16,),
     'logits.W': (4, 4, 1, 16), 'logits.b': (1,)}
    """

    def shapes(self, n_inputs, heads):
        """The shape of each parameter by name.

        Kernels are (rows, columns, channels after, channels before), as
        `convolve_transposed` needs them.
        """
        images = self._images(heads)
        if not images:
            rows, columns, _ = self.image_shape
            sizes = ", ".join(f"{name}: {head.size}" for name, head in heads.items())
            raise ValueError(
                f"the decoder makes images of {rows} x {columns} = {rows * columns} pixels, with "
                f"one or more numbers per pixel, but the outputs have {sizes}; pass "
                "image_shape=(height, width) of your images"
            )
        n_features = math.prod(self._grids()[-1]) * self.channels[0]
        dense = pairwise((n_inputs, *self.hidden_dim, n_features))
        pairs = pairwise(self.channels)
        kernels = ((self.kernel, self.kernel, after, before) for before, after in pairs)
        found = _layers([*((W, W[1]) for W in dense), *((W, W[2]) for W in kernels)])
        for name, n_channels in images.items():
            found[f"{name}.W"] = self.kernel, self.kernel, n_channels, self.channels[-1]
            found[f"{name}.b"] = (n_channels,)
        return found | self.head_shapes(n_features, _without(images, heads))

    def __call__(self, params, h, heads):
        """One array (batch, size) per head, from h of shape (batch, n_inputs)."""
        activation, n_dense = ACTIVATIONS[self.activation], len(self.hidden_dim) + 1
        for layer in range(n_dense):
            h = activation(affine(h, params[f"{layer}.W"], params[f"{layer}.b"]))
        images = self._images(heads)
        others = _without(images, heads)
        found = dict(zip(others, self.outputs(params, h, others), strict=True))
        *grids, last, full = self._grids()[::-1]
        for layer, (small, large) in enumerate(pairwise([*grids, last]), n_dense):
            h = activation(self._enlarged(params, f"{layer}", h, small, large))
        for name in images:
            found[name] = self._enlarged(params, name, h, last, full)
        return tuple(found[name] for name in heads)

    def _enlarged(self, params, name, h, small, large):
        W, b = params[f"{name}.W"], params[f"{name}.b"]
        image = reshape(h, (len(h), *small, W.shape[3]))
        shape = len(h), *large, W.shape[2]
        return reshape(convolve_transposed(image, W, self.stride, shape) + b, (len(h), -1))

    def _images(self, heads):
        """The heads that are images, and how many channels each one has."""
        rows, columns, _ = self.image_shape
        return {
            name: head.size // (rows * columns)
            for name, head in heads.items()
            if head.varies and head.size % (rows * columns) == 0
        }


def _layers(weights):
    """Parameters of numbered layers, from (shape of the weights, number of biases)."""
    found = {}
    for layer, (shape, n_outputs) in enumerate(weights):
        found[f"{layer}.W"], found[f"{layer}.b"] = shape, (n_outputs,)
    return found


def _without(images, heads):
    return {name: head for name, head in heads.items() if name not in images}


def _check_image_shape(shape):
    if not isinstance(shape, (tuple, list)) or len(shape) not in (2, 3):
        raise ValueError(
            "image_shape should be (height, width) or (height, width, channels), for example "
            f"(28, 28), got {shown(shape)}"
        )
    return tuple(check_count("image_shape", size) for size in (*shape, 1)[:3])


def _check_channels(channels):
    channels = channels if isinstance(channels, (tuple, list)) else (channels,)
    if not channels:
        raise ValueError("channels should have one number or more, got none")
    return check_sizes("channels", channels)
