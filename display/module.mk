COMPONENTS   += display
display_DIRS := display display/rdp display/rfb display/record
display_MAIN := display/main.c
display_PROG := pane-display
display_PKGS := freerdp-server3 freerdp3 winpr3 libvncserver libseccomp zlib x264
display_LIBS := -lpthread -lm
display_TESTS := tests/display tests/display/rdp tests/display/rfb tests/display/record
