"""The smallest manifests that say what a project is built with."""

PROJECT = '[project]\nname = "shop"\nversion = "1"\n'
TEST = "def test_it():\n    assert True\n"
PACKAGE = '{"name": "shop", "dependencies": {"left": "1"}, "scripts": {"test": "mocha"}}'
LOCK = '{"lockfileVersion": 3}'
CRATE = '[package]\nname = "shop"\nversion = "0.1.0"\n'
POM = '<project xmlns="http://maven.apache.org/POM/4.0.0"><artifactId>shop</artifactId>{}</project>'
