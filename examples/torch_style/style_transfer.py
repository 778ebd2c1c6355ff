"""Style transfer: an image is optimised by L-BFGS to match content features and the Gram matrices of a style image."""

import numpy as np

import fgrad as torch
import fgrad.nn as nn
import fgrad.nn.functional as F  # noqa: N812
import fgrad.optim as optim


class Features(nn.Module):
    """A small convolutional net, its weights random and fixed; the activations of every level."""

    def __init__(self, width):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(-1, 1, 1))
        self.conv1 = nn.Conv2d(3, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.conv3 = nn.Conv2d(2 * width, 2 * width, 3, padding=1)

    def forward(self, x):
        """[level 1, level 2, level 3]."""
        one = F.relu(self.conv1((x - self.mean) / self.std))
        two = F.relu(self.conv2(F.avg_pool2d(one, 2)))
        three = F.relu(self.conv3(two))
        return [one, two, three]


def gram_matrix(x):
    """Channel by channel products, over the number of values."""
    a, b, c, d = x.size()
    features = x.view(a * b, c * d)
    return torch.mm(features, features.t()).div(a * b * c * d)


def pictures(side):
    """(content, style): a disc and diagonal stripes, float32[1, 3, side, side] in 0..1."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    disc = ((x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.1).astype(np.float32)
    stripes = (np.sin(20 * (x + y)) + 1) / 2
    content = np.stack([disc, 0.5 * disc + 0.2, 1 - disc])
    style = np.stack([stripes, x, 1 - stripes])
    return tuple(torch.from_numpy(p.astype(np.float32)).unsqueeze(0) for p in (content, style))


def build(width=8):
    """The fixed network, in a list."""
    return [Features(width)]


def train(net, steps=3, side=24, style_weight=1e3, content_weight=1.0):
    """The loss of every evaluation of the closure, `steps` L-BFGS steps of up to 20 each."""
    content, style = pictures(side)
    net.requires_grad_(False)
    net.eval()
    content_target = net(content)[-1].detach()
    style_targets = [gram_matrix(f).detach() for f in net(style)]
    image = content.clone()
    image.requires_grad_(True)
    optimizer = optim.LBFGS([image])
    losses = []

    def closure():
        with torch.no_grad():
            image.clamp_(0, 1)
        optimizer.zero_grad()
        features = net(image)
        style_score = sum(F.mse_loss(gram_matrix(f), g) for f, g in zip(features, style_targets, strict=True))
        content_score = F.mse_loss(features[-1], content_target)
        loss = style_score * style_weight + content_score * content_weight
        loss.backward()
        losses.append(loss.item())
        return loss

    for _ in range(steps):
        optimizer.step(closure)
    with torch.no_grad():
        image.clamp_(0, 1)
    return losses


def main(steps=3):
    """Optimises the image and prints losses."""
    torch.manual_seed(0)
    losses = train(*build(), steps=steps)
    for i in range(0, len(losses), 20):
        print(f"evaluation {i + 1}: loss {losses[i]:.4f}")
    print(f"last: loss {losses[-1]:.4f}")
    return losses


if __name__ == "__main__":
    main()
