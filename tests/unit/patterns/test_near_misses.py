"""Errors that read almost like a known pattern, and are none."""

import pytest

from autopack.repair.patterns import Evidence, matches, patterns

PKG = {"src/shop/__init__.py": "", "src/shop/cart.py": "", "tests/test_cart.py": ""}
NODE = {"package.json": '{"dependencies": {"express": "^4"}}', "src/utils/index.js": ""}

PYTHON = [
    # a relative import without its package
    ("ImportError: attempted relative import with no known parent package", {}),
    ("ImportError: attempted relative import beyond top-level package", {}),
    # a circular import, in the two wordings of CPython
    (
        "ImportError: cannot import name 'A' from partially initialized module 'shop' "
        "(most likely due to a circular import) (/w/src/shop/__init__.py)",
        PKG,
    ),
    (
        "ImportError: cannot import name 'A' from 'shop.a' (most likely due to a circular import)",
        {},
    ),
    # the project's own package, not on the path
    ("ModuleNotFoundError: No module named 'shop'", PKG),
    ("E   ModuleNotFoundError: No module named 'cart'", PKG),
    ("ModuleNotFoundError: No module named 'tests'", PKG),
    # the project's own package lacks a name or a module
    ("ImportError: cannot import name 'Basket' from 'shop.cart' (/w/src/shop/cart.py)", PKG),
    ("E   ImportError: cannot import name 'Basket' from 'shop.cart'", PKG),
    ("ModuleNotFoundError: No module named 'shop.basket'", PKG),
    ("ImportError: cannot import name 'x' from 'helpers' (unknown location)", {}),
    (r"ImportError: cannot import name 'Hook' from 'a.b' (C:\dev\a\src\a\b.py)", {}),
    # a typo of the project's own package
    ("ModuleNotFoundError: No module named 'shopp'", PKG),
    ("ModuleNotFoundError: No module named 'Shop'", {"shop_front.py": "", "shop/__init__.py": ""}),
    # a submodule of a package that is installed
    ("ModuleNotFoundError: No module named 'requests.sessionz'", {}),
    ("ModuleNotFoundError: No module named 'numpy.testing.decorators'", {}),
    # a module that shadows a package
    ("ModuleNotFoundError: No module named 'yaml.loader'; 'yaml' is not a package", {}),
    # the standard library, also what left it
    ("ModuleNotFoundError: No module named 'distutils'", {}),
    ("ModuleNotFoundError: No module named '_sqlite3'", {}),
    ("ModuleNotFoundError: No module named 'tomllib'", {}),
    ("ImportError: cannot import name 'Mapping' from 'collections' (/usr/lib/python3.11/x.py)", {}),
    # a library of the system
    ("ImportError: libGL.so.1: cannot open shared object file: No such file or directory", {}),
    ("ImportError: DLL load failed while importing _ssl: The module could not be found.", {}),
    # a test about the message
    ("E   AssertionError: assert \"No module named 'requests'\" in 'usage: shop'", {}),
    ("E   Failed: DID NOT RAISE <class 'ModuleNotFoundError'>", {}),
    # code and text, not an error
    ("        except ModuleNotFoundError: no such thing", {}),
    ('    raise ImportError(f"No module named {name}")', {}),
    ("hint: a \"No module named 'x'\" error means that x is missing", {}),
    # a package that cannot be run
    ("python: No module named pip.__init__; 'pip' is a package and cannot be executed", {}),
    ("NameError: name 'requests' is not defined", {}),
    # an environment made without pip
    ("/venv/bin/python: No module named pip", {}),
]

NODE_CASES = [
    # files of the project
    ("Error: Cannot find module './routes'", NODE),
    ("Error: Cannot find module '../lib/db'\nRequire stack:\n- /w/src/app.js", NODE),
    ("Error: Cannot find module '/w/dist/index.js'", NODE),
    (r"Error: Cannot find module 'C:\w\index.js'", NODE),
    ("Error: Cannot find module './routes'\n  code: 'MODULE_NOT_FOUND',", NODE),
    # path aliases and folders on the base url
    ("Module not found: Error: Can't resolve '@/components/Button' in '/w/src'", NODE),
    ("Module not found: Error: Can't resolve '~/styles' in '/w/src'", NODE),
    ("error TS2307: Cannot find module 'utils' or its corresponding type declarations.", NODE),
    ("error TS2307: Cannot find module '#internal/db'", NODE),
    # built-in modules
    ("Module not found: Error: Can't resolve 'fs' in '/w/src'", NODE),
    ("Error: Cannot find module 'node:sqlite'", NODE),
    # types only: the package is there
    ("error TS7016: Could not find a declaration file for module 'express'.", NODE),
    # other languages
    ("main.go:4:2: cannot find module providing package github.com/a/b", {}),
    ("error[E0583]: file not found for module `parser`", {}),
    ("error: cannot find macro `vec2` in this scope", {}),
    # tools that no package.json declares
    ("sh: 1: docker: not found", NODE),
    ("/bin/sh: line 1: convert: command not found", {}),
    ("Error: Cannot find modules matching the pattern", NODE),
]

FOLDER = [
    # files that are no manifests
    ("Error: ENOENT: no such file or directory, open 'data/users.json'", {}),
    ("Error: ENOENT: no such file or directory, open '/w/src/package.json.js'", {}),
    ("FileNotFoundError: [Errno 2] No such file or directory: 'config.toml'", {}),
    ("Error: ENOENT: no such file or directory, scandir '/w/fixtures'", {}),
    # the manifest is there
    ("npm error enoent ENOENT: no such file or directory, open 'package.json'", NODE),
    ("error: could not find `Cargo.toml` in `/w` or any parent directory", {"Cargo.toml": ""}),
    # it is there and broken
    ("error: failed to parse manifest at `/w/Cargo.toml`", {}),
    ("npm error JSON.parse Failed to parse JSON data in package.json", {}),
    ("ERROR: Invalid requirement: 'reqests=1' (from line 1 of requirements.txt)", {}),
    ("go: errors parsing go.mod:", {}),
    # a test that reads a manifest
    ("E   FileNotFoundError: [Errno 2] No such file or directory: 'pyproject.toml'", {}),
]

SCOPE = [
    # scopes of languages
    ("error[E0425]: cannot find value `total` in this scope", {}),
    ("ReferenceError: total is not defined in the current scope", {}),
    ("UnboundLocalError: variable 'x' referenced outside scope", {}),
    # scopes of tokens
    ("403: token is missing the scope 'repo'", {}),
    ("invalid_scope: The requested scope is not in the allowed list", {}),
    # scopes of talk
    ("This refactoring is out of scope for this ticket", {}),
    ("npm error 404 '@scope/pkg' is not in this registry", {}),
]

DISCOVERY = [
    # tests were found
    ("collected 10 items\n\n== 1 failed, 9 passed in 0.1s ==", {}),
    ("collected 100 items", {}),
    ("Ran 10 tests in 0.003s\n\nFAILED (failures=1)", {}),
    # tests could not be imported
    ("collected 0 items / 1 error\n=== 1 error in 0.1s ===", {}),
    ("collected 0 items / 2 errors\nInterrupted: 2 errors during collection", {}),
    # part of the output of a runner that found others
    ("?   \texample.com/a\t[no test files]\nFAIL\texample.com/b\t0.003s", {}),
    ("running 0 tests\n\ntest result: ok. 0 passed; 0 failed", {}),
    # something else was collected or not found
    ("collector collected 0 items from the queue of jobs and 3 failed", {}),
    ("ERROR: not found: /w/tests/test_a.py::test_b\n(no match in any of [<Module test_a.py>])", {}),
    ("No tests ran because the build failed", {}),
    ("cannot find test database", {}),
]

PERMISSION = [
    # keys, accounts, services
    ("git@example.com: Permission denied (publickey).", {}),
    ("psycopg.errors.InsufficientPrivilege: permission denied for table users", {}),
    ("403 Forbidden: PERMISSION_DENIED: caller lacks permission", {}),
    ("permission denied while trying to connect to the Docker daemon socket", {}),
    # ports
    ("Error: listen EACCES: permission denied 0.0.0.0:80", {}),
    ("    sock.bind(('', 80))\nPermissionError: [Errno 13] Permission denied", {}),
    # tests about the error
    ("E   Failed: DID NOT RAISE <class 'PermissionError'>", {}),
    ("E   AssertionError: assert 'Permission denied' in 'ok'", {}),
    ("test_permission_denied_returns_403 PASSED", {}),
    # other errors of the system
    ("OSError: [Errno 28] No space left on device: '/tmp/x'", {}),
    ("OSError: [Errno 30] Read-only file system: '/usr/x'", {}),
]

NEAR_MISSES = [*PYTHON, *NODE_CASES, *FOLDER, *SCOPE, *DISCOVERY, *PERMISSION]


@pytest.mark.parametrize(("text", "files"), NEAR_MISSES, ids=lambda value: str(value)[:70])
def test_near_miss_matches_nothing(text: str, files: dict[str, str], worktree) -> None:
    found = matches(Evidence(text, root=worktree(files)), patterns(installed=()))
    assert [(match.pattern_id, dict(match.captured)) for match in found] == []


def test_there_are_at_least_sixty() -> None:
    assert len(NEAR_MISSES) >= 60
