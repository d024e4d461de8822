"""Ed25519 verification in the words of RFC 8032 sections 5.1 and 6. Standard library only; slow."""
# ruff: noqa: ANN001, ANN201

from hashlib import sha512

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, Y = -121665 * pow(121666, -1, P) % P, 4 * pow(5, -1, P) % P


def add(p, q):  # two points of edwards25519, in extended coordinates
    a, b = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0])
    c, d = 2 * p[3] * q[3] * D, 2 * p[2] * q[2]
    e, f, g, h = (b - a) % P, (d - c) % P, (d + c) % P, (b + a) % P
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, p, found=(0, 1, 1, 0)):
    return times(n >> 1, add(p, p), add(found, p) if n & 1 else found) if n else found


def point(encoded):
    y, sign = int.from_bytes(encoded, "little") % 2**255, encoded[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    roots = [pow(square, (P + 3) // 8, P) * one % P for one in (1, pow(2, (P - 1) // 4, P))]
    x = next((x for x in roots if x * x % P == square), 0)
    return [P - x if x & 1 != sign else x, y, 1, (P - x if x & 1 != sign else x) * y % P]


def signed(public, text, signature):  # RFC 8032 section 5.1.7
    h = int.from_bytes(sha512(signature[:32] + public + text).digest(), "little") % L
    s = int.from_bytes(signature[32:], "little")
    left = times(s, point(Y.to_bytes(32, "little")))
    right = add(point(signature[:32]), times(h, point(public)))
    return s < L and all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))
