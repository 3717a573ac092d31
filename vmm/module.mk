COMPONENTS += vmm
vmm_DIRS   := vmm vmm/virtio vmm/boot vmm/pc vmm/snapshot
vmm_MAIN   := vmm/main.c
vmm_PROG   := pane-vmm
vmm_PKGS   := slirp liburing
vmm_LIBS   := -lpthread
vmm_TESTS  := tests/vmm tests/vmm/virtio tests/vmm/boot tests/vmm/pc tests/vmm/snapshot
