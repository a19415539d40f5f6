"""A model of Transformers around its config, for whole texts or for the next token.

``params`` holds ``config`` (the checkpoint's, with the spec's changes), ``offset`` (how far ids of its own tokenizer
were moved up; 0 for a tokenizer learnt here) and ``weights`` (file name -> sha256 of what it started from). Nothing is
downloaded and no code but the installed package's runs.

Shapes: ids (B, L) padded on the right with 0 -> scores (B, outputs), or (B, L, vocabulary) for language models. The
last layer for whole texts is always new.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainwright.core.errors import ArtifactRefused, SpecError
from trainwright.core.jsonable import JsonValue
from trainwright.core.packages import first_line, needs_package, whole_or_absent
from trainwright.engines.torch.networks.contract import Inputs

_NEVER = -1e4  # the score of an id that no text has: its probability is 0 in float32, and float16 holds it
_MOST_FRESH = 0.5  # assumption: of the tensors; a pooler or a new head are two or three of a hundred
_HINT = "Transformers imports it where it is there: install the build that goes with torch, or remove it"


def build(params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> nn.Module:
    """The network with fresh weights.

    Raises:
        SpecError: the config makes no network, or one too small for the tokens or the length of a row.
        ResourceMissing: the package ``transformers`` is not installed, or broken.
    """
    return TransformersModel(params, inputs, outputs)


class TransformersModel(nn.Module):
    """``ids -> the package's own module -> scores``."""

    def __init__(self, params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> None:
        super().__init__()
        given = params["config"]
        assert isinstance(given, Mapping)
        self.offset = int(str(params["offset"]))
        self.language = inputs.kind == "language"
        self.maker, config = _maker(given, language=self.language)
        if not self.offset:
            config.vocab_size = inputs.vocabulary
            config.bos_token_id = config.eos_token_id = None
            config.pad_token_id = inputs.pad
        elif inputs.vocabulary - self.offset > config.vocab_size:
            raise SpecError(
                f"the tokenizer has {inputs.vocabulary - self.offset} ids and config.json a vocab_size of "
                f"{config.vocab_size}: they belong to different models"
            )
        if config.pad_token_id is None:  # a decoder has none; its attention mask says what is padding
            config.pad_token_id = next((one for one in (config.eos_token_id, 0) if isinstance(one, int)), 0)
        if not self.language:
            config.num_labels = outputs
        self.pad = int(config.pad_token_id)
        self.begin = next((one for one in (config.bos_token_id, config.eos_token_id) if isinstance(one, int)), self.pad)
        self.vocabulary = inputs.vocabulary
        _check_length(config, inputs)
        try:
            self.model: nn.Module = self.maker.from_config(config, trust_remote_code=False)
        except Exception as error:  # the package's own checks: anything may come
            raise SpecError(f"Transformers makes no model of this config: {first_line(error)}") from error
        self.model.float()

    def forward(self, ids: Tensor) -> Tensor:
        """(B, L) -> (B, outputs), or (B, L, vocabulary). Negative ids are context, read like any other."""
        return self._next(ids.abs()) if self.language else self._whole(ids)

    def _whole(self, ids: Tensor) -> Tensor:
        present = ids != 0
        own = torch.where(present, (ids - self.offset).clamp(min=0), self.pad)
        out: Tensor = self.model(input_ids=own, attention_mask=present.long()).logits
        return out

    def _next(self, ids: Tensor) -> Tensor:
        own = torch.where(ids == 0, self.begin, (ids - self.offset).clamp(min=0))
        scores: Tensor = self.model(input_ids=own).logits
        if not self.offset:
            return scores
        known = scores[..., : self.vocabulary - self.offset]
        return F.pad(known, (self.offset, 0), value=_NEVER)

    def start_from(self, files: Sequence[Path]) -> list[str]:
        """Take the weights of a checkpoint, all but the last layer for whole texts; gives what stays as it was.

        Raises:
            ArtifactRefused: they are those of another model.
        """
        folder = files[0].parent
        try:
            loaded, told = self.maker.from_pretrained(
                folder,
                config=self.model.config,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                dtype=torch.float32,
            )
        except Exception as error:  # the package's own reader: anything may come
            raise ArtifactRefused(f"{folder} holds no weights that can be read: {first_line(error)}") from error
        missing = {str(name) for name in told["missing_keys"]}
        resized = {str(one[0]) for one in told["mismatched_keys"]}
        kept = {n: t for n, t in loaded.state_dict().items() if n not in missing | resized and self._is_body(n, loaded)}
        fresh = [f"model.{name}" for name, _ in self.model.named_parameters() if name not in kept]
        if wrong := sorted(name for name in resized if self._is_body(name, loaded)):
            raise ArtifactRefused(
                f"{folder}: the weights of the config's network are required, and {len(wrong)} have another shape "
                f"(first: {wrong[0]}). Take back what changes the network under architecture_spec"
            )
        if len(fresh) > _MOST_FRESH * sum(1 for _ in self.model.parameters()):
            raise ArtifactRefused(
                f"{folder}: the weights of the config's network are required, and {len(fresh)} are not there "
                f"(first: {fresh[0].removeprefix('model.')}): they are another network's"
            )
        self.model.load_state_dict(kept, strict=False)
        return fresh

    def _is_body(self, name: str, loaded: Any) -> bool:
        """Whether a weight is below the head, or the head is the checkpoint's own: that of a language model."""
        return self.language or name.startswith(f"{loaded.base_model_prefix}.")


def _maker(given: Mapping[str, JsonValue], *, language: bool) -> tuple[Any, Any]:
    """The package's class for the task, and the config as its object."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    whole_or_absent("torchvision", hint=_HINT)
    with needs_package("transformers", "text"):
        from transformers import CONFIG_MAPPING, AutoModelForCausalLM, AutoModelForSequenceClassification, logging
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    plain = {k: v for k, v in given.items() if k not in ("auto_map", "_name_or_path", "attn_implementation")}
    try:
        config = CONFIG_MAPPING[str(plain["model_type"])].from_dict(plain)
    except Exception as error:  # the package's own checks: anything may come
        raise SpecError(f"Transformers does not take this config: {first_line(error)}") from error
    config.use_cache = False
    return (AutoModelForCausalLM if language else AutoModelForSequenceClassification), config


def _check_length(config: Any, inputs: Inputs) -> None:
    most, length = getattr(config, "max_position_embeddings", None), inputs.shape[0] - (inputs.kind == "language")
    if isinstance(most, int) and 0 < most < length:
        fix = "Lower data.stretch" if inputs.kind == "language" else "Lower length in architecture_spec"
        raise SpecError(f"rows have {length} tokens, and the model has {most} positions. {fix}")
