# SPDX-License-Identifier: GPL-3.0-or-later
# The web console: types made from openapi.yaml, checked, bundled into build/console/site. A machine without npm
# builds everything else and says so.

CONSOLE     := broker/console
CONSOLE_OUT := build/console
CONSOLE_SRC := $(shell git ls-files -co --exclude-standard $(CONSOLE))

.PHONY: console messages
ifneq ($(shell command -v npm),)
all: console
console: $(CONSOLE_OUT)/site/index.html ## build the web console (npm)
else
all: console
console:
	@echo "  the web console is not built: npm is not installed (make deps)"
endif

$(CONSOLE)/node_modules/.package-lock.json: $(CONSOLE)/package-lock.json
	@echo "  NPM     $(CONSOLE)"
	@cd $(CONSOLE) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(CONSOLE_OUT)/schema.ts: broker/openapi.yaml $(CONSOLE)/tools/schema.mjs $(CONSOLE)/node_modules/.package-lock.json
	@node $(CONSOLE)/tools/schema.mjs $< $@

$(CONSOLE_OUT)/site/index.html: $(CONSOLE_OUT)/schema.ts $(CONSOLE_SRC)
	@echo "  TSC     $(CONSOLE)"
	@cd $(CONSOLE) && node node_modules/typescript/bin/tsc -p .
	@echo "  VITE    $@"
	@cd $(CONSOLE) && node node_modules/vite/bin/vite.js build --logLevel warn

messages: $(CONSOLE)/node_modules/.package-lock.json ## bring the languages of console, pane-thin and lobby up to date with their texts (LANGUAGE=fr begins one)
	@node $(CONSOLE)/tools/messages.mjs $(LANGUAGE)
