//  cplatform.h — what Swift cannot say: system headers, macros, intrinsics.
//
//  Inline functions only where the body is one instruction or one macro; the rest is Swift.
//  Swift's own view of the C library is without `_GNU_SOURCE`, and two views of one struct do not
//  go together; what only GNU's has is wrapped in cplatform.c.
#pragma once
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/io_uring.h>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#endif

static inline int cp_errno(void) { return errno; }

/// `open`, which Swift does not import because it is variadic.
static inline int cp_open(const char *path, int flags, unsigned mode) {
    return open(path, flags, mode);
}

/// Asks for the cache line at `p`.
static inline void cp_prefetch(const void *p) { __builtin_prefetch(p, 0, 3); }

/// A cheap, steady tick counter; its rate is measured against the monotonic clock at run time.
static inline uint64_t cp_ticks(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t t;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(t));
    return t;
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#endif
}

/// Bits 0...6 say which of bytes 1...7 of the bucket at `b` equal `tag` and are present
/// according to byte 0.
static inline uint32_t cp_match7(const void *b, uint8_t tag) {
    uint64_t word;
    memcpy(&word, b, 8);
#if defined(__x86_64__)
    typedef long long words __attribute__((vector_size(16)));
    typedef char bytes __attribute__((vector_size(16)));
    words q = {(long long)word, 0};
    bytes x = (bytes)q, t = (bytes){0} + (char)tag;
    uint32_t m = (uint32_t)__builtin_ia32_pmovmskb128((bytes)(x == t));
    return (m >> 1) & (uint32_t)(word & 0x7f);
#else
    uint64_t x = word ^ (0x0101010101010101u * tag);
    // Exact zero-byte test: no borrow crosses a byte.
    uint64_t zero = ~(((x & 0x7f7f7f7f7f7f7f7fu) + 0x7f7f7f7f7f7f7f7fu) | x | 0x7f7f7f7f7f7f7f7fu);
    uint32_t m = (uint32_t)(((zero >> 7) * 0x0102040810204080u) >> 56);
    return (m >> 1) & (uint32_t)(word & 0x7f);
#endif
}

/// Counts the bits that are set in whole 64-byte blocks at `p`, with the widest instructions that this
/// processor has for it; -1 where it has none.
int64_t cp_count_bits(const void *p, size_t blocks);

// Numbers of six bits and of a byte each; `groups` are of 32 numbers, which are 24 bytes and 32. Four
// more bytes must follow at `packed`. They return 0, with nothing done, where the processor has no
// wide vectors.

/// Makes each of `bytes` the greater one of what it is and its number in `packed`.
int cp_merge_six_bits(uint8_t *bytes, const uint8_t *packed, size_t groups);

/// Writes the numbers in `bytes`, all below 64, to `packed`; what follows there is overwritten.
int cp_pack_six_bits(uint8_t *packed, const uint8_t *bytes, size_t groups);

/// Bytes that the block at `p` occupies, for exact accounting.
static inline size_t cp_usable_size(void *p) {
#ifdef __linux__
    return malloc_usable_size(p);
#else
    return 0;
#endif
}

// A count of pins in the low bits of a word, and whether the owner has let go in the highest one;
// both sides may be on different threads.

static inline void cp_pin(void *word) { __atomic_fetch_add((uint32_t *)word, 1, __ATOMIC_RELAXED); }

/// Takes a pin off. Returns 1 when it was the last one and the owner has let go.
static inline int cp_unpin(void *word) {
    return __atomic_fetch_sub((uint32_t *)word, 1, __ATOMIC_ACQ_REL) == (1u << 31 | 1);
}

/// The owner lets go. Returns 1 when there are no pins.
static inline int cp_let_go(void *word) {
    return __atomic_fetch_or((uint32_t *)word, 1u << 31, __ATOMIC_ACQ_REL) == 0;
}

static inline uint32_t cp_pin_count(const void *word) {
    return __atomic_load_n((const uint32_t *)word, __ATOMIC_RELAXED) & ~(1u << 31);
}

/// Adds two decimal numbers in the widest binary format of the machine and prints the sum with up
/// to 17 decimals, trailing zeros removed, into `out`. Returns the length, or -1 or -2 when the
/// first or second number is malformed, -3 when the sum is not finite.
int cp_add_decimals(const char *a, const char *b, char *out, size_t size);

/// Reads a decimal number that takes up all of `text`, without white space in front; infinities
/// count, NaN and what is out of range do not. Returns 1 on success.
int cp_read_double(const char *text, size_t count, double *into);

/// Writes `value` with 17 significant digits; returns how many bytes that takes, without the NUL.
int cp_print_double(double value, char *into, size_t size);

/// Writes `value` with six decimals, up to 317 characters; returns how many, without the NUL.
int cp_print_fixed(double value, char *into, size_t size);

/// Reads a decimal number: an empty text is 0, what is out of range is infinite or 0. Returns 0 for
/// anything else that is no number, and for NaN.
int cp_read_border(const char *text, double *into);

// Functions with variable arguments, and macros, which Swift does not import.

static inline int cp_fcntl(int fd, int command, int argument) {
    return fcntl(fd, command, argument);
}
static inline int cp_is_socket(mode_t mode) { return S_ISSOCK(mode); }
static inline void cp_ignore_signal(int number) { signal(number, SIG_IGN); }
static inline int cp_get_file_limit(struct rlimit *into) { return getrlimit(RLIMIT_NOFILE, into); }
static inline int cp_set_file_limit(const struct rlimit *to) { return setrlimit(RLIMIT_NOFILE, to); }

/// Asks the system to begin writing a part of a file to the disk; does not wait.
int cp_begin_writing(int fd, int64_t offset, int64_t count);

/// Hidden from Swift on some systems, because a child of a process with threads can do next to
/// nothing. The one caller runs before the first thread starts.
static inline pid_t cp_fork(void) { return fork(); }

#ifdef __linux__
static inline int cp_disable_huge_pages(void) {
    return prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}
#endif

// Calls that GNU's C library shows only to those who ask for its extensions.

/// Takes a connection; the new descriptor is non-blocking and closed on exec.
int cp_accept(int listener);

/// `who`: 0 the process, 1 its children that were waited for, 2 the calling thread.
int cp_rusage(int who, struct rusage *into);

/// Names the calling thread for tools; at most 15 bytes.
void cp_name_thread(const char *name);
void cp_thread_name(char *into, size_t capacity);
/// Lets other threads go first, where threads have priorities of their own.
void cp_lower_priority(int steps);

#ifdef __linux__
/// `epoll_pwait2`; -1 with `ENOSYS` where the C library or the kernel lacks it.
int cp_epoll_wait(
    int epoll, struct epoll_event *events, int max, const struct timespec *timeout);

// io_uring, by number: the C library has no names for its three calls.
int cp_ring_setup(unsigned entries, struct io_uring_params *params);
int cp_ring_enter(
    int ring, unsigned submit, unsigned wait, unsigned flags, const void *argument, size_t size);
int cp_ring_register(int ring, unsigned operation, void *argument, unsigned count);

// Newer than the headers of some distributions; the running kernel is what has to know them.
#ifndef IORING_SETUP_SUBMIT_ALL
#define IORING_SETUP_SUBMIT_ALL (1U << 7)
#endif
#ifndef IORING_SETUP_COOP_TASKRUN
#define IORING_SETUP_COOP_TASKRUN (1U << 8)
#endif
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif
#ifndef IORING_ACCEPT_MULTISHOT
#define IORING_ACCEPT_MULTISHOT (1U << 0)
#endif
#ifndef IORING_RECV_MULTISHOT
#define IORING_RECV_MULTISHOT (1U << 1)
#endif
enum {
    cp_ring_select_buffer = 1 << 5,      // IOSQE_BUFFER_SELECT
    cp_ring_skip_success = 1 << 6,       // IOSQE_CQE_SKIP_SUCCESS
    cp_ring_register_buffers = 22,       // IORING_REGISTER_PBUF_RING
    cp_ring_cancel_and_wait = 24,       // IORING_REGISTER_SYNC_CANCEL
    cp_ring_cancel_all = 1 << 0,         // IORING_ASYNC_CANCEL_ALL
    cp_ring_cancel_descriptor = 1 << 1,  // IORING_ASYNC_CANCEL_FD
    cp_ring_cancel_any = 1 << 2,         // IORING_ASYNC_CANCEL_ANY
};

// Indices that the kernel and this process hand each other entries with.
static inline uint32_t cp_load_acquire(const uint32_t *p) {
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
static inline void cp_store_release(uint32_t *p, uint32_t value) {
    __atomic_store_n(p, value, __ATOMIC_RELEASE);
}
static inline void cp_store_release16(uint16_t *p, uint16_t value) {
    __atomic_store_n(p, value, __ATOMIC_RELEASE);
}
#endif
