COMPONENTS    += gateway
gateway_DIRS  := gateway
gateway_MAIN  := gateway/main.c
gateway_PROG  := pane-gateway
gateway_PKGS  := libseccomp
gateway_TESTS := tests/gateway
