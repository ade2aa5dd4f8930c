# Martlet: what to type.
#
#   make run      a server on 127.0.0.1:6379
#   make test     every test
#
# The rest: build, bench, crash-test, lint, format, install, docs, peers, audit, clean.

PREFIX ?= /usr/local
SWIFT ?= swift
# Arguments for the server: make run ARGS="--port 7000"
ARGS ?=

.PHONY: run build test test-asan test-tsan crash-test fuzz bench lint format install docs peers audit clean

run: build
	@exec .build/release/martlet $(ARGS)

build:
	@scripts/packages build
	$(SWIFT) build -c release --product martlet

test:
	@scripts/packages test
	@scripts/peers
	$(SWIFT) build --build-tests
	$(SWIFT) test --skip-build
	MARTLET_EVENT_LOOP=epoll $(SWIFT) test --skip-build --filter 'ConnectionTests|RawProtocolTests'
	python3 -m unittest discover -s Benchmarks/tests

# Real servers to compare with, and a client library, in the ignored folder .peers.
peers:
	@scripts/peers

bench: build peers
	@scripts/packages bench
	Benchmarks/bench $(BENCH)

# Random input until FUZZ_SECONDS are over: bytes under libFuzzer, then requests from the grammar.
FUZZ_SECONDS ?= 60
fuzz:
	@scripts/packages test
	cd Fuzz && $(SWIFT) build --product FuzzRequests -Xswiftc -sanitize=fuzzer,address
	mkdir -p Fuzz/.build/corpus
	cd Fuzz && SWIFT_BACKTRACE=enable=no .build/debug/FuzzRequests -max_total_time=$(FUZZ_SECONDS) -max_len=4096 .build/corpus
	MARTLET_FUZZ_SECONDS=$(FUZZ_SECONDS) $(SWIFT) test --filter FuzzTests

# A server under load, killed and started again CRASH_ROUNDS times in each of several ways.
CRASH_ROUNDS ?= 300
crash-test:
	@scripts/packages test
	$(SWIFT) build --build-tests
	CRASH_ROUNDS=$(CRASH_ROUNDS) $(SWIFT) test --skip-build --filter CrashTests

# Every test under a sanitizer.
test-asan:
	@scripts/packages test
	# The test library itself leaks a few bytes.
	ASAN_OPTIONS=detect_leaks=0 $(SWIFT) test --sanitize address --scratch-path .build-asan

test-tsan:
	@scripts/packages test
	TSAN_OPTIONS=suppressions=$(CURDIR)/Tests/tsan.suppressions $(SWIFT) test --sanitize thread --scratch-path .build-tsan

# What the compiler made of the hot path: instructions, and calls that must not be there.
audit: build
	@scripts/packages bench
	scripts/audit

lint:
	$(SWIFT) format lint --strict --recursive Package.swift Sources Tests
	@$(MAKE) --no-print-directory build >/dev/null
	.build/release/martlet --print-command-reference | diff -u docs/commands.md -
	.build/release/martlet --print-directive-reference | diff -u docs/directives.md -

format:
	$(SWIFT) format --in-place --recursive Package.swift Sources Tests

# Pages that are made from the code.
docs: build
	.build/release/martlet --print-command-reference > docs/commands.md
	.build/release/martlet --print-directive-reference > docs/directives.md

install: build
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/martlet
	install -m 755 .build/release/martlet $(DESTDIR)$(PREFIX)/bin/martlet
	install -m 644 martlet.conf $(DESTDIR)$(PREFIX)/share/martlet/martlet.conf

clean:
	rm -rf .build .build-* Fuzz/.build
