"""`autopack --install-completion`: what loads for it no other command needs."""

from cyclopts.completion.install import create_install_completion_command

from deployments.cli.tree import app

install_completion = create_install_completion_command(app.install_completion, add_to_startup=True)
_, _section, _options = (install_completion.__doc__ or "").partition("Parameters\n")
install_completion.__doc__ = (
    "Have the shell complete autopack's commands and options.\n\n        " + _section + _options
)
