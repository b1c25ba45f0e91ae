# ckpt: everything is built under build/, from here, without recursion.
#
#	make			all programs and libckpt.so
#	make demo		checkpoints, kills and restarts a running program and shows the figures
#	make check		all tests
#	make install		DESTDIR and prefix (default /usr/local) as usual
#	make bench, make fuzz	figures; fuzzing of all parsers, FUZZ_SECONDS (60) each
#	make sanitize		unit tests and some system tests, with AddressSanitizer and UBSan compiled in
#	make chain		CHAIN (1000) generations of checkpoint, kill and restart; draws doc/chain.png
#	make tidy, make format, make clean
#	make packages		installs the Debian packages that are missing (as root), or names them
#
# A new .c or .S file in a directory that is there is picked up; no list of files is kept here.
# Each part sees only the headers that it may use: INC_* below is the rule who may include whom.

B := build

.SUFFIXES:
.DELETE_ON_ERROR:
.PHONY: all demo check bench chain fuzz sanitize tidy format lint clean install packages frozen unit programs-system

all:

# ---- packages and configuration ------------------------------------------------------------------

PACKAGES := gcc libc6-dev binutils autoconf pkg-config \
	libzstd-dev libelf-dev libunwind-dev libjansson-dev libxxhash-dev libsodium-dev check
PACKAGES_demo := python3 python3-numpy
PACKAGES_check := mandoc python3 python3-pytest python3-numpy
PACKAGES_chain := python3 python3-numpy python3-matplotlib
PACKAGES_bench := python3 python3-numpy python3-dill zstd strace gdb criu
PACKAGES_fuzz := clang
PACKAGES_sanitize := python3 python3-pytest python3-numpy
PACKAGES_tidy := clang-tidy
PACKAGES_format := clang-format
-include tests/packages.mk

WANT_PACKAGES := $(filter demo check bench chain fuzz sanitize tidy format install packages,$(MAKECMDGOALS))
NEEDED_PACKAGES = $(sort $(PACKAGES) $(foreach g,$(WANT_PACKAGES),$(PACKAGES_$(g))))

# On a system without dpkg configure says what is missing. Meanwhile a policy-rc.d says that no daemon is to be
# started: tests start their own.
packages:
	@command -v dpkg-query >/dev/null || exit 0; \
	have=$$(dpkg-query -W -f '$${db:Status-Status} $${Package}\n' | sed -n 's/^installed //p'); \
	missing=; \
	for p in $(NEEDED_PACKAGES); do \
		echo "$$have" | grep -qxF "$$p" || missing="$$missing $$p"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" != 0 ]; then \
		echo "missing packages:$$missing" >&2; \
		echo "as root: apt-get install$$missing" >&2; \
		exit 1; \
	fi; \
	echo "installing$$missing"; \
	policy=/usr/sbin/policy-rc.d; \
	if [ ! -e $$policy ]; then \
		trap 'rm -f '$$policy EXIT; trap 'exit 1' INT TERM; \
		printf '#!/bin/sh\nexit 101\n' >$$policy && chmod 755 $$policy; \
	fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get install -qq -y --no-install-recommends $$missing >/dev/null 2>&1 || \
	{ apt-get update -qq && apt-get install -qq -y --no-install-recommends $$missing >/dev/null; }

ifneq ($(filter-out clean packages,$(or $(MAKECMDGOALS),all)),)
-include $(B)/config.mk
endif

# When this file is missing or old, make writes it first and then starts over.
$(B)/config.mk: configure.ac $(if $(WANT_PACKAGES),| packages)
	@mkdir -p $(B)
	@command -v autoconf >/dev/null || \
	{ echo 'autoconf is missing; "make packages" as root installs what the build needs' >&2; exit 1; }
	cd $(B) && autoconf -o configure $(CURDIR)/configure.ac && ./configure -q --srcdir=$(CURDIR)

prefix ?= /usr/local
DESTDIR ?=

# Tools that only some targets need, and which may be installed after configure has run.
CLANG := clang
CLANG_TIDY := clang-tidy
CLANG_FORMAT := clang-format
MANDOC := $(shell command -v mandoc)

# ---- flags ---------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra $(if $(filter true,$(CI)),-Werror)
OPTIMIZE := -O2 -g
CFLAGS ?=
BASE := -std=gnu11 -D_GNU_SOURCE= $(OPTIMIZE) $(WARNINGS) $(LIB_CFLAGS) -ffunction-sections -fdata-sections -MMD -MP

# Code that runs frozen or in the restorer: no calls made of loops (gcc sees strlen in one), and no
# canary, which is read through a thread pointer that may not be ours.
BARE := -fvisibility=hidden -fno-stack-protector -U_FORTIFY_SOURCE $(NO_LOOP_CALLS)

INC_core := -Iinclude -Ilib/core
INC_preload := $(INC_core) -Ilib/preload
INC_restorer := $(INC_core) -Ilib/restorer
INC_plugins := -Iinclude
INC_src := $(INC_core) -Isrc/common

# objects,SOURCES: build/obj/DIR/x.o of each DIR/x.c
objects = $(patsubst %,$(B)/obj/%.o,$(basename $(1)))

# ---- sources -------------------------------------------------------------------------------------

PROGRAMS := launch command coordinator restart inspect

CORE_SRC := $(wildcard lib/core/*.[cS])
PRELOAD_SRC := $(wildcard lib/preload/*.[cS] lib/preload/*/*.[cS])
PLUGIN_SRC := $(wildcard plugins/*.c)
RESTORER_SRC := $(wildcard lib/restorer/*.[cS])
COMMON_SRC := $(wildcard src/common/*.c)
program_src = $(wildcard src/$(1)/*.[cS])
BUILT_PROGRAMS := $(foreach p,$(PROGRAMS),$(if $(call program_src,$(p)),$(p)))

CORE_OBJ := $(call objects,$(CORE_SRC))
PRELOAD_OBJ := $(call objects,$(PRELOAD_SRC))
PLUGIN_OBJ := $(call objects,$(PLUGIN_SRC))
RESTORER_OBJ := $(call objects,$(RESTORER_SRC)) $(patsubst lib/core/%,$(B)/obj/restorer-core/%.o,$(basename $(CORE_SRC)))
COMMON_OBJ := $(call objects,$(COMMON_SRC))

LIBCORE := $(B)/libcore.a
LIBCOMMON := $(B)/libcommon.a
LIBCKPT := $(if $(PRELOAD_SRC),$(B)/lib/libckpt.so)
RESTORER := $(if $(RESTORER_SRC),$(B)/restorer.elf)
BINARIES := $(patsubst %,$(B)/bin/ckpt_%,$(BUILT_PROGRAMS))

all: $(if $(CORE_SRC),$(LIBCORE)) $(LIBCKPT) $(RESTORER) $(BINARIES)

# Libraries that everything with lib/core in it carries.
ARCHIVES := $(ZSTD_A) $(SODIUM_A)

# ---- compiling -----------------------------------------------------------------------------------

compile = @mkdir -p $(@D) && echo "  CC      $<" && $(CC) $(1) $(BASE) $(CFLAGS) -c -o $@ $<

$(B)/obj/lib/core/%.o: lib/core/%.c $(B)/config.mk
	$(call compile,$(INC_core) $(BARE) -fPIC)
$(B)/obj/lib/preload/%.o: lib/preload/%.c $(B)/config.mk
	$(call compile,$(INC_preload) $(BARE) -fPIC -ftls-model=initial-exec)
$(B)/obj/lib/preload/%.o: lib/preload/%.S $(B)/config.mk
	$(call compile,$(INC_preload))
$(B)/obj/plugins/%.o: plugins/%.c $(B)/config.mk
	$(call compile,$(INC_plugins) $(BARE) -fPIC)
$(B)/obj/lib/restorer/%.o: lib/restorer/%.c $(B)/config.mk
	$(call compile,$(INC_restorer) $(BARE) -fPIE -ffreestanding)
$(B)/obj/lib/restorer/%.o: lib/restorer/%.S $(B)/config.mk
	$(call compile,$(INC_restorer))
$(B)/obj/lib/core/%.o: lib/core/%.S $(B)/config.mk
	$(call compile,$(INC_core))
$(B)/obj/restorer-core/%.o: lib/core/%.S $(B)/config.mk
	$(call compile,$(INC_core))
$(B)/obj/restorer-core/%.o: lib/core/%.c $(B)/config.mk
	$(call compile,$(INC_core) $(BARE) -fPIE -ffreestanding)
$(B)/obj/src/%.o: src/%.c $(B)/config.mk
	$(call compile,$(INC_src) -Isrc/$(firstword $(subst /, ,$*)) -DVERSION='"$(VERSION)"')
$(B)/obj/src/%.o: src/%.S $(B)/config.mk
	$(call compile,$(INC_src) -I$(B))

# The restorer goes into ckpt_restart by .incbin.
$(B)/obj/src/restart/blob.o: $(RESTORER)

archive = @rm -f $@ && echo "  AR      $@" && $(AR) rcs $@ $^

$(LIBCORE): $(CORE_OBJ)
	$(archive)
$(LIBCOMMON): $(COMMON_OBJ)
	$(archive)

# ---- libckpt.so ----------------------------------------------------------------------------------

comma := ,
PRELOAD_MAP := $(wildcard lib/preload/libckpt.map)
PRELOAD_LINK := -shared -Wl,-soname,libckpt.so -Wl,-z,now -Wl,-z,defs -Wl,-z,noexecstack \
	-Wl,--exclude-libs,ALL -Wl,--gc-sections -Wl,-Bsymbolic -Wl,-z,start-stop-visibility=hidden \
	$(addprefix -Wl$(comma)--version-script=,$(PRELOAD_MAP))

$(B)/lib/libckpt.so: $(PRELOAD_OBJ) $(PLUGIN_OBJ) $(LIBCORE) $(PRELOAD_MAP)
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) $(PRELOAD_LINK) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIBCORE) $(ARCHIVES) \
		-lpthread -ldl -lrt

# What runs between freeze and thaw (lib/core, plugins and all that includes frozen.h) calls nothing but
# itself, system calls and what lib/preload/frozen.allow lists: extended regular expressions that match
# a whole symbol. plugin_fail() and the like belong to ckpt_restart and are not there in libckpt.so.
FROZEN_ALLOW := $(wildcard lib/preload/frozen.allow)
FROZEN_SRC := $(if $(PRELOAD_SRC),$(shell grep -lF '"frozen.h"' $(PRELOAD_SRC)))
FROZEN_OBJ := $(CORE_OBJ) $(PLUGIN_OBJ) $(call objects,$(FROZEN_SRC))
FROZEN_ASM := $(call objects,$(filter %.S,$(PRELOAD_SRC)))

frozen: $(if $(FROZEN_ALLOW),$(B)/frozen.ok)

$(B)/frozen.ok: $(FROZEN_OBJ) $(FROZEN_ASM) $(FROZEN_ALLOW)
	@$(NM) -P --defined-only $(FROZEN_OBJ) $(FROZEN_ASM) | awk 'NF > 1 { print $$1 }' | \
		sort -u >$(B)/frozen.own
	@for o in $(FROZEN_OBJ); do \
		$(NM) -u -P $$o | awk '{ print $$1 }' | grep -vxFf $(B)/frozen.own | \
			grep -vxEf $(FROZEN_ALLOW) | sed "s|^|$$o calls |"; \
	done >$(B)/frozen.bad; \
	if [ -s $(B)/frozen.bad ]; then \
		echo "not allowed between freeze and thaw:" >&2; cat $(B)/frozen.bad >&2; exit 1; \
	fi
	@touch $@

all: frozen

# ---- the restorer --------------------------------------------------------------------------------

# It has no libc: memcpy and the few other functions that the compiler and zstd call are its own. The
# archive of zstd is compiled with stack protector: the thread pointer must be readable at 40.
RESTORER_LD := $(wildcard lib/restorer/restorer.ld)

$(B)/restorer.debug: $(RESTORER_OBJ) $(RESTORER_LD)
	@echo "  LD      $@"
	@$(CC) -static-pie -nostdlib -Wl,--no-dynamic-linker -Wl,-z,noexecstack -Wl,-z,norelro \
		-Wl,--gc-sections -Wl,--build-id=none $(addprefix -Wl$(comma)-T$(comma),$(RESTORER_LD)) \
		-o $@ $(filter %.o,$^) $(ARCHIVES)

$(B)/restorer.elf: $(B)/restorer.debug
	@$(OBJCOPY) --strip-all $< $@

# ---- programs ------------------------------------------------------------------------------------

# $(1): name of a program without ckpt_
define program
$(B)/bin/ckpt_$(1): $(call objects,$(call program_src,$(1))) $(if $(filter restart,$(1)),$(PLUGIN_OBJ)) \
		$(LIBCOMMON) $(LIBCORE)
	@mkdir -p $$(@D)
	@echo "  LD      $$@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -Wl,-z,now -Wl,--gc-sections -Wl,--as-needed -o $$@ $$(filter %.o,$$^) \
		$(LIBCOMMON) $(LIBCORE) $(ARCHIVES) -lpthread $(ELF_LIBS) $(UNWIND_LIBS) $(JANSSON_LIBS)
endef
$(foreach p,$(BUILT_PROGRAMS),$(eval $(call program,$(p))))

PYTHON_SRC := $(wildcard lib/python/ckpt/*.py) lib/python/ckpt/py.typed

SLURM_PROGRAMS := $(addprefix plugins/slurm/,prolog epilog task_prolog ckpt-gc ckpt-requeue)
SLURM_FILES := $(addprefix plugins/slurm/,leftovers.sh cli_filter.lua slurm.conf ckpt.sbatch)

# A text file under the prefix, the path of which is filled in.
define fill
	sed 's|@prefix@|$(prefix)|g' $(1) >$(DESTDIR)$(prefix)/$(2) && chmod 644 $(DESTDIR)$(prefix)/$(2)

endef

install: all
	install -d $(DESTDIR)$(prefix)/bin $(DESTDIR)$(prefix)/lib/ckpt $(DESTDIR)$(prefix)/include/ckpt \
		$(patsubst %,$(DESTDIR)$(prefix)/share/man/man%,1 3 7 8)
	$(if $(BINARIES),install -m 755 $(BINARIES) $(DESTDIR)$(prefix)/bin)
	$(if $(LIBCKPT),install -m 644 $(LIBCKPT) $(DESTDIR)$(prefix)/lib/ckpt)
	$(if $(wildcard include/*.h),install -m 644 $(wildcard include/*.h) $(DESTDIR)$(prefix)/include)
	$(if $(wildcard include/ckpt/*.h),install -m 644 $(wildcard include/ckpt/*.h) $(DESTDIR)$(prefix)/include/ckpt)
	install -d $(DESTDIR)$(prefix)/lib/ckpt/python/ckpt
	install -m 644 $(PYTHON_SRC) $(DESTDIR)$(prefix)/lib/ckpt/python/ckpt
	for n in 1 3 7 8; do install -m 644 doc/man/*.$$n $(DESTDIR)$(prefix)/share/man/man$$n || exit 1; done
	install -d $(patsubst %,$(DESTDIR)$(prefix)/%,lib/ckpt/slurm share/modulefiles share/doc/ckpt/slurm)
	install -m 755 $(SLURM_PROGRAMS) $(DESTDIR)$(prefix)/lib/ckpt/slurm
	$(foreach f,$(SLURM_FILES),$(call fill,$(f),lib/ckpt/slurm/$(notdir $(f))))
	$(call fill,plugins/slurm/modulefile,share/modulefiles/ckpt)
	install -m 644 README doc/SECURITY $(DESTDIR)$(prefix)/share/doc/ckpt
	$(foreach f,$(wildcard doc/slurm/*),$(call fill,$(f),share/doc/ckpt/slurm/$(notdir $(f))))

# ---- tests ---------------------------------------------------------------------------------------

PYTHON := /usr/bin/python3

# What walks CPython's structures in any memory; it is fuzzed, too.
WALKER_SRC := $(patsubst %,src/inspect/python%.c,_lines _objects _offsets _values) src/inspect/python.c

# Unit tests are one program; src/coordinator is tested without its main(), of src/restart what stands
# alone.
UNIT_SRC := $(wildcard tests/unit/*.c)
UNIT_OBJ := $(call objects,$(UNIT_SRC)) $(call objects,$(wildcard src/restart/pstree*.c) src/restart/vdso.c \
		src/restart/inherit.c) \
	$(call objects,$(addprefix lib/preload/,writer.c pages.c texts.c extents.c image_file.c \
		contents_writer.c)) \
	$(call objects,$(WALKER_SRC))
UNIT_COORDINATOR := $(filter-out %/main.o,$(call objects,$(call program_src,coordinator)))
UNIT := $(if $(UNIT_SRC),$(B)/tests/unit)

$(B)/obj/tests/unit/%.o: tests/unit/%.c $(B)/config.mk
	$(call compile,$(INC_src) -Isrc/coordinator -Isrc/restart -Isrc/inspect -Ilib/preload $(CHECK_CFLAGS))

$(B)/libcoordinator.a: $(UNIT_COORDINATOR)
	$(archive)

$(B)/tests/unit: $(UNIT_OBJ) $(if $(UNIT_COORDINATOR),$(B)/libcoordinator.a) $(LIBCOMMON) $(LIBCORE)
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) $(CFLAGS) -o $@ $(UNIT_OBJ) $(filter %.a,$^) $(ARCHIVES) $(CHECK_LIBS) $(ELF_LIBS) -lpthread

unit: $(UNIT)
	$(UNIT)

# Programs that tests checkpoint: plain C programs that know nothing of ckpt but its public headers.
SYSTEM_SRC := $(wildcard tests/system/*.c)
APPS_SRC := $(wildcard tests/apps/*.c)
SYSTEM_BIN := $(patsubst %.c,$(B)/%,$(SYSTEM_SRC))
APPS_BIN := $(patsubst %.c,$(B)/%,$(APPS_SRC))

$(SYSTEM_BIN) $(APPS_BIN): $(B)/%: %.c $(B)/config.mk
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) -Iinclude -std=gnu11 -D_GNU_SOURCE= $(OPTIMIZE) $(WARNINGS) -MMD -MP -MF $@.d $(CFLAGS) -o $@ $< \
		-pthread -lrt -lm

programs-system: $(SYSTEM_BIN) $(APPS_BIN)

PYTEST_DIRS := $(foreach d,system apps slurm,$(if $(wildcard tests/$(d)/*.py),tests/$(d)))

# Where they can have what tests/worker gives, parts of the tests run beside one another.
TESTS_AT_ONCE := 3
WORKER = $(shell tests/worker echo tests/worker 2>/dev/null)
AT_ONCE = --dist loadgroup --tx '$(TESTS_AT_ONCE)*popen//python=tests/worker $(PYTHON)'

# PYTEST adds arguments: make check PYTEST='-k pipe'
check: all frozen lint programs-system $(UNIT)
	$(WORKER) $(UNIT)
	$(if $(strip $(PYTEST_DIRS)),$(PYTHON) -m pytest -q $(PYTEST_DIRS) $(if $(WORKER),$(AT_ONCE)) $(PYTEST))

demo: all
	$(if $(wildcard tests/demo/demo.py),$(PYTHON) tests/demo/demo.py)

# Processes that only speak to the coordinator, as many as wanted.
CLIENTS := $(if $(wildcard tests/bench/clients.c),$(B)/tests/bench/clients)

$(B)/obj/tests/bench/%.o: tests/bench/%.c $(B)/config.mk
	$(call compile,$(INC_src))

$(B)/tests/bench/clients: $(B)/obj/tests/bench/clients.o $(LIBCOMMON) $(LIBCORE)
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) -o $@ $^ $(ARCHIVES)

bench: all $(CLIENTS)
	$(if $(wildcard tests/bench/bench.py),$(PYTHON) tests/bench/bench.py)

# A long chain of generations, and the picture of it in doc.
CHAIN := 1000
chain: all
	$(if $(wildcard tests/bench/chain.py),$(PYTHON) tests/bench/chain.py $(CHAIN) doc/chain.png)

MAN := $(wildcard doc/man/*.[0-9])
lint:
	$(if $(and $(MAN),$(MANDOC)),$(MANDOC) -Tlint -W warning $(MAN))

# ---- fuzzing -------------------------------------------------------------------------------------

FUZZ_SECONDS ?= 60
FUZZ_SRC := $(wildcard tests/fuzz/*_fuzz.c)
FUZZ_BIN := $(patsubst %.c,$(B)/%,$(FUZZ_SRC))
FUZZ_SEED := $(if $(wildcard tests/fuzz/seed.c),$(B)/fuzz-seeds)
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined

$(B)/tests/fuzz/python_fuzz: private FUZZ_MORE := $(WALKER_SRC) src/common/die.c -Isrc/inspect -Isrc/common -DVERSION='"$(VERSION)"'
$(B)/tests/fuzz/python_fuzz: $(WALKER_SRC) tests/fuzz/stretches.h $(wildcard src/inspect/python*.h)

$(B)/tests/fuzz/fdinfo_fuzz: private FUZZ_MORE := \
	$(patsubst %,plugins/%.c,epoll eventfd inotify lock pidfd signalfd timerfd)
$(B)/tests/fuzz/fdinfo_fuzz: $(PLUGIN_SRC) $(wildcard include/ckpt/*.h)

$(FUZZ_BIN): $(B)/%: %.c $(CORE_SRC) $(wildcard lib/core/*.h) $(B)/config.mk
	@mkdir -p $(@D)
	@echo "  FUZZ    $<"
	@$(CLANG) $(INC_core) $(filter-out -MMD -MP,$(BASE)) -fsanitize=fuzzer $(SANITIZE) -o $@ $< $(FUZZ_MORE) \
		$(CORE_SRC) $(ARCHIVES)

# Images, small ones and a real one, maps and so on to begin with, in a directory for each target.
$(B)/fuzz-seeds: tests/fuzz/seed.c tests/fuzz/real_image.sh $(LIBCORE) $(LIBCKPT) $(BINARIES)
	@$(CC) $(INC_core) $(BASE) -o $(B)/fuzz-seed $< $(LIBCORE) $(ARCHIVES)
	@rm -rf $@ && mkdir -p $@
	@sh tests/fuzz/real_image.sh $(B)/bin $(B)/fuzz-image && $(B)/fuzz-seed $@ $(B)/fuzz-image/*.00001.ckpt
	@cp -r tests/fuzz/python_seeds $@/python_fuzz

fuzz: $(FUZZ_BIN) $(FUZZ_SEED)
	@for f in $(notdir $(FUZZ_BIN)); do \
		echo "$$f: $(FUZZ_SECONDS) s"; \
		mkdir -p $(B)/fuzz-corpus/$$f $(B)/fuzz-seeds/$$f; \
		$(B)/tests/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$(B)/fuzz-found- \
			-print_final_stats=1 -close_fd_mask=1 $(B)/fuzz-corpus/$$f $(B)/fuzz-seeds/$$f \
			>$(B)/fuzz-$$f.log 2>&1 || { tail -n 40 $(B)/fuzz-$$f.log >&2; exit 1; }; \
		grep -E 'DONE|number_of_executed' $(B)/fuzz-$$f.log; \
	done

# ---- sanitizers ----------------------------------------------------------------------------------

# Programs and unit tests have AddressSanitizer; libckpt.so and the restorer, which run without libc, UBSan that
# traps. Not alignment: images are read where they lie, and x86-64 does not mind. Not null pointers to nothing, as
# of empty arrays to qsort(3). Not leaks: programs end.
SANITIZE_UB := -fsanitize=undefined -fno-sanitize=alignment,nonnull-attribute
SANITIZE_TRAP := $(SANITIZE_UB) -fsanitize-undefined-trap-on-error
SANITIZE_HOSTED := -fsanitize=address $(SANITIZE_UB) -fno-sanitize-recover=all
# Tests preload libraries, as users do.
SANITIZE_ENV := ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0
SANITIZE_TESTS ?= tests/system/test_inspect.py tests/system/test_html.py tests/system/test_mutated.py

sanitize: all programs-system
	$(MAKE) B=$(B)/trap CFLAGS='$(SANITIZE_TRAP)' FROZEN_ALLOW= all
	@mkdir -p $(B)/sanitize/lib/ckpt && cp $(B)/trap/restorer.elf $(B)/sanitize
	@cp $(B)/trap/lib/libckpt.so $(B)/sanitize/lib && cp $(B)/trap/lib/libckpt.so $(B)/sanitize/lib/ckpt
	$(MAKE) B=$(B)/sanitize CFLAGS='$(SANITIZE_HOSTED)' LIBCKPT= RESTORER= FROZEN_ALLOW= all $(B)/sanitize/tests/unit
	$(SANITIZE_ENV) $(B)/sanitize/tests/unit
	$(SANITIZE_ENV) CKPT_TEST_PREFIX=$(B)/sanitize $(PYTHON) -m pytest -q $(SANITIZE_TESTS) $(PYTEST)

# ---- care ----------------------------------------------------------------------------------------

C_FILES := $(wildcard include/*.h include/*/*.h lib/*/*.[ch] lib/*/*/*.[ch] plugins/*.[ch] src/*/*.[ch] \
	tests/*/*.[ch])

# Without those that take what a raw system call fills in for uninitialized, and memcpy for unsafe.
TIDY_CHECKS := -*,clang-analyzer-*,-clang-analyzer-core.uninitialized.*,-clang-analyzer-core.CallAndMessage
TIDY_CHECKS := $(TIDY_CHECKS),-clang-analyzer-core.UndefinedBinaryOperatorResult
TIDY_CHECKS := $(TIDY_CHECKS),-clang-analyzer-security.insecureAPI.*,-clang-analyzer-valist.*

tidy: $(B)/config.mk
	$(CLANG_TIDY) --quiet --checks='$(TIDY_CHECKS)' $(filter %.c,$(filter-out tests/%,$(C_FILES))) -- \
		-std=gnu11 -D_GNU_SOURCE= -DVERSION='"$(VERSION)"' $(LIB_CFLAGS) $(INC_preload) $(INC_restorer) $(INC_src) \
		$(addprefix -Isrc/,$(PROGRAMS))

format: $(B)/config.mk
	$(CLANG_FORMAT) -i $(C_FILES)

clean:
	rm -rf $(B)

-include $(shell [ -d $(B) ] && find $(B) -name '*.d' 2>/dev/null)
