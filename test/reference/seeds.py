"""The seeds of places of a run, by SplitMix64 (Steele, Lea and Flood 2014) in Python's own integers:
{ places: [{ seed, stream, epoch, batch }] } → [seed], 53 bits each."""

from _common import answer, argument

WORD = 2**64
STREAMS = ["order", "augmentation", "mixup", "shift", "model"]


def mix(value: int) -> int:
    z = (value + 0x9E3779B97F4A7C15) % WORD
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WORD
    return z ^ (z >> 31)


assert mix(0) == 0xE220A8397B1DCDAF  # the first number of the published generator with seed 0
seeds = []
for place in argument()["places"]:
    mixed = mix(place["seed"])
    for part in (STREAMS.index(place["stream"]) + 1, place["epoch"], place["batch"]):
        mixed = mix(mixed ^ part)
    seeds.append(mixed >> 11)
answer(seeds)
