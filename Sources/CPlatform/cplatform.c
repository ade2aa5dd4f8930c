//  cplatform.c — what needs GNU extensions, variable arguments, or types that Swift lacks.
#define _GNU_SOURCE
#include "cplatform.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

/// Reads all of `text` as a number; hexadecimal, infinity and exponents are numbers, NaN is none.
static int read_long_double(const char *text, long double *value) {
    if (text[0] == 0 || isspace((unsigned char)text[0])) return 0;
    char *end;
    errno = 0;
    *value = strtold(text, &end);
    if (*end != 0 || isnan(*value)) return 0;
    if (errno == ERANGE && (fabsl(*value) == HUGE_VALL || *value == 0)) return 0;
    return 1;
}

int cp_add_decimals(const char *a, const char *b, char *out, size_t size) {
    long double x, y;
    if (!read_long_double(a, &x)) return -1;
    if (!read_long_double(b, &y)) return -2;
    long double sum = x + y;
    if (!isfinite(sum)) return -3;
    int n = snprintf(out, size, "%.17Lf", sum);
    if (n < 0 || (size_t)n >= size) return -3;
    if (strchr(out, '.')) {
        while (out[n - 1] == '0') n--;
        if (out[n - 1] == '.') n--;
    }
    if (n == 2 && out[0] == '-' && out[1] == '0') {
        out[0] = '0';
        n = 1;
    }
    return n;
}

int cp_read_double(const char *text, size_t count, double *into) {
    if (count == 0 || isspace((unsigned char)text[0])) return 0;
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if ((size_t)(end - text) != count || isnan(value)) return 0;
    if (errno == ERANGE && (isinf(value) || value == 0)) return 0;
    *into = value;
    return 1;
}

int cp_print_double(double value, char *into, size_t size) {
    return snprintf(into, size, "%.17g", value);
}

int cp_print_fixed(double value, char *into, size_t size) {
    return snprintf(into, size, "%f", value);
}

int cp_read_border(const char *text, double *into) {
    if (isspace((unsigned char)text[0]) || strpbrk(text, "xX")) return 0;
    char *end;
    *into = strtod(text, &end);
    return *end == 0 && !isnan(*into);
}

int cp_accept(int listener) {
    return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int cp_rusage(int who, struct rusage *into) {
    if (who == 2) return getrusage(RUSAGE_THREAD, into);
    return getrusage(who == 1 ? RUSAGE_CHILDREN : RUSAGE_SELF, into);
}

void cp_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

void cp_thread_name(char *into, size_t capacity) {
    pthread_getname_np(pthread_self(), into, capacity);
}

void cp_lower_priority(int steps) {
    // On Linux this is the calling thread's alone; POSIX means the whole process.
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + steps);
}

int cp_epoll_wait(
    int epoll, struct epoll_event *events, int max, const struct timespec *timeout) {
    // By number: older C libraries lack the name.
#ifdef SYS_epoll_pwait2
    return (int)syscall(SYS_epoll_pwait2, epoll, events, max, timeout, NULL, (size_t)0);
#else
    errno = ENOSYS;
    return -1;
#endif
}

#ifdef __linux__
int cp_ring_setup(unsigned entries, struct io_uring_params *params) {
    return (int)syscall(SYS_io_uring_setup, entries, params);
}

int cp_ring_enter(
    int ring, unsigned submit, unsigned wait, unsigned flags, const void *argument, size_t size) {
    return (int)syscall(SYS_io_uring_enter, ring, submit, wait, flags, argument, size);
}

int cp_ring_register(int ring, unsigned operation, void *argument, unsigned count) {
    return (int)syscall(SYS_io_uring_register, ring, operation, argument, count);
}
#endif

int cp_begin_writing(int fd, int64_t offset, int64_t count) {
    return sync_file_range(fd, offset, count, SYNC_FILE_RANGE_WRITE);
}

#if defined(__x86_64__)
// One loop, vectorised three times: what a processor has is known when the program runs.
#define COUNT_BITS(name, features)                                                                 \
    __attribute__((target(features))) static int64_t name(const uint64_t *p, size_t words) {       \
        uint64_t sum = 0;                                                                          \
        for (size_t i = 0; i < words; i++) {                                                       \
            uint64_t word;                                                                         \
            memcpy(&word, p + i, sizeof word);                                                     \
            sum += (uint64_t)__builtin_popcountll(word);                                           \
        }                                                                                          \
        return (int64_t)sum;                                                                       \
    }

COUNT_BITS(count_bits_avx512, "avx512f,avx512vl,avx512vpopcntdq,prefer-256-bit")
COUNT_BITS(count_bits_avx2, "avx2,popcnt")

int64_t cp_count_bits(const void *p, size_t blocks) {
    if (__builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("avx512vl")) {
        return count_bits_avx512(p, blocks * 8);
    }
    if (__builtin_cpu_supports("avx2")) return count_bits_avx2(p, blocks * 8);
    return -1;
}
#else
int64_t cp_count_bits(const void *p, size_t blocks) { return -1; }
#endif
