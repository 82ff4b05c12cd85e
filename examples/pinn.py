"""Which loss weights let a physics-informed network solve Burgers' equation? In plain PyTorch."""

import torch
from torch.nn import Linear, Sequential, Tanh

from vlatent import Problem, Weight


def exact(x, t):  # of u_t + u u_x = 0.1 u_xx, by the transform of Cole (1951) and Hopf (1950)
    wave = torch.exp(torch.pi * (1j * x - 0.1 * torch.pi * t))
    return 0.2 * torch.pi * wave.imag / (1.1 + wave.real)


def slope(u, x):
    return torch.autograd.grad(u.sum(), x, create_graph=True)[0]


def objective(weights, seed, report):  # PyTorch is seeded already
    net = Sequential(Linear(2, 20), Tanh(), Linear(20, 20), Tanh(), Linear(20, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    grid = torch.cartesian_prod(torch.linspace(0, 1, 41), torch.linspace(0, 1, 41))
    for step in range(1, 401):
        x, t = torch.rand(2, 200, 1, requires_grad=True)
        u = net(torch.hstack([x, t]))
        residual = slope(u, t) + u * slope(u, x) - 0.1 * slope(slope(u, x), x)
        edge, start = net(torch.hstack([x.round(), t])), net(torch.hstack([x, 0 * t]))
        terms = {"pde": residual, "boundary": edge, "initial": start - exact(x, 0 * t)}
        loss = sum(weights[name] * term.square().mean() for name, term in terms.items())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            difference = net(grid)[:, 0] - exact(*grid.T)
            report(step, {"error": difference.norm().item() / exact(*grid.T).norm().item()})
    return {"error": difference.norm().item() / exact(*grid.T).norm().item()}


TEXT, WEIGHT = "Which loss weights solve Burgers' equation best?", Weight(1.0, 0.01, 100.0)
WEIGHTS = {"pde": WEIGHT, "boundary": WEIGHT, "initial": WEIGHT}
QUESTION = Problem("pinn", TEXT, objective, WEIGHTS, minimize="error", scale="log", steps=400)
