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


class Recurrent(nn.Module):
    """The columns of a row one after the other through recurrent ReLUs whose weights begin as the identity (Le, Jaitly,
    Hinton 2015, "A simple way to initialize recurrent networks of rectified linear units"), trained there with a clip
    norm: what a cell holds grows from column to column as soon as its weights do."""

    def __init__(self, inputs, outputs):  # type: ignore[no-untyped-def]  # as users write it
        super().__init__()
        self.cells = nn.RNN(1, 64, nonlinearity="relu", batch_first=True)
        self.last = nn.Linear(64, outputs)
        nn.init.eye_(self.cells.weight_hh_l0)
        nn.init.normal_(self.cells.weight_ih_l0, std=0.1)
        nn.init.zeros_(self.cells.bias_hh_l0)
        nn.init.zeros_(self.cells.bias_ih_l0)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.cells(x.unsqueeze(2))
        return self.last(states[:, -1])
