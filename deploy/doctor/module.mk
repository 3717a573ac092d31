COMPONENTS   += doctor
doctor_DIRS  := deploy/doctor
doctor_MAIN  := deploy/doctor/main.c
doctor_PROG  := pane-doctor
doctor_PKGS  := libpq
