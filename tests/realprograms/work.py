# Digits of pi by a spigot (big integers), a dictionary and a generator.
import hashlib


def digits():
    q, r, t, k, n, l = 1, 0, 1, 1, 3, 3
    while True:
        if 4 * q + r - t < n * t:
            yield n
            q, r, n = 10 * q, 10 * (r - n * t), 10 * (3 * q + r) // t - 10 * n
        else:
            q, r, t, k, n, l = (q * k, (2 * q + r) * l, t * l, k + 1,
                                (q * (7 * k + 2) + r * l) // (t * l), l + 2)


seen = {}
text = ""
for i, digit in enumerate(digits()):
    text += str(digit)
    seen[text[-3:]] = seen.get(text[-3:], 0) + 1
    if i % 250 == 249:
        print(i, hashlib.sha256(text.encode()).hexdigest(), len(seen), flush=True)
    if i >= 3500:
        break
