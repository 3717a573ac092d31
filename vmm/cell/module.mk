COMPONENTS += cell
cell_DIRS  := vmm/cell
cell_MAIN  := vmm/cell/main.c
cell_PROG  := pane-cell
cell_PKGS  := libseccomp xcb xcb-damage xcb-xfixes xcb-randr xcb-xtest
cell_TESTS := tests/vmm/cell
