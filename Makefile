# Picket. `make help` lists the targets.
SHELL := /bin/bash
SWIFT ?= swift
CONFIGURATION ?= release
PREFIX ?= /usr/local
EMBEDDED_SCRATCH := .build-embedded
# Embedded Swift's Unicode tables, where this toolchain keeps them.
UNICODE_TABLES = $(shell $(SWIFT) -print-target-info | python3 -c 'import json,sys; i=json.load(sys.stdin); print(i["paths"]["runtimeResourcePath"] + "/embedded/" + i["target"]["unversionedTriple"] + "/libswiftUnicodeDataTables.a")')

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: embedded
embedded: ## Build picketd as Embedded Swift, as it is released
	PICKET_EMBEDDED=1 PICKET_UNICODE_TABLES="$(UNICODE_TABLES)" $(SWIFT) build -c release \
	    --scratch-path $(EMBEDDED_SCRATCH)
