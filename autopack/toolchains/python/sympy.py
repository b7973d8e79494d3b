"""sympy's own runner, which only says that tests failed."""

from __future__ import annotations

from autopack.toolchains.runner import Results, Runner, Told


class Sympy(Runner):
    name = "sympy"
    red = (r"^=+ tests finished: [^\n]{0,80}\b[1-9]\d{0,6} (?:failed|exceptions?)\b",)

    def starts(self, argv: tuple[str, ...]) -> bool:
        return False

    def results(self, told: Told) -> Results | None:
        return None


RUNNER = Sympy()
