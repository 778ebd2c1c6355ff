"""Deep Q-learning on a small balancing task: replay memory, a soft-updated target network, epsilon-greedy actions."""

import math
import random
from collections import deque, namedtuple

import fgrad as torch
import fgrad.nn as nn
import fgrad.nn.functional as F  # noqa: N812
import fgrad.optim as optim

Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))


class Balance:
    """A stick kept upright by pushes left or right: state (angle, speed), reward 1 a tick until it falls."""

    def __init__(self, rng, limit=60):
        self.rng, self.limit = rng, limit

    def reset(self):
        """A start near upright."""
        self.angle, self.speed, self.ticks = self.rng.uniform(-0.1, 0.1), self.rng.uniform(-0.1, 0.1), 0
        return [self.angle, self.speed]

    def step(self, action):
        """(state, reward, fallen, time is up)."""
        force = 2.0 if action == 1 else -2.0
        self.speed += 0.05 * (9.8 * math.sin(self.angle) + force * math.cos(self.angle))
        self.angle += 0.05 * self.speed
        self.ticks += 1
        return [self.angle, self.speed], 1.0, abs(self.angle) > 0.3, self.ticks >= self.limit


class ReplayMemory:
    """The last transitions."""

    def __init__(self, capacity, rng):
        self.memory, self.rng = deque(maxlen=capacity), rng

    def push(self, *args):
        """Keeps one."""
        self.memory.append(Transition(*args))

    def sample(self, batch_size):
        """Some, without replacement."""
        return self.rng.sample(self.memory, batch_size)

    def __len__(self):
        return len(self.memory)


class DQN(nn.Module):
    """State [n, 2] to the values of both actions."""

    def __init__(self, hidden):
        super().__init__()
        self.layer1 = nn.Linear(2, hidden)
        self.layer2 = nn.Linear(hidden, hidden)
        self.layer3 = nn.Linear(hidden, 2)

    def forward(self, x):
        """Values [n, 2]."""
        x = F.relu(self.layer1(x))
        x = F.relu(self.layer2(x))
        return self.layer3(x)


def build(hidden=64):
    """[policy network, target network]."""
    return [DQN(hidden), DQN(hidden)]


def optimize(policy, target, memory, optimizer, batch, gamma):
    """One step on a sampled batch; its loss."""
    sampled = Transition(*zip(*memory.sample(batch), strict=True))
    alive = torch.tensor([s is not None for s in sampled.next_state], dtype=torch.bool)
    next_states = torch.cat([s for s in sampled.next_state if s is not None])
    states, actions, rewards = torch.cat(sampled.state), torch.cat(sampled.action), torch.cat(sampled.reward)
    values = policy(states).gather(1, actions)
    next_values = torch.zeros(batch)
    with torch.no_grad():
        next_values[alive] = target(next_states).max(1).values
    expected = next_values * gamma + rewards
    loss = nn.SmoothL1Loss()(values, expected.unsqueeze(1))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(policy.parameters(), 100)
    optimizer.step()
    return loss.item()


def follow(policy, target, tau=0.05):
    """Moves the target network a little towards the policy."""
    mine, theirs = target.state_dict(), policy.state_dict()
    for key in theirs:
        mine[key] = theirs[key] * tau + mine[key] * (1 - tau)
    target.load_state_dict(mine)


def train(policy, target, steps=400, batch=32, lr=3e-3, gamma=0.95, seed=0, lengths=None):
    """The loss of every optimisation step; the lengths of the episodes go into `lengths`."""
    rng = random.Random(seed)
    env, memory = Balance(rng), ReplayMemory(1000, rng)
    target.load_state_dict(policy.state_dict())
    optimizer = optim.AdamW(policy.parameters(), lr=lr, amsgrad=True)
    losses = []
    while len(losses) < steps:
        state = torch.tensor(env.reset(), dtype=torch.float32).unsqueeze(0)
        done = False
        while not done and len(losses) < steps:
            if rng.random() > 0.05 + 0.85 * math.exp(-len(losses) / 80):
                with torch.no_grad():
                    action = policy(state).max(1).indices.view(1, 1)
            else:
                action = torch.tensor([[rng.randrange(2)]], dtype=torch.long)
            observation, reward, fallen, late = env.step(action.item())
            done = fallen or late
            following = None if fallen else torch.tensor(observation, dtype=torch.float32).unsqueeze(0)
            memory.push(state, action, following, torch.tensor([reward]))
            state = following
            if len(memory) >= batch:
                losses.append(optimize(policy, target, memory, optimizer, batch, gamma))
                follow(policy, target)
        if lengths is not None:
            lengths.append(env.ticks)
    return losses


def main(steps=500):
    """Trains, prints losses and how long the stick stood."""
    torch.manual_seed(0)
    lengths = []
    losses = train(*build(), steps=steps, lengths=lengths)
    for i in range(49, steps, 50):
        print(f"step {i + 1}: loss {losses[i]:.4f}")
    print(f"ticks upright: first episodes {lengths[:5]}, last episodes {lengths[-5:]}")
    return losses


if __name__ == "__main__":
    main()
