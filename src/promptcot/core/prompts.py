"""A domain's prompts: a compiled template for each conversation, the criteria of its judges, its settings, and the
hashes of its files.

Templates are Jinja2, compiled from text in a sandbox that cannot load other templates; an undefined variable is an
error. Text from models is always a variable, never a template. A template renders the raw prompt; in a chat it is the
user's turn, after a system turn if the domain has a `CONVERSATION.system` template.

A judge's template gets `concepts`, `level`, `material`, `criteria`, and a `mark` to fence the material with. The mark
is made from a hash of the material, so the material cannot contain it. The annotators' templates also get a `mark`.

A judge's template that uses `own_mark` asks for lines that begin with it, which the material cannot contain either.
With an empty `own_mark` it renders the prompt of earlier versions. A verifier's template gets the same for a problem,
and the criteria of `verify.toml`. `promptcot.domains` finds the files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from promptcot.core.criteria import Criteria, parse_criteria
from promptcot.core.domains import Domain
from promptcot.core.parsing.folding import letters
from promptcot.core.verification import Verification, parse_verification
from promptcot.errors import InputError
from promptcot.records import Message

CRITERIA = "criteria.toml"
VERIFICATION = "verify.toml"

_PLAIN = "abcdefghkpqrstvxyz234567"


@dataclass(frozen=True)
class PromptSet:
    """The prompts of one domain, and its `settings`. `hashes` holds the SHA-256 of each source file, for manifests.

    `verification` has the criteria for verifiers, if the domain has them.
    """

    domain: str
    templates: Mapping[str, Template] = field(repr=False)
    criteria: Criteria
    hashes: Mapping[str, str]
    sources: Mapping[str, str] = field(repr=False)
    settings: Domain
    verification: Verification | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the sources, because compiled templates cannot be pickled."""
        return compile_prompts, (self.domain, dict(self.sources), self.settings)

    def render(self, conversation: str, **variables: Any) -> str:
        """The raw prompt of a conversation. Raises InputError if the domain lacks it or it uses an unknown variable."""
        template = self.templates.get(conversation)
        if template is None:
            raise InputError(
                f"prompts {self.domain}: there is no {conversation}.jinja, so it has no prompt to {conversation}; "
                f"there are {', '.join(sorted(self.templates))}"
            )
        try:
            return template.render(**variables)
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise InputError(f"prompts {self.domain}: {conversation}.jinja: {error}") from error

    def messages(self, conversation: str, **variables: Any) -> tuple[Message, ...]:
        """The same as chat turns: the system's, if the domain has one, and the user's."""
        user = Message("user", self.render(conversation, **variables))
        system = f"{conversation}.system"
        if system not in self.templates:
            return (user,)
        return Message("system", self.render(system, **variables)), user

    def judging(self, concepts: Sequence[str], level: str, material: str, seed: int = 0) -> dict[str, Any]:
        """The variables of the judge's conversation. `own_mark` is empty if its template does not use it."""
        shown = {"concepts": list(concepts), "level": level, "material": material}
        content = json.dumps([*shown.values()])
        own_mark = own_mark_for("\n".join([*concepts, level, material]), seed) if self.asks_for_marks("judge") else ""
        return {**shown, "criteria": self.criteria, "mark": mark_for(content), "own_mark": own_mark}

    def verifying(self, problem: str, seed: int) -> dict[str, Any]:
        """The variables of the verifier's conversation. `own_mark` is empty if its template does not use it.

        Raises InputError if the domain has no criteria for verifiers.
        """
        own_mark = own_mark_for(problem, seed) if self.asks_for_marks("verify") else ""
        asked = self.asked_of_verifiers()
        lines = {"criteria": asked.criteria, "verdict": asked.verdict}
        return {"problem": problem, **lines, "mark": mark_for(problem), "own_mark": own_mark}

    def asked_of_verifiers(self) -> Verification:
        """The criteria for verifiers. Raises InputError if one of the files is missing."""
        missing = [] if "verify" in self.templates else ["verify.jinja"]
        missing += [] if self.verification else [VERIFICATION]
        if self.verification is None or missing:
            raise InputError(
                f"prompts {self.domain}: there is no {' and no '.join(missing)}, so the domain cannot verify problems; "
                "use another model and its domain, such as math, or write both files: `promptcot init` creates "
                "examples for a new domain"
            )
        return self.verification

    def asks_for_marks(self, conversation: str) -> bool:
        """Whether the prompt asks the model to mark its own lines."""
        return conversation in self._marked

    @cached_property
    def _marked(self) -> frozenset[str]:
        """The conversations whose templates use the model's own mark."""
        templates = {name: text for name, text in self.sources.items() if name.endswith(".jinja")}
        marked = (name for name, text in templates.items() if "own_mark" in _variables(text))
        return frozenset(name.removesuffix(".jinja").removesuffix(".system") for name in marked)


def _variables(source: str) -> set[str]:
    """The variables that a template uses and does not set itself."""
    return meta.find_undeclared_variables(_environment().parse(source))


def compile_prompts(domain: str, sources: Mapping[str, str], settings: Domain) -> PromptSet:
    """The prompts in `sources`, from file name (`judge.jinja`, `criteria.toml`) to text.

    Raises InputError if a template or the criteria cannot be parsed; KeyError without criteria.
    """
    templates = {
        name.removesuffix(".jinja"): _compile(source, f"prompts {domain}: {name}")
        for name, source in sources.items()
        if name.endswith(".jinja")
    }
    hashes = {name: hashlib.sha256(source.encode()).hexdigest() for name, source in sources.items()}
    criteria = parse_criteria(sources[CRITERIA], f"prompts {domain}: {CRITERIA}")
    asked = sources.get(VERIFICATION)
    verification = None if asked is None else parse_verification(asked, f"prompts {domain}: {VERIFICATION}")
    return PromptSet(domain, templates, criteria, hashes, sources, settings, verification)


def _compile(source: str, where: str) -> Template:
    try:
        return _environment().from_string(source)
    except TemplateSyntaxError as error:
        raise InputError(f"{where}: line {error.lineno}: {error.message}") from error


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=False,  # prompts are plain text; HTML output is escaped where it is made
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def mark_for(content: str) -> str:
    """A fence for `content`: sixteen hex digits that do not occur in it, determined by the content."""
    salt = 0
    while (mark := hashlib.sha256(f"{salt}\n{content}".encode(errors="surrogatepass")).hexdigest()[:16]) in content:
        salt += 1
    return mark


def own_mark_for(content: str, seed: int) -> str:
    """A word of eight letters and digits that does not occur in `content`, even in letters that only look alike.

    It is determined by the content and the seed, and differs from the fence, so that a repeated fence is not a mark.
    """
    said = letters(content)
    salt = 0
    while (mark := _word(f"own\n{seed}\n{salt}\n{content}")) in said:
        salt += 1
    return mark


def _word(text: str) -> str:
    """A word of letters and digits that are not easily confused."""
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).digest()
    return "".join(_PLAIN[byte % len(_PLAIN)] for byte in digest[:8])
