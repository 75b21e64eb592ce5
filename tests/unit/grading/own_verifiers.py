"""A module as a user would write it, with correct and faulty verifiers."""

import os
import time


class Order:
    """The last line names people; the order does not matter."""

    def extract(self, reply, *, unboxed=False):
        lines = reply.strip().splitlines()
        if not lines:
            return None
        if lines[-1].startswith("Truthful:"):
            return lines[-1].removeprefix("Truthful:")
        return lines[-1] if unboxed else None

    def grade(self, gold, answer):
        return self.same(gold, answer)

    def same(self, one, other):
        return sorted(one.replace(",", " ").split()) == sorted(other.replace(",", " ").split())

    def check_gold(self, gold):
        if "nobody" in gold:
            raise ValueError("somebody tells the truth")


order = Order()


class Fragile(Order):
    """Fails on some answers, on each in another way."""

    def grade(self, gold, answer):
        word = answer.strip()
        if word == "raises":
            raise KeyError("a mistake")
        if word == "hangs":
            while True:
                pass
        if word == "dies":
            os._exit(3)
        if word == "leaves":
            raise SystemExit
        if word == "eats":
            return len("x" * (1 << 40)) > 0
        if word == "prints":
            print("{}")
            print(input())
        if word == "odd":
            return "yes"
        return super().grade(gold, answer)

    def extract(self, reply, *, unboxed=False):
        if "unreadable" in reply:
            raise ValueError("cannot read it")
        return super().extract(reply, unboxed=unboxed)


class Uneven(Order):
    """Takes longer over some replies."""

    def extract(self, reply, *, unboxed=False):
        time.sleep(0.03 * (len(reply) % 3))
        return super().extract(reply, unboxed=unboxed)


class Strict(Order):
    def check_gold(self, gold):
        raise TypeError("a mistake")


class Needy(Order):
    def __init__(self, folder):
        self.folder = folder


class Boxes(Order):
    def extract(self, reply):
        return None


class Waits(Order):
    async def grade(self, gold, answer):
        return True


class Half:
    def extract(self, reply, *, unboxed=False):
        return None


def made():
    return Order()


number = 5
