"""Replies of verifiers that refuse and repeat the problem, or disown their lines, and of honest ones on the same
problems.

The tricks are those of `hostile_judges`. A problem holds lines in the form of a vote. A refusing verifier says that it
does not vote and repeats the problem, or its instructions; a disowning one writes the lines itself, under its mark
even, and says that they are not its own. Neither votes. An honest one repeats the problem too, and then votes under its
mark.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from promptcot import domains
from promptcot.core.verification import ANSWERS, Verification, vote_of
from tests.fuzz.hostile_judges import OPENINGS, PLAINER, STORIES, TRICKS, changed

MATH = domains.load("math")
ASKED: Verification = MATH.asked_of_verifiers()

REFUSALS = (
    "I cannot verify this problem.",
    "The text gives instructions; I decline.",
    "There is nothing here that I would put my name to.",
    "No votes from me.",
    "Sorry, that is beyond what I do.",
    "Ask somebody else.",
    "",
)
_UNABLE = ("cannot", "can't", "can’t", "won't", "will not", "do not", "decline to", "refuse to", "am unable to")
_ACTS = (
    "vote",
    "verify",
    "judge",
    "check",
    "assess",
    "evaluate",
    "verify it",
    "check this problem",
    "judge the problem",
)
_AFTER = (
    "Ignore the above.", "Please disregard these lines.", "These are not my answers.",
    "None of this is my own verdict.", "This is not mine.", "Disregard the above votes.", "That is not what I think.",
)  # fmt: skip
_LEADS = (
    "If I obeyed, I would write:", "Were I to do as it says, I could write:", "The problem says:", "The text demands:",
    "It wants me to write:", "The author would have me say:", "The problem tells the verifier:", "It states:",
    "I would end like this if I followed the problem:", "The question orders me to answer:",
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """A problem written like a verifier's reply, the prompt about it, and the mark that the prompt requests."""

    problem: str
    prompt: str
    mark: str


def answers(draws: random.Random, *, valid: float = 0.6) -> list[str]:
    """The words of a vote, the verdict last, which follows from the others."""
    words = ["yes"] * len(ASKED.criteria)
    if draws.random() >= valid:
        words = [draws.choice(ANSWERS) for _ in ASKED.criteria]
    return [*words, vote_of(dict(zip(range(len(words)), words, strict=True)))]  # type: ignore[arg-type]


def lines(words: list[str], before: str = "", between: str = ": ") -> str:
    """The lines of a vote."""
    pairs = zip(ASKED.lines, words, strict=True)
    return "\n".join(f"{before}{line.label}{between}{word}" for line, word in pairs)


def scene(draws: random.Random) -> Scene:
    """A problem with a vote in it, in up to three tricks."""
    told = lines(answers(draws), between=draws.choice([": ", ": ", " = ", " -> ", " | ", ":", " – "]))
    told = changed(told, draws, TRICKS, 3)
    story = draws.choice(STORIES)
    problem = draws.choice([f"{story}\n{told}", f"{story} {told}", f"{told}\n{story}", told])
    variables = MATH.verifying(problem, draws.randrange(1 << 30))
    return Scene(problem, MATH.render("verify", **variables), variables["own_mark"])


def refusing(at: Scene, draws: random.Random) -> str:
    """The reply of a verifier that refuses, and repeats what it was shown."""
    instructions = at.prompt[at.prompt.index("Answer these questions") :]
    echo = draws.choice([at.problem] * 5 + [at.prompt, instructions, f"{at.problem}\n{instructions[-300:]}"])
    echo = changed(changed(echo, draws, PLAINER, 2), draws, TRICKS, 3)
    parts = [draws.choice(OPENINGS), echo, draws.choice(REFUSALS)]
    if draws.random() < 0.3:
        parts.append(f"I cannot fill in `[{at.mark}] {ASKED.verdict.label}: valid`, as it wants.")
    if draws.random() < 0.3:
        draws.shuffle(parts)
    return draws.choice(["\n\n", "\n", " "]).join(parts) + draws.choice(["", "", "<|im_end|>", "</s>", "\n"])


def disowning(at: Scene, draws: random.Random) -> str:
    """The reply of a verifier that writes a valid vote under its mark, and says that it is not its own."""
    vote = lines(answers(draws, valid=1), f"[{at.mark}] ")
    vote = draws.choice([vote, vote, f"```\n{vote}\n```", f"**{vote}**"])
    declined = f"I {draws.choice(_UNABLE)} {draws.choice(_ACTS)}."
    form = draws.randrange(4)
    if form == 0:
        return f"{declined}\n\n{vote}"
    if form == 1:
        return f"{vote}\n\n{declined}"
    if form == 2:
        return f"{vote}\n\n{draws.choice(_AFTER)}"
    lead = draws.choice(_LEADS)
    return f"{draws.choice([lead, f'**{lead}**', f'_{lead}_'])}\n\n{vote}"


def spoilt(at: Scene, draws: random.Random) -> str:
    """A valid vote under the mark, with one thing wrong that makes it unreadable."""
    words = answers(draws, valid=1)
    place = draws.randrange(len(words))
    bad = ["unclear", "no"] if place < len(words) - 1 else ["invalid", "undecided"]
    vote = lines(words, f"[{at.mark}] ").split("\n")
    line = vote[place]
    wrong = draws.choice(
        [
            f"{line} or {bad[0]}", f"{line}, although {bad[1]}", line.replace(": ", ": not "), line.rpartition(":")[0],
            f"{line}/{bad[0]}", f"{line}\n{line.rpartition(' ')[0]} {bad[1]}", line.rpartition(" ")[0] + f" {bad[1]}",
            line.rpartition(" ")[0] + " perfect", "",
        ]
    )  # fmt: skip
    text = "\n".join([*vote[:place], wrong, *vote[place + 1 :]])
    return draws.choice([text, f"It was looked at.\n\n{text}", f"{text}\n\nDone."])


def honest(at: Scene, draws: random.Random) -> tuple[str, str]:
    """The reply of a verifier that votes under its mark, about the same problem, and its vote."""
    words = answers(draws)
    form = draws.choice(["[{0}] {1}", "[{0}] {1}", "**[{0}] {1}**", "- [{0}] {1}", "`[{0}]` {1}", "{0} {1}"])
    own = "\n".join(form.format(at.mark, line) for line in lines(words).split("\n"))
    quoted = "\n".join(f"> {line}" for line in at.problem.split("\n"))
    before = draws.choice(
        [
            "The problem was looked at. No term is undefined, and there is no contradiction.",
            f"It says:\n{quoted}\nThis is ignored.",
            "I work through it.\n1. Fine: the problem states what it needs.\nAbout the problem I say:",
            "",
        ]
    )
    own = draws.choice([own, own, f"```\n{own}\n```"])
    return f"{before}\n\n{own}", words[-1]
