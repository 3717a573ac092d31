COMPONENTS   += broker
broker_DIRS  := broker
broker_MAIN  := broker/main.c
broker_PROG  := pane-broker
broker_PKGS  := libpq libmicrohttpd
broker_LIBS  := -largon2 -loath -lldap -llber -lpthread -lm
broker_TESTS := tests/broker
