COMPONENTS += host
host_DIRS  := vmm/host
host_MAIN  := vmm/host/main.c
host_PROG  := pane-host
host_PKGS  := libjpeg
host_LIBS  := -lpthread
host_TESTS := tests/vmm/host
