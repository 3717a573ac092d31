COMPONENTS  += image
image_DIRS  := vmm/image
image_MAIN  := vmm/image/main.c
image_PROG  := pane-image
image_PKGS  := expat libseccomp zlib
image_TESTS := tests/vmm/image
