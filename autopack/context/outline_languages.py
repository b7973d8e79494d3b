"""The languages whose files are outlined by their syntax: their grammars, and what defines names.

Each grammar is a package of its own with nothing to download. Kinds of nodes are the grammars'.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # only a pack is worth the import
    from tree_sitter import Parser


@dataclass(frozen=True)
class Language:
    """A language. ``package`` has its grammar, by the function ``grammar``.

    ``signed``: definitions that are shown up to their body. ``holding``: those whose body holds
    others. ``whole``: those that are shown on one line, ``first``: by their first line.
    ``wrapping``: what stands around one definition. ``grouping``: what stands around several.
    """

    package: str
    suffixes: tuple[str, ...]
    signed: frozenset[str]
    holding: frozenset[str]
    whole: frozenset[str] = frozenset()
    first: frozenset[str] = frozenset()
    wrapping: frozenset[str] = frozenset()
    grouping: frozenset[str] = frozenset()
    grammar: str = "language"


def _kinds(text: str) -> frozenset[str]:
    return frozenset(text.split())


_JAVASCRIPT = Language(
    "tree_sitter_javascript",
    (".js", ".jsx", ".mjs", ".cjs"),
    signed=_kinds(
        "function_declaration generator_function_declaration method_definition function_signature"
        " method_signature abstract_method_signature"
    ),
    holding=_kinds("class_declaration abstract_class_declaration internal_module module"),
    whole=_kinds(
        "interface_declaration type_alias_declaration enum_declaration field_definition"
        " public_field_definition"
    ),
    first=_kinds("lexical_declaration variable_declaration expression_statement"),
    wrapping=_kinds("export_statement ambient_declaration"),
)
_TYPESCRIPT = replace(
    _JAVASCRIPT,
    package="tree_sitter_typescript",
    suffixes=(".ts", ".mts", ".cts"),
    grammar="language_typescript",
)

LANGUAGES = (
    Language(
        "tree_sitter_python",
        (".py", ".pyi"),
        signed=_kinds("function_definition"),
        holding=_kinds("class_definition"),
        first=_kinds("expression_statement type_alias_statement"),
        wrapping=_kinds("decorated_definition"),
    ),
    _JAVASCRIPT,
    _TYPESCRIPT,
    replace(_TYPESCRIPT, suffixes=(".tsx",), grammar="language_tsx"),
    Language(
        "tree_sitter_go",
        (".go",),
        signed=_kinds("function_declaration method_declaration"),
        holding=frozenset(),
        whole=_kinds("type_declaration const_declaration var_declaration"),
    ),
    Language(
        "tree_sitter_rust",
        (".rs",),
        signed=_kinds("function_item function_signature_item"),
        holding=_kinds("impl_item trait_item mod_item"),
        whole=_kinds("struct_item enum_item union_item type_item const_item static_item"),
        first=_kinds("macro_definition"),
    ),
    Language(
        "tree_sitter_java",
        (".java",),
        signed=_kinds("method_declaration constructor_declaration"),
        holding=_kinds("class_declaration interface_declaration record_declaration"),
        whole=_kinds("enum_declaration field_declaration annotation_type_declaration"),
    ),
    Language(
        "tree_sitter_cpp",
        (".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp"),
        signed=_kinds("function_definition"),
        holding=_kinds("class_specifier namespace_definition"),
        whole=_kinds(
            "struct_specifier union_specifier enum_specifier type_definition alias_declaration"
            " declaration field_declaration"
        ),
        first=_kinds("preproc_def preproc_function_def"),
        wrapping=_kinds("template_declaration"),
        grouping=_kinds("preproc_ifdef preproc_if preproc_else linkage_specification"),
    ),
    Language(
        "tree_sitter_ruby",
        (".rb",),
        signed=_kinds("method singleton_method"),
        holding=_kinds("class module singleton_class"),
        first=_kinds("assignment call"),
    ),
)


def language_of(path: str) -> Language | None:
    """Return the language of a file by its name; None for one that is not outlined by syntax."""
    return _by_suffix().get(path[path.rfind(".") :]) if "." in path else None


def parser_of(language: Language) -> Parser:
    """Return a new parser of ``language``."""
    import tree_sitter

    package = importlib.import_module(language.package)
    grammar: object = getattr(package, language.grammar)()
    return tree_sitter.Parser(tree_sitter.Language(grammar))


@cache
def _by_suffix() -> dict[str, Language]:
    return {suffix: one for one in LANGUAGES for suffix in one.suffixes}
