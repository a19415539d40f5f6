"""Tiny Transformers folders: a config, and on request a tokenizer and weights that fit it."""

import json
from collections.abc import Mapping
from pathlib import Path

BERT: Mapping[str, object] = {
    "model_type": "bert",
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}
GPT: Mapping[str, object] = {"model_type": "gpt2", "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 300}
WORDS = "the a day was very it and then we went home to see some trees good great nice bad awful sad".split()  # noqa: SIM905 - a sentence reads better


def config(folder: Path, values: Mapping[str, object]) -> Path:
    """A folder with only a config."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(values))
    return folder


def bert(folder: Path) -> Path:
    """A BERT with its tokenizer (marks, and a padding that must be ignored) and the weights of masked words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForMaskedLM

    marks = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
    known = {word: i for i, word in enumerate((*marks, *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(length=50)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    shape = {name: value for name, value in BERT.items() if name != "model_type"}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForMaskedLM(BertConfig(**shape, vocab_size=len(known))).save_pretrained(folder)
    return folder


def gpt(folder: Path) -> Path:
    """A GPT-2 of bytes with its tokenizer and weights."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({"<|end|>": 0, **{c: i for i, c in enumerate(alphabet, start=1)}}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    shape = {name: value for name, value in GPT.items() if name != "model_type"}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = GPT2LMHeadModel(GPT2Config(**shape, vocab_size=257, bos_token_id=0, eos_token_id=0))
        made.save_pretrained(folder)
    return folder
