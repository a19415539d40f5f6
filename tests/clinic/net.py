"""A user's own network: it takes rows as they are."""

from torch import Tensor, nn


class Net(nn.Module):
    """Two hidden layers."""

    def __init__(self, inputs, outputs):  # type: ignore[no-untyped-def]  # as users write it
        super().__init__()
        self.first, self.second = nn.Linear(inputs.shape[0], 64), nn.Linear(64, 64)
        self.last = nn.Linear(64, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.second(self.first(x).relu()).relu())


class Softmaxed(Net):
    """Probabilities where the loss takes scores."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).softmax(1)


class Sigmoid(Net):
    """The same for two classes; of a number: nothing below the mean."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).sigmoid()


class Clipped(Net):
    """Numbers that cannot be negative, where the target is centred."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).relu()
