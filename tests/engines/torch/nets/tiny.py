"""A small network for tests, found in the engine's folder of networks; ``fault`` plants a mistake."""

import torch
from torch import nn


def build(params, inputs, outputs):
    return Tiny(dict(params), inputs, outputs)


class Tiny(nn.Module):
    def __init__(self, params, inputs, outputs):
        super().__init__()
        self.fault = params.get("fault", "")
        self.kind = inputs.kind
        width = params.get("width", 16)
        columns = inputs.shape[0] if inputs.kind == "table" else int(torch.Size(inputs.shape).numel())
        if self.kind == "language":
            self.embedding = nn.Embedding(inputs.vocabulary, width)
            columns = width
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(columns, width), nn.ReLU())])
        self.norm = nn.BatchNorm1d(width) if params.get("norm") else nn.Identity()
        self.dropout = nn.Dropout(params.get("dropout", 0.0))
        self.head = nn.Linear(width, outputs + (self.fault == "shape"))
        if self.fault == "unused":
            self.extra = nn.Linear(2, 2)
        if self.fault == "dead":
            nn.init.constant_(self.blocks[0][0].bias, -1e3)
        if self.fault == "loud":
            nn.init.normal_(self.head.weight, std=30.0)
        if self.fault == "batch norm":
            self.norm = nn.BatchNorm1d(width, track_running_stats=False)
        if self.fault == "frozen":
            self.requires_grad_(requires_grad=False)
        if "prior" in params:
            nn.init.zeros_(self.head.weight)
            nn.init.constant_(self.head.bias, torch.tensor(params["prior"]).logit())
        self.register_buffer("mean", torch.zeros(columns))
        self.gain = params.get("gain", 1.0)
        if "quiet" in params:
            nn.init.normal_(self.blocks[0][0].weight, std=params["quiet"])
            nn.init.zeros_(self.blocks[0][0].bias)
        self.most, self.full_from, self.passes = params.get("most", 0), params.get("full_from", 0), 0

    def fit_inputs(self, rows):
        if self.kind == "table":
            self.mean.copy_(rows.nanmean(0))

    def forward(self, x):
        if self.most and self.training:  # memory that has room for so many rows, from the n-th pass on
            self.passes += 1
            if self.passes > self.full_from and len(x) > self.most:
                raise torch.OutOfMemoryError("CUDA out of memory")
        if self.kind == "language":
            hidden = self.embedding(x)
            if self.fault == "looks ahead":
                hidden = hidden + hidden.roll(-1, 1)
            return self.head(self.blocks[0](hidden))[:, :-1]
        x = x.float().flatten(1) / 128 - 1 if self.kind == "image" else x.nan_to_num() - self.mean
        if self.fault == "nan":
            x = x.log()
        hidden = self.dropout(self.norm(self.blocks[0](x) * self.gain))
        if self.fault == "leak" or (self.fault == "leak in training" and self.training):
            hidden = hidden + hidden.mean(0)
        if self.fault == "detached":
            hidden = hidden.detach()
        if self.fault == "nan gradient":
            hidden = hidden + (hidden * 0).sum(1, keepdim=True).sqrt()
        if self.fault == "pair":
            return self.head(hidden), hidden
        if self.fault == "eval" and not self.training:
            raise ValueError("no such branch")
        if self.fault == "cut":
            hidden = hidden.detach()
            return self.head(hidden) * 0 + self.head.bias * 0 + x.sum(1, keepdim=True) * 0 + self._all()
        if self.fault == "memory":
            raise torch.OutOfMemoryError("CUDA out of memory")
        if self.fault == "crash":
            raise ValueError("boom")
        return self.head(hidden / self.gain if self.gain == 1e6 else hidden)

    def _all(self):
        return sum(p.sum() for p in self.parameters()) * 1e-9
