COMPONENTS  += lobby
lobby_DIRS  := display/lobby
lobby_MAIN  := display/lobby/main.c
lobby_PROG  := pane-lobby
lobby_PKGS  := xkbcommon libseccomp
lobby_TESTS := tests/display/lobby
