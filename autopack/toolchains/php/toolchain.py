"""PHP and Composer."""

from __future__ import annotations

from autopack.toolchains.log_lines import LogLines
from autopack.toolchains.test_sections import json_keys
from autopack.toolchains.toolchain import Toolchain


class Php(Toolchain):
    """No project of it is detected: a plan names its commands."""

    name = "php"
    languages = {"PHP": "php phtml"}
    manifests = ("composer.json",)
    lock_files = ("composer.lock",)
    settings = ("composer.json", "phpunit.xml", "phpunit.xml.dist", "phpunit.dist.xml")
    variables = (
        r"COMPOSER_(HOME|CACHE_DIR|ALLOW_SUPERUSER|NO_INTERACTION)|PHPRC|PHP_INI_SCAN_DIR",
    )
    test_files = ("*Test.php",)
    test_settings = (
        *("phpunit.xml", "phpunit.xml.dist", "phpunit.dist.xml", "pest.php", "Pest.php"),
        *("behat.yml*", "codeception*.yml"),
    )
    test_sections = {"composer.json": json_keys(scripts=r"(?i)test|spec|check|phpunit|pest")}
    log_lines = LogLines(
        error=(r"^\s*Failed asserting",),
        last=(r"^Tests: \d+",),
    )
