"""Pretrained text models of Hugging Face under our grid head: frozen, partly or wholly trained."""

from __future__ import annotations

import contextlib
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vlatent.annotations import Int, PositiveFloat, PositiveInt
from vlatent.encoder import EncoderConfig, GridHead, Mask
from vlatent.hugging_face import loaded
from vlatent.layers import first_weights
from vlatent.shapes import Latent, UserError

ALL = -1  # layers: the whole backbone, embeddings too
UNUSED = "pooler."  # of BERT and its like: the grid reads token states


class PretrainedEncoder(GridHead):
    """A pretrained text model that reads, and our grid that draws what it has read.

    Any model of Hugging Face's `AutoModel` will do, by its folder or its name on the hub; of those
    with a decoder the encoder is taken. Its own tokenizer reads the sentences unless
    `data.tokenizer` names another. A frozen part runs without dropout and without gradients, and
    is computed anew in every step: its token states are not kept.
    """

    backbone: Any

    def __init__(
        self,
        vocabulary: int,
        name: str,
        trained_layers: int = 0,
        layer_decay: PositiveFloat = 1.0,
        hidden: PositiveInt = 384,
        heads: PositiveInt = 8,
        height: PositiveInt = 32,
        width: PositiveInt = 32,
        channels: PositiveInt = 6,
        grid_hidden: PositiveInt = 64,
        grid_layers: PositiveInt = 2,
        grid_feed_forward: PositiveInt = 768,
        smoothing: bool = False,
        embedding: PositiveInt = 256,
        initialisation: Literal["normal", "fan_in"] = "fan_in",
    ) -> None:
        """Load the backbone and make a head.

        Args:
            vocabulary: Entries of the tokenizer.
            name: Folder of the backbone, or its name on the hub.
            trained_layers: How many of its last layers are trained: 0 freezes it, -1 trains all of
                it, the embeddings too.
            layer_decay: Factor of the learning rate from each trained layer to the one below; 1
                trains all at the rate of the head.
            hidden: Width of the head, to which token states are mapped.
            heads: Attention heads of the head.
            height: Height of the latent.
            width: Width of the latent.
            channels: Channels of the latent.
            grid_hidden: Width of the learned grid before the convolutions.
            grid_layers: Cross-attention blocks from the grid to the tokens.
            grid_feed_forward: Inner width of these blocks' feed-forward part.
            smoothing: End with a 3x3 depthwise and a 1x1 convolution, against checkerboards.
            embedding: Width of the pooled sentence embedding.
            initialisation: First weights of the head, as encoder.initialisation.

        Raises:
            UserError: There is no such model, or it does not fit the tokenizer or the settings.
        """
        super().__init__()
        self.backbone = _backbone(name)
        self.layer_decay = layer_decay
        rows = self.backbone.get_input_embeddings().num_embeddings
        if vocabulary > rows:
            raise UserError(
                f"the tokenizer has {vocabulary} entries and {name} knows {rows}: leave "
                "data.tokenizer out, which takes the tokenizer of the backbone."
            )
        self.stack, self.layers = _stack(self.backbone)
        self._freeze(name, trained_layers)
        head = EncoderConfig(
            hidden=hidden,
            heads=heads,
            height=height,
            width=width,
            channels=channels,
            grid_hidden=grid_hidden,
            grid_layers=grid_layers,
            grid_feed_forward=grid_feed_forward,
            smoothing=smoothing,
            embedding=embedding,
        )
        self.norm = nn.LayerNorm(self.backbone.config.hidden_size)
        self.narrow = nn.Linear(self.backbone.config.hidden_size, hidden)
        self.add_head(head)
        for child, module in self.named_children():
            if child != "backbone":
                module.apply(first_weights(initialisation))

    @staticmethod
    def own_tokenizer(name: str, **_: object) -> str:
        """The backbone's tokenizer."""
        return name

    def forward(self, ids: Int[Tensor, "batch token"], mask: Mask) -> Latent:
        """Encode sentences; `mask` is true where there is a token."""
        frozen = not any(value.requires_grad for value in self.backbone.parameters())
        with torch.no_grad() if frozen else contextlib.nullcontext():
            read = self.backbone(input_ids=ids, attention_mask=mask.long())
        return self.read(self.narrow(self.norm(read.last_hidden_state)), mask)

    def train(self, mode: bool = True) -> PretrainedEncoder:
        """Train what is trained; frozen parts stay without dropout."""
        super().train(mode)
        for module in self.backbone.modules():
            values = list(module.parameters())
            if values and not any(value.requires_grad for value in values):
                module.eval()
        return self

    def learning_rate_factors(self) -> dict[str, float]:
        """layer_decay to the number of layers above, by parameter; 1 in the head."""
        return {
            f"backbone.{name}": self.layer_decay ** self._above(name)
            for name, value in self.backbone.named_parameters()
            if value.requires_grad and self.layer_decay != 1
        }

    def _above(self, name: str) -> int:
        """How many layers lie above a parameter, the head's edge counted as one."""
        layer = _layer(name, self.stack)
        if layer is not None:
            return self.layers - layer
        return self.layers + 1 if self._is_below(name) else 0

    def _is_below(self, name: str) -> bool:
        """Whether a parameter outside of the layers comes before them."""
        names = [path for path, _ in self.backbone.named_parameters()]
        layers = [place for place, path in enumerate(names) if _layer(path, self.stack) is not None]
        return names.index(name) < layers[0] if layers else True

    def _freeze(self, name: str, trained_layers: int) -> None:
        """Leave a gradient to what is trained."""
        if not ALL <= trained_layers <= self.layers:
            raise UserError(
                f"encoder.init_args.trained_layers must be -1 (all of {name}), 0 (frozen) or at "
                f"most {self.layers}, its layers, but got {trained_layers}."
            )
        for path, value in self.backbone.named_parameters():
            layer = _layer(path, self.stack)
            if trained_layers == ALL:
                trained = True
            elif trained_layers == 0:
                trained = False
            else:
                trained = (
                    layer >= self.layers - trained_layers
                    if layer is not None
                    else (not self._is_below(path))
                )
            value.requires_grad_(trained and not path.startswith(UNUSED))


def _backbone(name: str) -> Any:
    """A model without decoder, in fp32, ready to be frozen or trained."""
    from transformers import AutoModel  # takes seconds, and few runs need it
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]

    def load(name: str, **settings: Any) -> Any:
        return AutoModel.from_pretrained(name, dtype=torch.float32, **settings)

    model = loaded(
        load,
        name,
        "model",
        "save one there with its save_pretrained",
        "name a folder, or run once where the hub can be reached",
    )
    if getattr(model.config, "is_encoder_decoder", False):
        model = model.get_encoder()
    return model


def _stack(backbone: Any) -> tuple[str, int]:
    """Path of the list of layers and their number; none where it cannot be told."""
    count = getattr(backbone.config, "num_hidden_layers", None)
    for path, module in backbone.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return path, len(module)
    return "", 0


def _layer(path: str, stack: str) -> int | None:
    """The layer to which a parameter belongs."""
    if not stack or not path.startswith(f"{stack}."):
        return None
    return int(path.removeprefix(f"{stack}.").split(".")[0])
