"""Files in short: what they define, in every language that has a grammar."""

from __future__ import annotations

import pytest

from autopack.context.file_outline import fitted, outline
from autopack.context.outline_languages import LANGUAGES, language_of
from autopack.context.pack_tokens import count_tokens

PYTHON = '''"""Invoices."""

import os

RATE: int = 7


@dataclass
class Invoice(Base):
    """One invoice.

    More of it.
    """

    number: int

    @property
    def total(
        self, discount: int = 0
    ) -> int:
        """Return the sum."""
        return hidden


async def load(path): return hidden
'''
OUTLINES = {
    "a.py": (
        PYTHON,
        """
        \"\"\"Invoices.\"\"\"
        RATE: int = 7
        @dataclass class Invoice(Base):
            \"\"\"One invoice.\"\"\"
            number: int
            @property def total( self, discount: int = 0 ) -> int:
                \"\"\"Return the sum.\"\"\"
        async def load(path):""",
    ),
    "a.js": (
        "// Sums.\nexport function total(items) {\n  return hidden;\n}\n"
        "class Invoice extends Base {\n  /** Loads. */\n  load(path) { return hidden; }\n}\n"
        "export const f = (a) => {\n  return hidden;\n};\n",
        """
        // Sums.
        export function total(items)
        class Invoice extends Base
            /** Loads. */
            load(path)
        export const f = (a) => {""",
    ),
    "a.ts": (
        "interface Item { price: number }\nexport abstract class A<T> {\n"
        "  abstract f(a: T): void;\n}\nnamespace N {\n  export function g(): void { hidden }\n}\n",
        """
        interface Item { price: number }
        export abstract class A<T>
            abstract f(a: T): void
        namespace N
            export function g(): void""",
    ),
    "a.tsx": (
        "export function View({ a }: Props) {\n  return <b>hidden</b>;\n}\n",
        """
        export function View({ a }: Props)""",
    ),
    "a.go": (
        "package shop\n\n// Total sums.\n// Slowly.\n"
        "func Total(xs []int) int {\n\treturn hidden\n}\n"
        "type Item struct {\n\tPrice int\n}\n\nfunc (i *Item) Name() string { return hidden }\n",
        """
        // Total sums.
        func Total(xs []int) int
        type Item struct { Price int }
        func (i *Item) Name() string""",
    ),
    "a.rs": (
        "/// Sums.\n#[inline]\npub fn total(xs: &[i32]) -> i32 { hidden }\nstruct S { a: i32 }\n"
        "impl S {\n    /// Makes one.\n    pub fn new() -> S { hidden }\n}\n",
        """
        /// Sums.
        pub fn total(xs: &[i32]) -> i32
        struct S { a: i32 }
        impl S
            /// Makes one.
            pub fn new() -> S""",
    ),
    "A.java": (
        "/** An invoice. */\npublic class A extends B {\n  private int a = 1;\n"
        "  public int total(List<Item> i) { return hidden; }\n}\n",
        """
        /** An invoice. */
        public class A extends B
            private int a = 1;
            public int total(List<Item> i)""",
    ),
    "a.h": (
        "#ifndef A\n/* Sums. */\nint total(int *xs, int n);\nnamespace n {\ntemplate <class T>\n"
        "T top(T a) { return hidden; }\nclass C { int m(); };\n}\n#endif\n",
        """
        /* Sums. */
        int total(int *xs, int n);
        namespace n
            template <class T> T top(T a)
            class C
                int m();""",
    ),
    "a.rb": (
        "# Invoices.\nclass Invoice < Base\n  # Sums.\n  def total(items)\n    hidden\n"
        "  end\nend\n",
        """
        # Invoices.
        class Invoice < Base
            # Sums.
            def total(items)""",
    ),
    # Neither of them has a grammar, or a definition: their first lines.
    "a.md": ("# Shop\n\nIt sells.\n", "\n        # Shop\n        It sells."),
    "b.py": ("print(1)\nfor x in y:\n    pass\n", "\n        print(1)"),
}


@pytest.mark.parametrize("path", OUTLINES)
def test_an_outline_has_what_a_file_defines_and_no_bodies(path: str) -> None:
    text, expected = OUTLINES[path]

    assert outline(path, text) == expected.replace("\n        ", "\n").split("\n")[1:]


# A function without a body to speak of, in every language that is outlined, and what is said of it.
EMPTY = [
    ("a.js", "function f() {}\n", "function f()"),
    ("a.ts", "class A {\n  f(): void {}\n}\n", "f(): void"),
    ("a.tsx", "export function f() {}\n", "export function f()"),
    ("a.go", "package a\n\nfunc f() {}\n", "func f()"),
    ("a.rs", "fn f() {}\n", "fn f()"),
    ("A.java", "class A {\n  void f() {}\n}\n", "void f()"),
    ("a.c", "void f(void) {}\n", "void f(void)"),
    ("a.cpp", "class A {};\nvoid A::f() {}\n", "void A::f()"),
    ("a.rb", "def f\nend\n", "def f end"),
    # in Python only while the file is written, or where two branches meet
    ("a.py", "def f():\n", "def f():"),
    ("a.py", "def f():\n\n\ndef g():\n    return 1\n", "def f():"),
    ("a.py", "def f():\n    # later\n", "def f():"),
    ("a.py", "class A:\n    def f(self):\n\nclass B:\n", "def f(self):"),
    ("a.py", "def f():\n<<<<<<< ours\n    return 1\n=======\n>>>>>>> theirs\n", "def f():"),
    ("a.py", "<<<<<<< ours\ndef f():\n=======\ndef g():\n>>>>>>> theirs\n", "def f():"),
]


def test_every_language_that_is_outlined_has_a_row_with_an_empty_body() -> None:
    assert {language_of(path) for path, *_ in EMPTY} == {*LANGUAGES}


@pytest.mark.parametrize(("path", "text", "line"), EMPTY)
def test_a_function_with_an_empty_body_is_outlined(path: str, text: str, line: str) -> None:
    assert line in [found.strip() for found in outline(path, text)]


def test_what_does_not_fit_leaves_out_what_has_least_to_do_with_the_task() -> None:
    lines = ["class Invoice", "    def total(items)", *(f"def other_{n}()" for n in range(50))]

    text = fitted([*lines[2:], *lines[:2]], 40, {"total"})

    assert count_tokens(text) <= 40
    assert text.endswith("class Invoice\n    def total(items)")
    assert text.startswith("def other_0()")
    assert "\n…\n" in text
    assert fitted(lines, 4_000, set()) == "\n".join(lines)
