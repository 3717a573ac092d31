COMPONENTS += thin
thin_DIRS  := clients/thin
thin_MAIN  := clients/thin/main.c
thin_PROG  := pane-thin
thin_PKGS  := gtk4 freerdp-client3 freerdp3 winpr3
thin_LIBS  := -lpthread -lm
thin_TESTS := tests/clients/thin
