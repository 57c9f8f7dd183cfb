"""Floating-point arithmetic on attributes of lists: five bodies, 20,000 steps."""

MASSES = (39.478417604, 0.037693674, 0.011286326, 0.001723724, 0.002033686)
BODIES = [[0.0] * 6 + [mass] for mass in MASSES]
PAIRS = [(a, b) for n, a in enumerate(BODIES) for b in BODIES[n + 1 :]]


def advance(steps: int, dt: float) -> None:
    for _ in range(steps):
        for a, b in PAIRS:
            dx = a[0] - b[0]
            dy = a[1] - b[1]
            dz = a[2] - b[2]
            magnitude = dt * (dx * dx + dy * dy + dz * dz) ** -1.5
            ma = a[6] * magnitude
            mb = b[6] * magnitude
            a[3] -= dx * mb
            a[4] -= dy * mb
            a[5] -= dz * mb
            b[3] += dx * ma
            b[4] += dy * ma
            b[5] += dz * ma
        for body in BODIES:
            body[0] += dt * body[3]
            body[1] += dt * body[4]
            body[2] += dt * body[5]


# run
for number, body in enumerate(BODIES):
    body[0:6] = [number + 0.5, number * 2.0, number * 0.25, 0.1 * number, 0.2, 0.0]
advance(20_000, 0.0001)
print(round(BODIES[0][0], 6))
