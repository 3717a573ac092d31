COMPONENTS += cli
cli_DIRS   := clients/cli
cli_MAIN   := clients/cli/main.c
cli_PROG   := pane
cli_PKGS   := yaml-0.1
cli_TESTS  := tests/clients/cli
