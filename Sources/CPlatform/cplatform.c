//  cplatform.c — what needs GNU extensions, variable arguments, or types that Swift lacks.
#define _GNU_SOURCE
#include "cplatform.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

/// Four numbers are three bytes, which become the lower three of a word of four.
__attribute__((target("avx2"))) static void merge_avx2(
    uint8_t *bytes, const uint8_t *packed, size_t groups) {
    const __m256i spread = _mm256_setr_epi8(
        0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1,
        0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
    for (size_t i = 0; i < groups; i++, bytes += 32, packed += 24) {
        __m128i low = _mm_loadu_si128((const __m128i *)packed);
        __m128i high = _mm_loadu_si128((const __m128i *)(packed + 12));
        __m256i words = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), spread);
        __m256i a = _mm256_and_si256(words, _mm256_set1_epi32(0x3f));
        __m256i b = _mm256_and_si256(_mm256_slli_epi32(words, 2), _mm256_set1_epi32(0x3f00));
        __m256i c = _mm256_and_si256(_mm256_slli_epi32(words, 4), _mm256_set1_epi32(0x3f0000));
        __m256i d = _mm256_and_si256(_mm256_slli_epi32(words, 6), _mm256_set1_epi32(0x3f000000));
        __m256i all = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
        __m256i old = _mm256_loadu_si256((const __m256i *)bytes);
        _mm256_storeu_si256((__m256i *)bytes, _mm256_max_epu8(old, all));
    }
}

/// Neighbours are added twice, the second one shifted: two numbers to twelve bits, four to 24.
__attribute__((target("avx2"))) static void pack_avx2(
    uint8_t *packed, const uint8_t *bytes, size_t groups) {
    const __m256i close = _mm256_setr_epi8(
        0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1,
        0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    for (size_t i = 0; i < groups; i++, bytes += 32, packed += 24) {
        __m256i numbers = _mm256_loadu_si256((const __m256i *)bytes);
        __m256i twos = _mm256_maddubs_epi16(numbers, _mm256_set1_epi16(1 | 64 << 8));
        __m256i fours = _mm256_madd_epi16(twos, _mm256_set1_epi32(1 | 4096 << 16));
        __m256i out = _mm256_shuffle_epi8(fours, close);
        _mm_storeu_si128((__m128i *)packed, _mm256_castsi256_si128(out));
        _mm_storeu_si128((__m128i *)(packed + 12), _mm256_extracti128_si256(out, 1));
    }
}

int cp_merge_six_bits(uint8_t *bytes, const uint8_t *packed, size_t groups) {
    if (!__builtin_cpu_supports("avx2")) return 0;
    merge_avx2(bytes, packed, groups);
    return 1;
}

int cp_pack_six_bits(uint8_t *packed, const uint8_t *bytes, size_t groups) {
    if (!__builtin_cpu_supports("avx2")) return 0;
    pack_avx2(packed, bytes, groups);
    return 1;
}
#else
int cp_merge_six_bits(uint8_t *bytes, const uint8_t *packed, size_t groups) { return 0; }
int cp_pack_six_bits(uint8_t *packed, const uint8_t *bytes, size_t groups) { return 0; }
int64_t cp_count_bits(const void *p, size_t blocks) { return -1; }
#endif
