# dogwatch: `make demo` shows it, `make test` proves it. Everything else:
#   all            build/dogwatch and build/dogwatch-host
#   deps           install the Debian packages that are missing (packages, tests/lab/packages)
#   unit           the unit tests alone; unit-DIR those of one directory
#   lab-test       the tests on real hosts (needs root and namespaces; skipped with the reason where those are missing)
#   faults         every fault at every step of a move: the whole matrix, of which lab-test runs a choice
#   asan ubsan tsan   the unit tests under a sanitiser
#   style          include directions, banned functions, sizes, formatting, warnings of both compilers
#   bench          what things cost
#   install        DESTDIR, PREFIX
#   compile_commands.json   for editors

BUILD ?= build
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr/local
VERSION := 0.1.0

# From the lowest layer to the highest: a directory may include itself and those before it (host: only base).
LAYERS := base fleet tui store remote collectors actions views engine
MODULES := libssh libcurl sqlite3 librrd ncursesw yaml-0.1 jansson libcrypto libarchive

# A directory's sources lie in it or one level below (store/logs/…).
sources = $(wildcard $(1)/*.c) $(wildcard $(1)/*/*.c)
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(call sources,$(1)))

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wformat=2 -Wmissing-prototypes -Wstrict-prototypes -Wvla
HARDENING := -fstack-protector-strong -fPIE -D_FORTIFY_SOURCE=2
SANITIZE ?=
ifneq ($(SANITIZE),)
HARDENING := -fPIE -fno-omit-frame-pointer
SANITIZER := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
endif
OPTIMISE ?= -O2 -g
CPPFLAGS += -I. -D_GNU_SOURCE -DDOGWATCH_VERSION=\"$(VERSION)\" -DDOGWATCH_PREFIX=\"$(PREFIX)\"
CFLAGS += -std=c17 $(OPTIMISE) $(WARNINGS) -Werror $(HARDENING) $(SANITIZER) -pthread
LDFLAGS += -pie -Wl,-z,relro,-z,now $(SANITIZER) -pthread
MODULE_CFLAGS := $(shell pkg-config --cflags $(MODULES) 2>/dev/null | sed 's/-I/-isystem /g')
LIBS = $(shell pkg-config --libs $(MODULES)) -lm
HOST_LIBS := -ljansson -lcrypto -lm

.DEFAULT_GOAL := all
.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all deps demo test unit lab-test asan ubsan tsan style bench install clean

all: $(BUILD)/dogwatch $(BUILD)/dogwatch-host

PRODUCT_OBJECTS := $(foreach l,$(LAYERS),$(call objects,$(l)))
HOST_OBJECTS := $(call objects,base) $(call objects,host)

$(BUILD)/dogwatch: $(BUILD)/obj/dogwatch.o $(PRODUCT_OBJECTS)
	@echo "  link     $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

# Static: it is copied to hosts of any distribution. The sanitisers cannot be linked statically.
$(BUILD)/dogwatch-host: $(HOST_OBJECTS)
	@echo "  link     $@"
	@$(CC) $(if $(SANITIZE),$(LDFLAGS),-static-pie -Wl,-z,relro,-z,now -pthread) -o $@ $^ $(HOST_LIBS)
	@$(if $(SANITIZE),,objcopy --only-keep-debug $@ $@.debug && strip --strip-debug $@)

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  compile  $<"
	@$(CC) $(CPPFLAGS) $(MODULE_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(foreach d,$(LAYERS) host tests/support,$(eval objs-$(d): $(call objects,$(d))))

# --- tests -----------------------------------------------------------------------------------------------------------
# tests/unit/DIR/test_NAME.c is one cmocka program, linked with DIR and the layers below it, and with tests/support.

UNIT_DIRS := $(filter-out support,$(notdir $(patsubst %/,%,$(wildcard tests/unit/*/))))
unit_programs = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/$(1)/test_*.c))
below = $(if $(filter host,$(1)),base host,$(call take_until,$(1),$(LAYERS)))
take_until = $(if $(2),$(firstword $(2)) $(if $(filter $(1),$(firstword $(2))),,$(call take_until,$(1),$(wordlist 2,99,$(2)))))

# An archive: a program takes only what it uses of it, so that a piece for one layer does not need that layer elsewhere.
$(BUILD)/support.a: $(call objects,tests/support)
	@rm -f $@
	@ar rcs $@ $^

define unit_rules
$(BUILD)/unit/$(1)/%: $(BUILD)/obj/tests/unit/$(1)/%.o $(foreach l,$(call below,$(1)),$(call objects,$(l))) $(BUILD)/support.a
	@mkdir -p $$(@D)
	@echo "  link     $$@"
	@$$(CC) $$(LDFLAGS) -o $$@ $$(filter-out $(BUILD)/obj/host/main.o,$$^) $$(LIBS) -lcmocka $(if $(filter tui views,$(1)),-lvterm)
unit-programs-$(1): $(call unit_programs,$(1))
unit-$(1): $(call unit_programs,$(1))
	@tests/run $$^
endef
$(foreach d,$(UNIT_DIRS),$(eval $(call unit_rules,$(d))))
UNIT_PROGRAMS := $(foreach d,$(UNIT_DIRS),$(call unit_programs,$(d)))

unit: all $(UNIT_PROGRAMS)
	@DOGWATCH_BUILD=$(abspath $(BUILD)) tests/run $(UNIT_PROGRAMS)

# The longest first: some run at a time, and one that begins last would run alone.
LAB_LONGEST := $(patsubst %,tests/lab/test_%.sh,migrate faults isolate restart nginx)
LAB_TESTS := $(LAB_LONGEST) $(filter-out $(LAB_LONGEST),$(wildcard tests/lab/test_*.sh))

# tests/lab/load.c sends visitors, listen.c hears what leaves a container; fault_engine.c is the engine, which dies or waits
# where a test says.
LAB_PROGRAMS := $(BUILD)/tests/load $(BUILD)/tests/listen $(BUILD)/tests/engine
$(BUILD)/tests/load $(BUILD)/tests/listen: $(BUILD)/tests/%: $(BUILD)/obj/tests/lab/%.o $(call objects,base)
$(BUILD)/tests/engine: $(BUILD)/obj/tests/lab/fault_engine.o $(PRODUCT_OBJECTS)
$(LAB_PROGRAMS):
	@mkdir -p $(@D)
	@echo "  link     $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)
lab-programs: $(LAB_PROGRAMS)
.PHONY: lab-programs

test: deps
	@$(MAKE) --no-print-directory -j2 all unit-programs lab-programs
	@DOGWATCH_BUILD=$(abspath $(BUILD)) tests/run $(UNIT_PROGRAMS) $(LAB_TESTS)
unit-programs: $(UNIT_PROGRAMS)
.PHONY: unit-programs

lab-test: all lab-programs
	@DOGWATCH_BUILD=$(abspath $(BUILD)) tests/run $(LAB_TESTS)

# Every fault at every step of an action, an hour or two (`make test` runs a choice of them).
faults: all lab-programs
	@DOGWATCH_BUILD=$(abspath $(BUILD)) FAULTS=all LAB_TIMEOUT=14400 tests/run tests/lab/test_faults.sh
.PHONY: faults

asan ubsan tsan:
	@$(MAKE) --no-print-directory -j2 BUILD=$(BUILD)-$@ OPTIMISE='-O1 -g' \
	    SANITIZE=$(if $(filter asan,$@),address,$(if $(filter ubsan,$@),undefined,thread)) unit
asan+ubsan:
	@$(MAKE) --no-print-directory -j2 BUILD=$(BUILD)-$@ OPTIMISE='-O1 -g' SANITIZE=address,undefined unit
.PHONY: asan+ubsan

style-flags:
	@echo $(CPPFLAGS) $(MODULE_CFLAGS) $(CFLAGS)
.PHONY: style-flags
style:
	@tests/style

# --- benches ---------------------------------------------------------------------------------------------------------
# bench/NAME.c is a program linked with every layer, bench/NAME.sh a script; each prints its figures and what they mean.

BENCH_PROGRAMS := $(patsubst bench/%.c,$(BUILD)/bench/%,$(wildcard bench/*.c))
$(BUILD)/bench/%: $(BUILD)/obj/bench/%.o $(PRODUCT_OBJECTS) $(BUILD)/support.a
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)
bench-programs: $(BENCH_PROGRAMS)
bench: all lab-programs $(BENCH_PROGRAMS)
	@for b in $(BENCH_PROGRAMS) $(wildcard bench/*.sh); do DOGWATCH_BUILD=$(abspath $(BUILD)) $$b || exit 1; done
.PHONY: bench-programs

# --- setting up ------------------------------------------------------------------------------------------------------

deps:
	@tests/deps packages tests/lab/packages

demo: deps
	@$(MAKE) --no-print-directory -j2 all
	@tests/demo

install: all
	install -D -m 755 $(BUILD)/dogwatch $(DESTDIR)$(PREFIX)/bin/dogwatch
	install -D -m 755 $(BUILD)/dogwatch-host $(DESTDIR)$(PREFIX)/lib/dogwatch/dogwatch-host
	for t in themes/*; do install -D -m 644 $$t $(DESTDIR)$(PREFIX)/share/dogwatch/$$t; done
	install -D -m 644 completion/dogwatch.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/dogwatch

compile_commands.json:
	@$(MAKE) --no-print-directory -nB BUILD=$(BUILD) all | \
	    sed -n -e '/ -c -o /!d; s/^[[:space:]]*//; s/[\\"]/\\&/g' -e 's|^.* \([^ ]*\)$$|{"directory":"$(CURDIR)","file":"\1","command":"&"}|p' | \
	    awk '{ printf "%s%s", n++ ? ",\n" : "[\n", $$0 } END { print "\n]" }' > $@
.PHONY: compile_commands.json

clean:
	rm -rf build build-asan build-ubsan build-tsan build-asan+ubsan compile_commands.json

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
